"""The page as text: what it tells, that nothing in it is more than text, and its contrasts."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import journals
import pytest

from selfbalance import journal
from selfbalance.journal import html, read
from selfbalance.journal.reading import WITHOUT_A_WORD

EXAMPLES = ("done", "failed", "killed", "hostile", "crowded")


class Page(HTMLParser):
    """What a page consists of: its tags with their attributes, its text without the style."""

    VOID = frozenset({"meta", "br", "polygon"})

    def __init__(self, text):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "br":
            self.words.append(" ")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())


@pytest.fixture
def page(tmp_path):
    def page(name):
        return html(read(getattr(journals, name)().into(tmp_path / f"{name}.jsonl")))

    return page


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_is_well_formed_and_loads_nothing(page, name):
    text = page(name)
    parsed = Page(text)

    assert text.startswith("<!doctype html>\n")
    assert parsed.open == []
    assert not {tag for tag, _ in parsed.tags} & {"script", "link", "img", "iframe", "object"}
    loading = {"src", "href", "srcset", "data", "action", "background"}
    assert not [tag for tag, has in parsed.tags if has.keys() & loading]
    assert not [tag for tag, has in parsed.tags if any(key.startswith("on") for key in has)]
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_id_is_there_once_and_every_reference_has_one(page, name):
    tags = [has for _, has in Page(page(name)).tags]
    ids = [has["id"] for has in tags if "id" in has]

    assert len(ids) == len(set(ids))
    assert {has["aria-labelledby"] for has in tags if "aria-labelledby" in has} <= set(ids)


def test_the_headline_tells_the_run(page):
    text = Page(page("done")).text

    for words in (
        "web · keepalived",
        "keepalived -> 2.3.3",
        "✓ done in 2 min 14 s",
        "3 nodes have keepalived 2.3.3",
        "ops@bastion",
        "2026-11-23 09:30:12 UTC",
        "web2 → web3 → web1",
        "pyinfra inventories/prod.py deploys/upgrade.py --data to=2.3.3",
    ):
        assert words in text
    assert "Problems" not in text
    assert "resumed" not in text


def test_a_failed_run_tells_what_and_what_next(page):
    text = Page(page("failed")).text

    for words in (
        "✕ failed",
        "web3, verify failed at 1 min 27 s keepalived still in FAULT 5 s after its start",
        "Gates, after web3 bad from 1 min 35 s to 1 min 36 s, 2 samples",
        "Next ssh web3 journalctl -u keepalived",
        "web1 from 0.0 s, nobody from 1 min 20 s, web2 from 1 min 22 s",
        "13 samples, 10 good",
        "4,500 sent, 7 failed",
        "web1 as before to get 1:2.3.3-1; last seen BACKUP, weight 1, 40 sessions Nothing was done",
    ):
        assert words in text


def test_a_killed_run_says_so_and_which_step_it_was_in(page):
    text = Page(page("killed")).text

    assert WITHOUT_A_WORD in text
    assert "web2, drain not finished at 7.4 s" in text
    assert "web1 not known" in text
    assert "Last record" in text


def test_steps_are_a_table_with_their_seconds(page):
    cells = [
        unescape(re.sub(r"<[^>]+>", " ", row))
        for row in re.findall(r"<tr><th scope=\"row\">.*?</tr>", page("done"), re.DOTALL)
    ]

    assert [" ".join(row.split()) for row in cells][:3] == [
        "mark 3.0 0.4 ok",
        "drain 3.4 21.0 ok 38 sessions ended, none was cut",
        "snapshot 24.4 0.9 ok kept as keepalived-2.2.7",
    ]


def test_a_resumed_run_says_so(tmp_path):
    told = journals.Told(resumed=True)

    assert "resumed from an earlier run" in Page(html(read(told.into(tmp_path / "a.jsonl")))).text


@pytest.mark.parametrize("result", ["done", "nothing to do", "failed", "interrupted"])
def test_every_result_has_its_badge(tmp_path, result):
    told = journals.Told()
    told.end(result, "", {})
    text = html(read(told.into(tmp_path / "a.jsonl")))

    assert f'class="badge {result.replace(" ", "-")}"' in text
    assert Page(text).text.count(f"{result} in 0.0 s") == 1


def test_text_stays_text(page):
    text = page("hostile")
    parsed = Page(text)

    assert (
        parsed.text.count("<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;{{") > 10
    )
    allowed = {"class", "style", "title", "aria-label", "aria-labelledby", "role", "tabindex", "id"}
    body = parsed.tags[[tag for tag, _ in parsed.tags].index("body") :]
    named = {key for tag, has in body if tag not in {"svg", "polygon"} for key in has}
    assert named <= allowed | {"aria-hidden", "datetime", "scope"}


# --- contrast --------------------------------------------------------------------------------


def palettes():
    """Scheme -> name -> colour, as the style has them."""
    css = (Path(journal.__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    return [dict(re.findall(r"--(\S+): #(\w{6})", block)) for block in blocks]


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """The ratio of WCAG 2.2: 4.5 is asked for of text."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_can_be_read_on_its_ground(scheme):
    colour = palettes()[scheme]
    pairs = [(name, ground) for name in ("text", "dim") for ground in ("paper", "box")]
    pairs += [(name, "paper") for name in ("good", "bad")]
    pairs += [(name, name[3:]) for name in colour if name.startswith("on-")]

    assert len(pairs) == 12
    assert not [pair for pair in pairs if contrast(colour[pair[0]], colour[pair[1]]) < 4.5]
