"""What the commands of a change do to a node that lives in memory: what is kept, and moments."""

from __future__ import annotations

import base64
import re
import time
from typing import Any

from selfbalance.desired import places
from selfbalance.operations import shell_moment

KINDS = {
    f"--unit={shell_moment.UNIT}": "moment",
    f"SubState {shell_moment.UNIT}": "ended",
    f"systemctl stop {shell_moment.UNIT}": "cancel",
    "date +%s%N": "clock",
    "from=before": "before",
    f"tar -c -f {places.KEPT}": "keep old",
    f"tar -x -p -f {places.KEPT}": "restore",
    "ip addr del": "take away",
    f"cd {places.KEPT}": "settle",
    f"rm -rf {places.KEPT}/before": "forget",
}
"""What a command is for, by the first of these that it holds; the look comes before all."""

LOOKING = {"clock", "ended", "before"}


def dialect_of(has: dict[str, Any]) -> str:
    """What the node's configuration says that VRRP peers have to agree on."""
    lines = has["files"].get(places.CONFIG, [""])[0].splitlines()[1:2]
    return lines[0].rpartition(": ")[2] if lines and "have to agree" in lines[0] else ""


def did(has: dict[str, Any], kind: str, command: str) -> str:
    """Do it, and return what is printed."""
    kept = has.setdefault("earlier", [])
    if kind == "clock":
        return str(int((time.time() + has.get("ahead_s", 0)) * 1e9))
    if kind == "keep old":
        if not has.get("before"):
            files = {k: v for k, v in has["files"].items() if k != places.STAGED_CONFIG}
            has["before"] = {"files": files, "back": "/back;" in command}
    elif kind == "restore":
        has["files"] = dict(has["before"]["files"])
    elif kind == "forget":
        has["before"] = None
    elif kind == "settle":
        _settle(has, kept, going_back="mv before 1" not in command)
    elif kind == "before":
        before = has.get("before")
        chosen = before if before and not before["back"] else kept[0] if kept else None
        text = chosen["files"].get(places.DESCRIPTION, [""])[0] if chosen else ""
        return base64.b64encode(text.encode()).decode()
    elif kind == "moment":
        has["moment"] = command
    if kind == "take away":
        gone = re.findall(r"ip addr del ([^/]+)/", command)
        has["taken"] = [vip for vip in has.get("taken", []) if vip not in gone]
        if places.KEPT in command:
            _settle(has, kept, going_back="mv before 1" not in command)
    return ""


def _settle(has: dict[str, Any], kept: list[Any], going_back: bool) -> None:
    before, has["before"] = has.get("before"), None
    if before and not going_back:
        described = [f.get(places.DESCRIPTION) for f in (before["files"], has["files"])]
        if described[0] != described[1]:
            kept.insert(0, before)
    elif before and before["back"]:
        del kept[:1]
