"""A package of another Debian suite for the nodes' one: built from its source, or downloaded.

A newer suite's own .deb would not do: it asks for the newer suite's C library, and with that for
half a system. What Debian has built for the nodes' suite, its backports, is downloaded, and so is
an older suite's package: its libraries may lie beside the nodes' own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from selfbalance.lab import image, repository
from selfbalance.lab.building import Build, build_key
from selfbalance.lab.errors import LabError
from selfbalance.lab.repository import Deb
from selfbalance.lab.state import cache_root

SCRIPT = Path(__file__).parent / "backport.sh"
DOWNLOAD = Path(__file__).parent / "download.sh"
_OLDER = {"bookworm": ("bullseye",), "trixie": ("bookworm", "bullseye")}
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def ensure(package: str, source: str, suite: str, progress: Callable[[str], None]) -> list[Deb]:
    """The package of suite `source` for `suite`, built or downloaded now if need be.

    With it comes what else its source makes; with a backport, what it needs and nodes lack.
    """
    for name in (package, source):
        if not _NAME.fullmatch(name):
            raise LabError(f"{name!r} is no name of a package or of a Debian suite.")
    build, apt_sources = recipe(package, source, suite)
    build.ensure(lambda: apt_sources(image.sources(suite), image.sources(source)), progress)
    made = repository.debs(build.entry)
    if package not in {deb.package for deb in made}:
        raise LabError(f"The source of {package} in Debian {source} makes no package of that name.")
    return made


def recipe(package: str, source: str, suite: str) -> tuple[Build, Callable[[str, str], str]]:
    """What makes the package, and of which apt sources: the nodes' suite's and the other's."""
    if source in (f"{suite}-backports", *_OLDER.get(suite, ())):
        return _download(package, source, suite), both_binaries
    return _compile(package, source, suite), binaries_and_sources


def _compile(package: str, source: str, suite: str) -> Build:
    return Build(
        _entry((package, source, suite), SCRIPT),
        title=f"{package} of Debian {source} for {suite}",
        takes="about two minutes",
        script=SCRIPT,
        environment={"SUITE": suite, "PACKAGE": package, "KEYRING": image.keyring()},
    )


def _download(package: str, source: str, suite: str) -> Build:
    has, offered = " ".join(image.packages(suite)), " ".join(image.EXTRA_PACKAGES)
    return Build(
        _entry((package, source, suite, has, offered), DOWNLOAD),
        title=f"{package} of Debian {source}",
        takes="some seconds",
        script=DOWNLOAD,
        environment={
            "SUITE": suite,
            "FROM": source,
            "PACKAGE": package,
            "KEYRING": image.keyring(),
            "HAS": has,
            "OFFERED": offered,
        },
        verb="Downloading",
    )


def _entry(parts: tuple[str, ...], script: Path) -> Path:
    package, source, suite, *_ = parts
    key = build_key(parts, [(script.name, script.read_bytes())])
    return cache_root() / f"debs-{suite}-{package}-{source}-{key}"


def binaries_and_sources(suite: str, other: str) -> str:
    """Binary packages from the one, source packages from the other."""
    return suite + re.sub(r"(?m)^deb ", "deb-src ", other)


def both_binaries(suite: str, other: str) -> str:
    """Binary packages from both; a line that both have, once."""
    return "".join(dict.fromkeys((suite + other).splitlines(keepends=True)))
