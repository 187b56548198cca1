"""A package of another Debian suite, built from its source for the nodes' one.

Its own .deb would not do: it asks for the newer suite's C library, and with that for half a system.
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
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def ensure(package: str, source: str, suite: str, progress: Callable[[str], None]) -> list[Deb]:
    """What the package's source in suite `source` makes on `suite`, built now if need be."""
    for name in (package, source):
        if not _NAME.fullmatch(name):
            raise LabError(f"{name!r} is no name of a package or of a Debian suite.")
    key = build_key((package, source, suite), [(SCRIPT.name, SCRIPT.read_bytes())])
    build = Build(
        cache_root() / f"debs-{suite}-{package}-{source}-{key}",
        title=f"{package} of Debian {source} for {suite}",
        takes="about two minutes",
        script=SCRIPT,
        environment={"SUITE": suite, "PACKAGE": package, "KEYRING": image.keyring()},
    )
    build.ensure(lambda: apt_sources(image.sources(suite), image.sources(source)), progress)
    built = repository.debs(build.entry)
    if package not in {deb.package for deb in built}:
        raise LabError(f"The source of {package} in Debian {source} makes no package of that name.")
    return built


def apt_sources(binaries: str, sources: str) -> str:
    """Binary packages from the one, source packages from the other."""
    return binaries + re.sub(r"(?m)^deb ", "deb-src ", sources)
