"""What an operator says with `--data`: read, or refused before anything is changed."""

from __future__ import annotations

import math
import re

from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host

from selfbalance.operations import Options
from selfbalance.operations.again import typed
from selfbalance.operations.looking import deployment_of
from selfbalance.plan import Wish


def name_of_node(host: Host) -> str:
    """Return the node that `--data node=NAME` names. Raises `PyinfraError` unless there is one."""
    names = [node.name for node in deployment_of(host).cluster.nodes]
    node = getattr(host.data, "node", None)
    if str(node) not in names:
        wrong = "say which node" if node is None else f"there is no node '{node}'"
        raise PyinfraError(
            f"{wrong}: --data node=NAME, one of {' '.join(names)}; nothing was changed"
        )
    return str(node)


def wished(host: Host) -> Wish:
    """Return which component `--data` asks to upgrade, to which versions. Raises `PyinfraError`."""
    described = deployment_of(host)
    ways = {
        name: each.upgrade
        for name, each in described.plugins.components.items()
        if each.upgrade and each.needed(described.cluster)
    }
    component = getattr(host.data, "component", None)
    if not isinstance(component, str) or component not in ways:
        wrong = "say what" if component is None else f"there is no component '{component}'"
        raise PyinfraError(
            f"{wrong}: --data component=NAME, one of {' '.join(ways)}; nothing was changed"
        )
    way, version = ways[component], getattr(host.data, "version", None)
    named = getattr(host.data, "packages", None)
    if way.named != (named is not None):
        wrong = "needs" if way.named else "takes no"
        raise PyinfraError(
            f"component '{component}' {wrong} --data packages=NAME[=VERSION],...; "
            "nothing was changed"
        )
    if version is not None and not way.packages:
        raise PyinfraError(f"component '{component}' takes no version; nothing was changed")
    if named is None:
        asked = None if version is None else _version(version)
        return Wish(component, dict.fromkeys(way.packages, asked))
    return Wish(component, dict(_package(each) for each in str(named).split(",")))


def _version(value: object) -> str:
    """Return a version as it was typed: pyinfra takes 2.10 for a number."""
    return str(value) if isinstance(value, str) else typed("version") or str(value)


_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_VERSION = re.compile(r"[A-Za-z0-9.+~:-]+")


def _package(text: str) -> tuple[str, str | None]:
    """Read "NAME" or "NAME=VERSION" (Debian policy, 5.6.1 and 5.6.12)."""
    name, equals, version = text.partition("=")
    if not _PACKAGE.fullmatch(name) or (equals and not _VERSION.fullmatch(version)):
        raise PyinfraError(f"'{text}' is no package: NAME or NAME=VERSION; nothing was changed")
    return name, version if equals else None


def careful(host: Host) -> Options:
    """Return how careful `--data` asks to be. Raises `PyinfraError`."""
    rollback = getattr(host.data, "rollback", "auto")
    if rollback not in ("auto", "never"):
        raise PyinfraError(f"--data rollback={rollback}: auto or never; nothing was changed")
    usual = Options()
    return Options(
        soak_s=seconds(host, "soak", usual.soak_s),
        drain_timeout_s=seconds(host, "drain_timeout", usual.drain_timeout_s),
        patience_s=seconds(host, "patience", usual.patience_s),
        reboot_s=seconds(host, "reboot_timeout", usual.reboot_s),
        wait_s=seconds(host, "wait", usual.wait_s),
        heal_s=seconds(host, "heal_timeout", usual.heal_s),
        rollback=rollback == "auto",
        finalize=_finalize(host),
    )


def going_back(host: Host) -> bool:
    """Return whether `--data rollback=true` asks to undo the last change. Raises `PyinfraError`."""
    return said_so(host, "rollback")


def said_so(host: Host, key: str) -> bool:
    """Return what `--data KEY` says, false unless it is there. Raises `PyinfraError`."""
    said = getattr(host.data, key, False)
    if not isinstance(said, bool) and said not in ("true", "false"):
        raise PyinfraError(f"--data {key}={said}: true or false; nothing was changed")
    return said in (True, "true")


def _finalize(host: Host) -> bool:
    """Return whether `--data` asks for what cannot be undone. Raises `PyinfraError`."""
    asked = said_so(host, "finalize")
    component = str(getattr(host.data, "component", None))
    found = dict(deployment_of(host).plugins.components.items()).get(component)
    if asked and (found is None or found.upgrade is None or found.upgrade.finalize is None):
        raise PyinfraError(f"component '{component}' has nothing to finalize; nothing was changed")
    return asked


def seconds(host: Host, key: str, default: float) -> float:
    """Return a time that `--data` gives, in seconds. Raises `PyinfraError` if it is none."""
    value = getattr(host.data, key, default)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:
        raise PyinfraError(
            f"--data {key}={value} is no time: a number of seconds, 0 or more; nothing was changed"
        )
    return float(value)
