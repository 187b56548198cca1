"""The script that observes one node, filled in for what that node should have."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from selfbalance.desired import (
    WRITTEN_BY,
    DesiredNode,
    DesiredVolume,
    places,
    taken_over,
)
from selfbalance.model import Cluster
from selfbalance.observed.volumes import UNANSWERED

CANARY_S = 10
"""How long a mount may take to write a word and read it again, in seconds."""

STATUS_S = 30
"""How long gluster may take to say what is online, in seconds."""

HEAL_S = 90
"""How long it may take to count what has to be healed, in seconds: each entry costs it a lock."""


def observation_script(cluster: Cluster, desired: DesiredNode) -> str:
    """Return one POSIX shell script that reports everything about the node, and changes nothing."""
    node = cluster.node(desired.name)
    managed = [file.path for file in desired.all_files]
    own = [address for address in (node.address, node.address6) if address is not None]
    claims = [
        *(f"self={address}" for address in own),
        *(f"vip={vip}" for vip in desired.vips if desired.director),
        *(f"peer={name}={address}" for name, address in desired.peers.items()),
        *(f"port={port}" for port in sorted({service.port for service in desired.services})),
        *([f"wrapped={desired.wrapped}"] if desired.tunnelled else []),
        *(f"real={name}={each}" for name, some in desired.tunnelled.items() for each in some),
    ]
    return _template("observe.sh").render(
        packages=_words(desired.packages),
        files=_words(managed),
        sysctls=_words(f"/proc/sys/{name.replace('.', '/')}" for name in desired.sysctls),
        modules=_words(desired.modules),
        # What a former description left there is nobody's business.
        facts=places.FACTS if places.FACTS in managed else "/dev/null",
        marks=places.MARKS if places.MARKS in managed else "/dev/null",
        interface=shlex.quote(desired.interface),
        unwrapping=_words(desired.unwrapping),
        vrrp=desired.director,
        units=_words(desired.units),
        demotion=places.DEMOTION,
        drained=places.DRAINED,
        upgrade=places.UPGRADE,
        config=places.CONFIG,
        kept=places.KEPT,
        ports="|".join(f"{port:04X}" for port in sorted({s.port for s in desired.services})),
        adopting=places.ADOPTING,
        adopted=places.ADOPTED,
        written_by=WRITTEN_BY,
        own_sysctls=places.SYSCTLS,
        taken_over=shlex.quote(taken_over(desired)),
        drop_in=places.DROP_IN,
        dumps=places.DUMPS,
        json_signal=places.JSON_SIGNAL,
        unpacked=places.UNPACKED,
        apart=desired.apart,
        namespace=places.NAMESPACE.rpartition("/")[2],
        claims=_words(claims),
        name=node.name,
        volumes=desired.volumes,
        glusterd=places.GLUSTERD,
        canary_s=CANARY_S,
        perl=_text("claims.pl").rstrip(),
    )


def volumes_script(volumes: Iterable[DesiredVolume]) -> str:
    """Return a script that reports what gluster says of these volumes; for one node at a time."""
    return _template("observe_volumes.sh").render(
        volumes=_words(volume.name for volume in volumes),
        unanswered=UNANSWERED,
        status_s=STATUS_S,
        heal_s=HEAL_S,
    )


def _words(values: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, values))


@cache
def _template(name: str) -> Template:
    """Compile a script once: every look at every node fills it in."""
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - shell, not HTML
    return environment.from_string(_text(name))


@cache
def _text(name: str) -> str:
    return files("selfbalance.observed").joinpath(name).read_text(encoding="utf-8")
