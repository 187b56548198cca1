"""The commands that an operator is told to go on with: copied into a shell, they do it."""

from __future__ import annotations

import shlex
import sys

import pytest

from selfbalance.operations.again import command_back, same_command, typed

START = ["inventories/prod.py", "deploys/upgrade.py"]
KEEPALIVED = ["--data", "component=keepalived"]
OLD = "1:2.2.7-1+b2"


@pytest.fixture
def called(monkeypatch):
    """Have been called with these words."""
    return lambda *words: monkeypatch.setattr(sys, "argv", ["/usr/bin/pyinfra", *words])


@pytest.mark.parametrize(
    "words",
    [
        [*START, *KEEPALIVED],
        ["-y", *START, "--data", "component=packages", "--data", "packages=nginx,curl=8.1"],
        ["my inventories/prod.py", "deploys/upgrade.py", "--data", "note=it's $HOME"],
        [],
    ],
)
def test_the_same_command_is_the_same_words(called, words):
    called(*words)

    assert shlex.split(same_command()) == ["pyinfra", *words]


def back(before: dict[str, str], named: bool = False) -> list[str]:
    return shlex.split(command_back(before, named))


def test_the_command_back_names_the_version_that_was_before(called):
    called(*START, *KEEPALIVED)

    assert back({"keepalived": OLD}) == [
        "pyinfra",
        *START,
        *KEEPALIVED,
        "--data",
        f"version={OLD}",
    ]


@pytest.mark.parametrize(
    "asked",
    [
        ["--data", "version=2.3.3"],
        ["--data=version=2.3.3"],
        ["--data", "version=2.3", "--data", "version=2.3.3"],
    ],
)
def test_the_version_that_was_asked_for_is_replaced(called, asked):
    called("-y", START[0], *asked, START[1], *KEEPALIVED, "--data", "soak=3")

    assert back({"keepalived": OLD}) == [
        "pyinfra",
        "-y",
        *START,
        *KEEPALIVED,
        "--data",
        "soak=3",
        "--data",
        f"version={OLD}",
    ]


@pytest.mark.parametrize("component", ["packages", "a-plugins-own"])
def test_packages_that_were_named_are_named_with_what_they_were(called, component):
    chosen = ["--data", f"component={component}"]
    called(*START, *chosen, "--data", "packages=nginx,openssl=3.1")

    assert back({"nginx": "1.22.1-9", "openssl": "3.0"}, named=True) == [
        "pyinfra",
        *START,
        *chosen,
        "--data",
        "packages=nginx=1.22.1-9,openssl=3.0",
    ]


def test_words_with_blanks_are_quoted(called):
    called("my inventories/prod.py", START[1], *KEEPALIVED)

    assert "'my inventories/prod.py'" in command_back({"keepalived": OLD}, named=False)


def test_a_flag_without_its_word_is_kept(called):
    called(*START, "--data")

    assert back({"a": "1"})[:4] == ["pyinfra", *START, "--data"]


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["--data", "version=2.10"], "2.10"),
        (["--data=version=2.10"], "2.10"),
        (["--data", "version=2.3", "--data", "version=2.10"], "2.10"),
        (["--data", "version="], ""),
        (["--data", "versions=2.10"], None),
        (["version=2.10"], None),
    ],
)
def test_what_was_typed_is_known_as_it_was_typed(called, words, given):
    called(*START, *words)

    assert typed("version") == given
