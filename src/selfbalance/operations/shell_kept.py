"""The shell commands that keep a node's configuration before a change, and put it back."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from selfbalance.desired import DesiredNode, places
from selfbalance.model.words import IPAddress
from selfbalance.plan import Act

KEPT = 5
"""How many earlier configurations a node keeps."""

_BEFORE = f"{places.KEPT}/before"
_OURS = (
    places.MODULES,
    places.SYSCTLS,
    places.VIP_UNIT,
    places.WATCH_UNIT,
    places.DROP_IN,
    places.GUARD,
    places.WATCH,
    places.MARKS,
    places.FACTS,
    places.DESCRIPTION,
    places.CONFIG,
)
"""Every file that cluster.py may write, whatever is described."""


def keep(want: DesiredNode, going_back: bool = False) -> str:
    """Keep what the node has, before the first change: files, and the sysctls that will be set.

    What a run that was interrupted has kept stays: it is what worked. Whole or not there.
    """
    paths = dict.fromkeys((*_OURS, *(file.path for file in want.all_files)))
    new = f"{places.KEPT}/new"
    values = "; ".join(
        f"[ ! -r {file} ] || printf '%s = %s\\n' {name} \"$(cat {file})\""
        for name in want.sysctls
        for file in [shlex.quote(f"/proc/sys/{name.replace('.', '/')}")]
    )
    mark = f" && >{new}/back" if going_back else ""
    return (
        f"set -e; umask 077; [ ! -d {_BEFORE} ] || exit 0; rm -rf {new}; mkdir -p {new}{mark}; "
        f"printf '%s\\n' {_words(paths)} >{new}/paths; "
        f'while IFS= read -r path; do [ ! -e "$path" ] || printf \'%s\\n\' "${{path#/}}"; '
        f"done <{new}/paths >{new}/there; "
        f"tar -c -f {new}/files.tar -C / -T {new}/there; {{ {values or ':'}; }} >{new}/sysctls; "
        f"sync {new}/files.tar {new}/sysctls {new}/paths; mv {new} {_BEFORE}; sync {places.KEPT}"
    )


def put_back(act: Act, at: str = "") -> str:
    """Put back what was kept before the change that goes on, and let keepalived take it.

    `act` is what keepalived did with the change, and undoes now; `at` are commands that wait for
    the moment to do so. Everything before can be done again. Fails where what is in place at the
    end is not what was kept.
    """
    staging = places.STAGING
    return (
        f"set -e; [ -d {_BEFORE} ] || {{ echo 'no earlier configuration is kept' >&2; exit 1; }}; "
        f"umask 077; rm -rf {staging}; mkdir -p {staging}; rm -f {places.STAGED_CONFIG}; "
        f"tar -x -p -f {_BEFORE}/files.tar -C {staging}; {at or ':'}; "
        "while IFS= read -r path; do "
        f'if [ -e "{staging}$path" ]; then mv -f "{staging}$path" "$path"; '
        f'else rm -f "$path"; fi; done <{_BEFORE}/paths; rm -rf {staging}; '
        f"tar -d -f {_BEFORE}/files.tar -C / >&2; sync {places.UNITS} /etc/keepalived; "
        f"systemctl daemon-reload; sysctl -q -p {_BEFORE}/sysctls; "
        "systemctl try-restart selfbalance-vip.service selfbalance-watch.service; "
        f"rm -f {places.NEW_WATCH}; "
        f"{undo(act)}"
    )


def undo(act: Act, at: str = "") -> str:
    """Let keepalived undo what it did; `at` are commands that wait for the moment to do so."""
    done = {
        Act.NONE: ":",
        Act.START: "systemctl stop keepalived.service",
        Act.RELOAD: "systemctl reload-or-restart keepalived.service",
        Act.RESTART: "systemctl restart keepalived.service",
    }[act]
    return f"{at}; {done}" if at else done


def forget() -> str:
    """Let the node forget what was kept: it has that again."""
    return f"rm -rf {_BEFORE}"


def settle(going_back: bool) -> str:
    """End a change: what the node had before becomes the last of its earlier configurations.

    If it was described alike, it does not: only what somebody did by hand was put right. A change
    that goes back leaves none, and what it went back to is earlier no more.
    """
    shifts = "".join(
        f"[ ! -d {number} ] || mv {number} {number + 1}; " for number in range(KEPT - 1, 0, -1)
    )
    returns = "".join(
        f"[ ! -d {number} ] || mv {number} {number - 1}; " for number in range(2, KEPT + 1)
    )
    end = (
        f"if [ -e before/back ]; then rm -rf 1; {returns}fi; rm -rf before"
        if going_back
        else f"path={places.DESCRIPTION}; "
        'if tar -x -O -f before/files.tar "${path#/}" 2>/dev/null | cmp -s - "$path"; '
        f"then rm -rf before; else rm -rf before/back {KEPT}; {shifts}mv before 1; fi"
    )
    return f"set -e; [ -d {_BEFORE} ] || exit 0; cd {places.KEPT}; {end}; sync ."


def take_away(vips: Iterable[IPAddress], device: str, interface: str) -> str:
    """Let the node take VIPs no more that are not described any more.

    Their filters go with those of all VIPs, which are set anew at once: resets matter only while a
    VIP has another owner.
    """
    gone = "".join(
        f"ip addr del {vip}/{vip.max_prefixlen} dev {shlex.quote(device)} 2>/dev/null || true; "
        for vip in vips
    )
    filters = "".join(
        f"tc filter del dev {shlex.quote(interface)} egress pref {pref} 2>/dev/null || true; "
        for pref in (53, 54, 55, 56)
    )
    return f"{gone}{filters}systemctl restart selfbalance-vip.service"


def described_before() -> str:
    """Print the description that the node had before: of a change that goes on, or of the last."""
    return (
        f"cd {places.KEPT} 2>/dev/null || exit 0; from=1; "
        "[ ! -d before ] || [ -e before/back ] || from=before; [ -d $from ] || exit 0; "
        f"path={places.DESCRIPTION}; "
        'tar -x -O -f $from/files.tar "${path#/}" 2>/dev/null | base64 -w 0'
    )


def _words(values: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, values))
