"""Versions that the lab gives to packages, and what it makes of them."""

import shutil
import subprocess

import pytest

from selfbalance.lab import repository


@pytest.mark.parametrize(
    ("current", "taken", "following"),
    [
        ("1:2.2.7-1+b2", [], "1:2.2.7-1+b2+lab1"),
        ("1:2.2.7-1+b2+lab1", ["1:2.2.7-1+b2", "1:2.2.7-1+b2+lab1"], "1:2.2.7-1+b2+lab2"),
        ("2.0", ["2.0+lab1", "2.0+lab3"], "2.0+lab2"),
    ],
)
def test_the_next_version_is_the_first_free_one(current, taken, following):
    assert repository.next_version(current, taken) == following


def test_only_the_version_field_changes():
    control = "Package: x\nVersion: 1.0\nDepends: y (= 1.0)\nDescription: v\n Version: no\n"
    changed = repository.set_version(control, r"2.0\1")
    assert changed == control.replace("\nVersion: 1.0", "\nVersion: 2.0\\1")


@pytest.fixture
def shelf(tmp_path):
    """A repository with one package that has one program."""
    if not (shutil.which("dpkg-deb") and shutil.which("apt-ftparchive")):
        pytest.skip("dpkg-deb and apt-ftparchive are not installed here")
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    control = "Package: tool\nVersion: 1.0\nArchitecture: all\nMaintainer: me\nDescription: t\n"
    (tree / "DEBIAN" / "control").write_text(control)
    (tree / "tool").write_text("good")
    (tmp_path / "shelf").mkdir()
    command = ["dpkg-deb", "--root-owner-group", "-b", tree, tmp_path / "shelf" / "tool_1.0.deb"]
    subprocess.run(command, check=True, capture_output=True)
    return tmp_path / "shelf"


def test_a_package_is_published_again_with_a_change(shelf, tmp_path):
    def spoil(tree):
        (tree / "tool").write_text("bad")

    assert repository.publish(shelf, "tool", None) == "1.0+lab1"
    assert repository.publish(shelf, "tool", None, spoil) == "1.0+lab2"
    found = {deb.version: deb.path for deb in repository.debs(shelf)}
    assert set(found) == {"1.0", "1.0+lab1", "1.0+lab2"}
    for version, content in (("1.0", "good"), ("1.0+lab1", "good"), ("1.0+lab2", "bad")):
        unpacked = tmp_path / version
        subprocess.run(["dpkg-deb", "-x", found[version], unpacked], check=True)
        assert (unpacked / "tool").read_text() == content
    assert "Version: 1.0+lab2" in (shelf / "Packages").read_text()


def test_what_is_withdrawn_is_not_offered_any_more(shelf):
    repository.publish(shelf, "tool", "2.0")
    repository.publish(shelf, "tool", "3.0")
    repository.withdraw(shelf, "tool", "3.0")
    assert [deb.version for deb in repository.debs(shelf)] == ["1.0", "2.0"]
    assert "Version: 3.0" not in (shelf / "Packages").read_text()
    assert repository.publish(shelf, "tool", None) == "2.0+lab1"
