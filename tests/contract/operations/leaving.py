"""What a node that lives in memory writes down before it joins, and what teardown.py does to it."""

from __future__ import annotations

import json
from typing import Any

from selfbalance.desired import places

KINDS = {
    'mv -T "$new"': "record",
    "for unit in keepalived.service selfbalance-watch": "quiet",
    "apt-get -q -y -s": "packages",
    "DPkg::Lock::Timeout=120 purge": "purge",
    "rmmod": "clear",
    "|| echo recorded": "recorded",
}
"""What a command is for; the look comes before all."""

LOOKING = {"packages", "recorded"}


def did(has: dict[str, Any], kind: str) -> str | None:
    """Do it, and return what is printed."""
    if kind == "record":
        has.setdefault("record", json.dumps([has["packages"], has["files"]]))
    elif kind == "quiet":
        has.update(running=None, master=False, vips=False, drop_in_read=False, marks="", taken=[])
    elif kind == "packages":
        packages, _ = _before(has)
        return "" if packages or not has["packages"] else "purge keepalived ipvsadm libnl-3-200"
    elif kind == "purge":
        has["packages"] = False
    elif kind == "clear":
        _, files = _before(has)
        has.update(files=files, kernel=False, lock=None)
        has.pop("record", None)
    elif kind == "recorded":
        return "recorded" if "record" in has else ""
    return ""


def _before(has: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    if "record" not in has:
        return True, {k: v for k, v in has["files"].items() if k == places.CONFIG}
    packages, files = json.loads(has["record"])
    return packages, files
