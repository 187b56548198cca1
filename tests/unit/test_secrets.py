"""Secrets come from the environment or a file, and their value is in no message."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from selfbalance import Cluster, Node, Secret, Service, Vip, VrrpOptions
from selfbalance.errors import DescriptionError
from selfbalance.secrets import resolve

NAME = "SELFBALANCE_TEST_PASSWORD"


def described(reference: str | None) -> Cluster:
    return Cluster(
        name="web",
        interface="bond0",
        nodes=[Node(name="web1", address="192.0.2.11")],
        vips=[Vip(address="192.0.2.10")],
        services=[Service(name="http", port=80)],
        detection="calm",
        vrrp=VrrpOptions(version=2, password=reference),
    )


@pytest.fixture
def environment():
    """Set variables of this process, and take them back."""
    yield os.environ
    os.environ.pop(NAME, None)


def refused(reference: str, base: Path) -> str:
    with pytest.raises(DescriptionError) as caught:
        resolve(described(reference), "prod.toml", base)
    said = str(caught.value)
    assert said.startswith("prod.toml: vrrp.password: ")
    assert len(said.splitlines()) == 1
    return said.removeprefix("prod.toml: vrrp.password: ")


def test_without_a_secret_nothing_is_read(tmp_path):
    assert resolve(described(None), "prod.toml", tmp_path / "nowhere") == {}


GOOD = ["a", "sesame", "12345678", "._%+=,:/", "-------a"]


@pytest.mark.parametrize("value", GOOD)
def test_from_the_environment(value, environment, tmp_path):
    environment[NAME] = value

    assert resolve(described(f"env:{NAME}"), "prod.toml", tmp_path) == {
        Secret(f"env:{NAME}"): value
    }


@pytest.mark.parametrize("value", GOOD)
@pytest.mark.parametrize("end", ["", "\n", "\r\n", " \n\n"])
def test_from_a_file_without_the_blanks_around(value, end, tmp_path):
    (tmp_path / "vrrp").write_bytes(f"{value}{end}".encode())

    for reference in ("file:vrrp", f"file:{tmp_path}/vrrp"):
        assert resolve(described(reference), "prod.toml", tmp_path) == {Secret(reference): value}


BAD = [
    "",
    "sesame-open",
    "123456789",
    "ses ame",
    "ses\name",
    "se}same",
    "se{same",
    'se"same',
    "se#same",
    "se!same",
    "se$same",
    "sesam\u00e9",
    "sesam\u0435",
    "sesame\x00",
    "ses\u2028me",
]


@pytest.mark.parametrize("value", BAD)
def test_a_value_that_keepalived_would_misread_is_refused_and_not_shown(value, tmp_path):
    (tmp_path / "vrrp").write_text(value, encoding="utf-8")

    said = refused("file:vrrp", tmp_path)

    assert said == (
        "the value of 'file:vrrp' is not usable; "
        "a VRRP password has 1 to 8 letters, digits or ._%+=,:/-"
    )


@pytest.mark.parametrize("value", ["", "sesame-open", "sesame\n", "se{same"])
def test_so_it_is_from_the_environment(value, environment, tmp_path):
    environment[NAME] = value

    assert refused(f"env:{NAME}", tmp_path).startswith(f"the value of 'env:{NAME}' is not usable")


def test_a_variable_that_is_not_set_says_how_to_set_it(environment, tmp_path):
    assert refused(f"env:{NAME}", tmp_path) == (
        f"the environment has no {NAME}; set it: export {NAME}=...; nothing was contacted"
    )


def _missing(folder: Path) -> None:
    (folder / "other").touch()


def _folder(folder: Path) -> None:
    (folder / "vrrp").mkdir()


def _latin_1(folder: Path) -> None:
    (folder / "vrrp").write_bytes("sesam\u00e9".encode("latin-1"))


def _loop(folder: Path) -> None:
    (folder / "vrrp").symlink_to("vrrp")


FILES = [
    (_missing, "No such file or directory"),
    (_folder, "Is a directory"),
    (_latin_1, "it is not UTF-8 text"),
    (_loop, "Too many levels of symbolic links"),
]


@pytest.mark.parametrize(("make", "reason"), FILES)
def test_a_file_that_cannot_be_read_says_why(make, reason, tmp_path):
    make(tmp_path)

    assert refused("file:vrrp", tmp_path) == (
        f"cannot read 'vrrp': {reason}; nothing was contacted"
    )
