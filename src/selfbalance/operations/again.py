"""The commands that a run tells its operator to go on with, and what he typed to begin it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping

_ASKED = ("version=", "packages=", "finalize=")


def same_command() -> str:
    """Return the command that started this run."""
    return shlex.join(["pyinfra", *sys.argv[1:]])


def command_back(before: Mapping[str, str], named: bool) -> str:
    """Return the command that takes every node to these versions, by package.

    `named` says that packages are named one by one.
    """
    kept = [word for words, data in _words() if not data.startswith(_ASKED) for word in words]
    if named:
        asked = "packages=" + ",".join(f"{name}={version}" for name, version in before.items())
    else:
        asked = f"version={next(iter(before.values()))}"
    return shlex.join(["pyinfra", *kept, "--data", asked])


def with_data(data: str) -> str:
    """Return the command that started this run, with one more word of data."""
    return shlex.join(["pyinfra", *sys.argv[1:], "--data", data])


def typed(key: str) -> str | None:
    """Return what `--data KEY=` was given, as it was typed: pyinfra makes 2.1 of "2.10"."""
    given = [data.partition("=")[2] for _, data in _words() if data.startswith(f"{key}=")]
    return given[-1] if given else None


def _words() -> Iterator[tuple[list[str], str]]:
    """Yield the words of the command that belong together, with what they say of data."""
    words = iter(sys.argv[1:])
    for word in words:
        if word == "--data":
            value = next(words, "")
            yield [word, value], value
        elif word.startswith("--data="):
            yield [word], word.removeprefix("--data=")
        else:
            yield [word], ""
