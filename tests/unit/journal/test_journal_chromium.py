"""The page in a real browser: on a phone and on a desk, light and dark, nothing sticks out.

Without a browser these tests are skipped; with SELFBALANCE_REQUIRE_CHROMIUM set they fail.
"""

from __future__ import annotations

import html as escaping
import json
import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress

import journals
import pytest

from selfbalance.journal import html, read

NAMES = ("chromium", "chromium-browser", "google-chrome")
EXAMPLES = ("done", "failed", "killed", "hostile", "crowded")
SIZES = ((360, 800), (1280, 900))
SCHEMES = {"dark": 0, "light": 1}  # blink::mojom::PreferredColorScheme
TIMEOUT_S = 60

# Frames have the size of a screen, and srcdoc lets this page look into them. The pages themselves
# have no script, and forbid any.
HARNESS = """<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<style>iframe {{ border: 0 }}</style>{frames}<pre id="seen"></pre>
<script>
const look = frame => {{
  const page = frame.contentDocument, root = page.documentElement, view = frame.contentWindow;
  const box = page.querySelector(".scroll");
  const out = [...page.body.querySelectorAll("main *")].filter(each =>
    !each.closest(".scroll") && !each.closest(".unseen") &&
    each.getBoundingClientRect().right > view.innerWidth + 0.5);
  const tiny = [...page.body.querySelectorAll("main *")].filter(each =>
    parseFloat(view.getComputedStyle(each).fontSize) < 11);
  return {{
    example: frame.dataset.example, width: view.innerWidth, height: view.innerHeight,
    scrollWidth: root.scrollWidth, out: out.map(each => each.outerHTML.slice(0, 99)),
    tiny: tiny.length, box: [box.clientWidth, box.scrollWidth], text: page.body.innerText,
    ground: view.getComputedStyle(page.body).backgroundColor, scripts: page.scripts.length,
    images: page.images.length, overlaps: overlaps(page),
  }};
}};
const overlaps = page => [...page.querySelectorAll(".name")].filter(each =>
  each.scrollWidth > each.clientWidth + 1).map(each => each.innerText);
addEventListener("load", () => {{
  const seen = [...document.querySelectorAll("iframe")].map(look);
  document.getElementById("seen").textContent = JSON.stringify(seen);
}});
</script>"""


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        why = f"none of {', '.join(NAMES)} is in PATH"
        if os.environ.get("SELFBALANCE_REQUIRE_CHROMIUM"):
            pytest.fail(why)
        pytest.skip(why)
    return found


@pytest.fixture(scope="module")
def dumped(browser, tmp_path_factory):
    """Load a file in a preferred colour scheme; return the DOM as it was after its load."""

    def dumped(page, scheme):
        profile = tmp_path_factory.mktemp("profile")
        command = [
            browser,
            "--headless=new",
            "--no-first-run",
            "--disable-gpu",
            "--disable-crash-reporter",
            "--disable-background-networking",
            f"--user-data-dir={profile}",
            f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}",
            "--window-size=1400,1000",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            "--dump-dom",
            page.as_uri(),
        ]
        quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, start_new_session=True, **quiet) as running:
            try:
                return running.communicate(timeout=TIMEOUT_S)[0].decode()
            finally:
                _end_all_of(running.pid)

    return dumped


def _end_all_of(group):
    """What a browser starts may outlive it; all of it is in one process group of its own."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


@pytest.fixture(scope="module")
def seen(dumped, tmp_path_factory):
    """Scheme -> (example, width) -> what was measured there. One start of the browser each."""
    folder = tmp_path_factory.mktemp("pages")
    frames = [
        f'<iframe data-example="{name}" width="{width}" height="{height}" '
        f'srcdoc="{escaping.escape(_page(name, folder))}"></iframe>'
        for name in EXAMPLES
        for width, height in SIZES
    ]
    harness = folder / "harness.html"
    harness.write_text(HARNESS.format(frames="".join(frames)), encoding="utf-8")
    return {scheme: _measured(dumped(harness, scheme)) for scheme in SCHEMES}


def _page(name, folder):
    return html(read(getattr(journals, name)().into(folder / f"{name}.jsonl")))


def _measured(dom):
    found = re.search(r'<pre id="seen">(.+?)</pre>', dom, re.DOTALL)
    assert found, dom[-2000:]
    frames = json.loads(escaping.unescape(found[1]))
    return {(each["example"], each["width"]): each for each in frames}


EVERYWHERE = [
    pytest.param(scheme, name, width, id=f"{name}-{width}-{scheme}")
    for scheme in SCHEMES
    for name in EXAMPLES
    for width, _ in SIZES
]


@pytest.mark.parametrize(("scheme", "name", "width"), EVERYWHERE)
def test_the_page_does_not_scroll_sideways(seen, scheme, name, width):
    page = seen[scheme][name, width]

    assert page["scrollWidth"] <= page["width"] == width
    assert page["out"] == []


@pytest.mark.parametrize(("scheme", "name", "width"), EVERYWHERE)
def test_its_text_is_there_and_large_enough(seen, scheme, name, width):
    page = seen[scheme][name, width]

    for words in ("Time line", "Nodes", "Cluster", "outcome", "Made by selfbalance report from"):
        assert words in page["text"]
    assert page["tiny"] == 0
    assert page["overlaps"] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_on_a_phone_the_time_line_scrolls_in_its_own_box(seen, name):
    client, scroll = seen["light"][name, 360]["box"]

    assert client < 360
    assert scroll > 600


@pytest.mark.parametrize("name", ["done", "failed", "killed"])
def test_three_nodes_fit_on_a_desk(seen, name):
    client, scroll = seen["light"][name, 1280]["box"]

    assert client == scroll


def test_light_and_dark_are_two_grounds(seen):
    grounds = {scheme: {each["ground"] for each in seen[scheme].values()} for scheme in SCHEMES}

    assert grounds == {"light": {"rgb(255, 255, 255)"}, "dark": {"rgb(20, 24, 31)"}}


@pytest.mark.parametrize("width", [width for width, _ in SIZES])
def test_a_hostile_journal_makes_no_element(seen, width):
    page = seen["dark"]["hostile", width]

    assert (page["scripts"], page["images"]) == (0, 0)
    assert "<script>alert(1)</script>" in page["text"]
