"""What the commands of an upgrade do to a node that lives in memory, and what it prints."""

from __future__ import annotations

import re
import string
import time
from typing import Any

from selfbalance.desired import places
from selfbalance.observed import UpgradeMark
from selfbalance.observed.upgrades import read_upgrade

VERSION = "1:2.2.7-1+b2"
"""What a node has of keepalived, as long as nobody has upgraded it."""

KINDS = {
    "apt-cache policy": "versions",
    f"{places.ROLLBACK}/*.deb": "put back",
    "apt-get -q download": "keep",
    "--download-only": "fetch",
    "systemd-run": "upgrade",
    "systemctl reboot": "reboot",
    "random/boot_id": "boot",
    "is-system-running": "booted",
    f"ln {places.LOCK}": "lock",
    f"touch -c {places.LOCK}": "beat",
    f"rm -f {places.LOCK}": "unlock",
    f"{places.UPGRADE}.new": "mark",
    f"rm -f {places.UPGRADE}": "unmark",
}
"""What a command is for, by the first of these that it holds; the look comes before all."""

LOOKING = {"versions", "boot", "booted", "beat"}


def boot_id(name: str, has: dict[str, Any]) -> str:
    """The id of the node's boot; a reboot counts it on."""
    number = int(name.lstrip(string.ascii_letters))
    return f"{has.get('boots', 0):08}-0000-4000-8000-{number:012}"


def mark_of(has: dict[str, Any]) -> UpgradeMark | None:
    """The mark that an upgrade has left on a node."""
    mark = read_upgrade([has["mark"]] if has.get("mark") else [])["upgrade"]
    assert mark is None or isinstance(mark, UpgradeMark)
    return mark


def did(name: str, has: dict[str, Any], kind: str, command: str) -> str | None:
    """Do it, and return what is printed; None where it fails."""
    if kind == "versions":
        newest = has.get("apt", [VERSION])
        rows = [f"keepalived installed {version_of(has)}", f"keepalived candidate {newest[0]}"]
        return "\n".join((*rows, *(f"keepalived available {each}" for each in newest)))
    if kind == "upgrade":
        (version,) = re.findall(r"keepalived=([^ ']+)", command)
        _install(has, version)
    elif kind == "put back":
        _install(has, has.get("kept", version_of(has)))
    elif kind == "keep":
        has["kept"] = version_of(has)
    elif kind == "reboot":
        has["boots"] = has.get("boots", 0) + 1
    elif kind == "boot":
        return boot_id(name, has)
    elif kind in {"booted", "fetch"}:
        pass
    elif kind == "mark":
        (has["mark"],) = re.findall(r"'(\{.*\})'", command)
    elif kind == "unmark":
        has["mark"] = None
    else:
        return _lock(has, kind, command)
    return ""


def version_of(has: dict[str, Any]) -> str:
    """What is installed of keepalived."""
    return str(has.get("version", VERSION))


def _install(has: dict[str, Any], version: str) -> None:
    """Install keepalived; one whose version says so does not start."""
    has["version"] = version
    has["installed"] = [*has.get("installed", []), version]
    has["broken"] = "broken" in version


def _lock(has: dict[str, Any], kind: str, command: str) -> str:
    lock, now = has.get("lock"), time.time()
    if kind == "unlock":
        if lock and lock["run"] in command:
            has["lock"] = None
        return ""
    if kind == "beat":
        assert lock
        lock["at"] = now
        return "beat"
    ((run, words),) = re.findall(r"'(\w+) ([^']+)' >", command)
    if lock and now - lock["at"] <= 30:
        return f"held {now - lock['at']:.0f} {lock['words']}"
    has["lock"] = {"run": run, "words": words, "at": now}
    return f"broke {now - lock['at']:.0f} {lock['words']}" if lock else "taken"
