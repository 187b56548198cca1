"""The shell commands that record what a node was, and that make it so again. Each may be run again.

The scripts stand beside this file.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from selfbalance.desired import DesiredNode, places
from selfbalance.operations.shell_upgrade import in_a_unit

_PURGE_S = 900
"""How long apt may take, in seconds."""

_FILES = (
    places.MODULES,
    places.VIP_UNIT,
    places.WATCH_UNIT,
    places.DROP_IN,
    places.GUARD,
    places.WATCH,
    places.MARKS,
    places.STAGED_CONFIG,
    places.CONFIG,
    places.SYSCTLS,
)
"""What any description puts on a node, a former one too."""

_RUN = (places.DUMPS, places.EVENTS.rpartition("/")[0], places.MARKER, "/run/selfbalance-snapshots")


def record(want: DesiredNode) -> str:
    """Write down what the node has now, unless that was done before."""
    files = _files(want)
    return _script(
        "record",
        units=_words(want.units),
        files=_words(files),
        folders=_words([*_folders(files), *_own_folders(want)]),
        folder=_FOLDER,
    )


def recorded() -> str:
    """Print "recorded" where it is known what the node had before."""
    return f"[ ! -e {places.BEFORE} ] || echo recorded"


def quiet(want: DesiredNode) -> str:
    """End what runs for the cluster: services, table, VIPs, filters."""
    return _script(
        "quiet",
        namespace=places.NAMESPACE,
        namespace_name=places.NAMESPACE.rpartition("/")[2],
        vips=_words(map(str, want.vips)),
        vip_interface=shlex.quote(want.vip_interface),
        interface=shlex.quote(want.interface),
        gue_port=want.wrapped.partition(":")[2],
        unwrapping=want.unwrapping,
    )


def to_purge(packages: Iterable[str]) -> str:
    """Print "purge" and the packages that have to go, or a sentence on why they stay."""
    return _script("purge", packages=shlex.quote(" ".join(packages)))


def purge(packages: Iterable[str]) -> str:
    """Remove packages with their configuration, in a unit that outlives the connection."""
    apt = (
        "dpkg --configure -a && apt-get -q -y -o DPkg::Lock::Timeout=120 "
        f"purge {_words(packages)} </dev/null"
    )
    return in_a_unit(apt, _PURGE_S)


def clear(want: DesiredNode) -> str:
    """Put back files, units, sysctls and modules, then forget what they were."""
    files = _files(want)
    patterns = " ".join(f"-e {shlex.quote(str(vip))}" for vip in want.vips)
    return _script(
        "clear",
        files=_words(files),
        folders=_words(_folders(files)),
        own_folders=_words(_own_folders(want)),
        unit_folder=places.UNITS,
        config=places.CONFIG,
        sysctls_file=places.SYSCTLS,
        sysctls=_words(want.sysctls),
        vip_patterns=patterns,
        run=_words(_RUN),
        log=places.UPGRADE_LOG,
        folder=_FOLDER,
        parents=_words(["/etc", _FOLDER.rpartition("/")[0]]),
    )


_FOLDER = places.BEFORE.rpartition("/")[0]


def _files(want: DesiredNode) -> list[str]:
    """Return every file that the node may have of ours, but for those in our own folder."""
    paths = dict.fromkeys((*_FILES, *(file.path for file in want.all_files)))
    return [path for path in paths if not path.startswith(f"{_FOLDER}/")]


def _folders(files: Iterable[str]) -> list[str]:
    return sorted({path.rpartition("/")[0] for path in files}, reverse=True)


def _own_folders(want: DesiredNode) -> list[str]:
    """Return the folders that volumes may have made, the inner ones first; / has none of ours."""
    paths = [path for each in want.volumes for path in (each.brick, each.mount) if path]
    found = (
        "/".join(parts[:length])
        for path in paths
        for parts in [path.split("/")]
        for length in range(len(parts), 2, -1)
    )
    return list(dict.fromkeys(found))


def _script(name: str, **values: object) -> str:
    return _environment().get_template(f"{name}.sh").render(before=places.BEFORE, **values).rstrip()


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader(__name__, ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - shell, not HTML; values are quoted, or are ours
    )


def _words(values: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, values))
