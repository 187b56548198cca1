"""Which image a lab needs, and where it comes from."""

import os

import pytest

from selfbalance.lab import building, image

TARGETS = """\
Debian|main|http://mirror.example/debian/|bookworm
Debian|contrib|http://mirror.example/debian/|bookworm
Debian|main|http://mirror.example/debian/|bookworm-updates
Debian|main|http://mirror.example/debian-security/|bookworm-security
Somebody|main|http://other.example/|stable
"""


def test_the_machines_own_suite_comes_with_its_updates():
    assert image.debian_sources(TARGETS, "bookworm").splitlines() == [
        "deb http://mirror.example/debian-security/ bookworm-security main",
        "deb http://mirror.example/debian/ bookworm main",
        "deb http://mirror.example/debian/ bookworm-updates main",
    ]


def test_another_suite_comes_from_the_same_mirror():
    assert (
        image.debian_sources(TARGETS, "trixie") == "deb http://mirror.example/debian/ trixie main\n"
    )


def test_without_a_debian_mirror_there_is_nothing():
    assert (
        image.debian_sources("Ubuntu|main|http://mirror.example/|noble\nnonsense\n", "trixie") == ""
    )


def test_every_part_of_an_image_is_in_its_key():
    parts, files = ("bookworm", "6.1"), [("build.sh", b"one"), ("etc/x", b"two")]
    key = building.build_key(parts, files)
    assert key == building.build_key(parts, reversed(files))
    others = {
        building.build_key(("trixie", "6.1"), files),
        building.build_key(("bookworm6.1",), files),
        building.build_key(parts, [("build.sh", b"one!"), ("etc/x", b"two")]),
        building.build_key(parts, [("build.sh", b"one"), ("etc/y", b"two")]),
        building.build_key(parts, files[:1]),
    }
    assert key not in others
    assert len(others) == 5


def test_the_bare_web_server_has_the_name_that_the_suite_gives_it():
    assert "nginx" in image.packages("bookworm")
    assert "nginx-light" in image.packages("bullseye")
    assert "nginx" not in image.packages("bullseye")


def test_what_a_deploy_installs_is_not_there_before():
    for suite in ("bullseye", "bookworm", "trixie"):
        assert not set(image.EXTRA_PACKAGES) & set(image.packages(suite))


def test_the_build_script_and_its_files_are_shipped():
    names = {name for name, _ in image._files()}
    assert {"build.sh", "wide_registers.c", "overlay/usr/local/sbin/lab-network"} <= names


def test_what_is_offered_anew_is_on_every_node():
    for suite in ("bullseye", "bookworm", "trixie"):
        assert image._renamed(("nginx",), suite)[0] in image.packages(suite)
    assert "nginx" in image.OFFERED_PACKAGES


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["W: careful", "E: no such package", "E: setup failed: E: x", "E: mmdebstrap failed"],
         "E: no such package"),
        (["E: mmdebstrap failed to run"], "E: mmdebstrap failed to run"),
        (["something", "cp: no space"], "cp: no space"),
        ([], "no output"),
    ],
)  # fmt: skip
def test_a_failed_build_tells_why(lines, reason):
    assert building.reason(lines) == reason


def test_only_old_images_that_no_lab_has_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    now, cache = 2e9, tmp_path / "cache"
    names = ("image-a-000000000001", "image-a-000000000002", "image-b-000000000003", "other")
    names += ("debs-b-x-c-000000000004",)
    for name in names:
        (cache / name).mkdir(parents=True)
        old = now - building.KEPT_S - 1 if name != names[1] else now
        os.utime(cache / name, (old, old))
    lab = tmp_path / "state/selfbalance/lab/lab/lab.json"
    lab.parent.mkdir(parents=True)
    lab.write_text(f'{{"image": "{cache / names[2]}"}}')
    building.forget_old(cache, now)
    assert sorted(path.name for path in cache.iterdir()) == sorted(names[1:4])
