"""The shell commands that take over a node of the 2013 design, and put it back.

Each may be killed anywhere and given again: what was kept aside is kept once, before anything is
changed, and never overwritten.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterable

from selfbalance.desired import DesiredNode, File, places, taken_over
from selfbalance.plan import AdoptionTurn

TOLD_S = 10
"""How long the old MASTER tells the others of each session with each packet, in seconds."""

BFD_WITHIN_S = 20
"""How long the nodes' BFD may take to see each other, in seconds; it says so once a second."""

FILLED_S = 5
"""How long an old keepalived takes to fill its table, which its notify script then clears."""


_BESIDE = (
    f"sysctl -q -p {places.SYSCTLS}",
    "systemctl restart selfbalance-watch.service",
    f"rm -f {places.NEW_WATCH}",
)
"""What changes with a keepalived of ours and not before, as in `shell.activate`."""


def keep(files: Iterable[str]) -> str:
    """Keep files below `places.ADOPTED`, with the list of them, unless that was done already."""
    folder, new = places.ADOPTED, f"{places.ADOPTED}.new"
    return (
        f"if [ ! -e {places.ADOPTING} ] || [ ! -e {folder}/files ]; then "
        # One of an adoption that was taken back: what is there now is not what it kept.
        f"[ ! -e {folder} ] || mv {folder} {folder}-$(date +%s); "
        f"rm -rf {new}; mkdir -p -m 700 {new}; "
        f"for file in {_words(files)}; do "
        f'if [ -e "$file" ]; then mkdir -p "{new}${{file%/*}}"; cp -pL "$file" "{new}$file"; '
        f"printf '%s\\n' \"$file\" >>{new}/files; fi; done; "
        f"sync; mv {new} {folder}; sync {folder.rpartition('/')[0]}; fi"
    )


def take_over_backup(turn: AdoptionTurn, want: DesiredNode) -> str:
    """Let a BACKUP's keepalived start anew by its new configuration and unit."""
    return "; ".join(
        [
            *_begin(turn),
            *_write(_drop_in(want)),
            "systemctl daemon-reload",
            *_BESIDE,
            *_configure(turn),
            "systemctl restart keepalived.service",
            *tidy(want),
        ]
    )


def convert_master(turn: AdoptionTurn, want: DesiredNode, syncid: int, others: int) -> str:
    """Let the MASTER read its new configuration, and stay MASTER.

    The others hear of its sessions before: what its keepalived will do then, the kernel does
    already. It ends when BFD sees as many others, for only those are handed over to.
    """
    dumps, listed = "/proc/$pid/root/tmp", "ipvsadm --list --daemon"
    return "; ".join(
        [
            *_begin(turn),
            f"{listed} | grep -q ^master || ipvsadm --start-daemon master "
            f"--mcast-interface {shlex.quote(want.interface)} --syncid {syncid} --sync-maxlen 1",
            "cd /proc/sys/net/ipv4/vs; echo '0 1' >sync_threshold; echo 0 >sync_refresh_period",
            f"sleep {TOLD_S}; cd /",
            *_BESIDE,
            f"{places.GUARD} serving",
            *_configure(turn),
            "systemctl reload keepalived.service",
            _pid(),
            f"up=0; for _ in $(seq {2 * BFD_WITHIN_S}); do rm -f {dumps}/keepalived_bfd.data; "
            f"kill -s USR1 $pid; sleep 0.5; "
            f"up=$(grep -c 'local state = Up' {dumps}/keepalived_bfd.data 2>/dev/null || true); "
            f'[ "${{up:-0}}" -lt {others} ] || break; done',
            f"rm -f {dumps}/keepalived*.data",
            f'[ "${{up:-0}}" -ge {others} ] || {{ echo "BFD sees ${{up:-0}} of {others} other '
            'nodes" >&2; exit 1; }',
            f"{_holds(want)} || {{ echo 'it lost the VIPs when it read its new configuration' "
            ">&2; exit 1; }",
        ]
    )


def hand_over(want: DesiredNode) -> str:
    """Let a MASTER that was converted hand over to a node that knows its sessions.

    Its keepalived still writes its dumps into /tmp; the guard, for that moment, finds them where it
    looks.
    """
    inside = (
        f"mount --bind /proc/$pid/root/tmp {places.DUMPS} && MAINPID=$pid exec {places.GUARD} stop"
    )
    return "; ".join(
        [
            "set -e",
            _pid(),
            f"export pid; mkdir -p -m 700 {places.DUMPS}; "
            f"unshare --mount sh -c {shlex.quote(inside)}",
            f"rm -f /proc/$pid/root/tmp/keepalived*.data; rmdir {places.DUMPS}",
            f"if {_holds(want)}; then {places.GUARD} serving; "
            "echo 'nobody took over the VIPs' >&2; exit 1; fi",
        ]
    )


def restart(want: DesiredNode) -> str:
    """Let the keepalived of a node that has handed over start anew by its new unit."""
    return "; ".join(
        [
            "set -e",
            *_write(_drop_in(want)),
            "systemctl daemon-reload",
            "systemctl restart keepalived.service",
            *tidy(want),
        ]
    )


def tidy(want: DesiredNode) -> list[str]:
    """Switch off what is left of the old design: all of it is kept aside."""
    pattern = shlex.quote(taken_over(want))
    files = f"{places.ADOPTED}/files"
    return [
        f"while IFS= read -r file; do case $file in {places.CONFIG}) ;; "
        f'*.conf) if [ -e "$file" ]; then grep -v {pattern} "$file" >"$file.new" || true; '
        'chmod --reference="$file" "$file.new"; '
        # Where nothing but comments is left of it, it was of the old design only.
        'if grep -q "^[[:space:]]*[^#;[:space:]]" "$file.new"; then mv -f "$file.new" "$file"; '
        'else rm -f "$file" "$file.new"; fi; fi ;; '
        f'*) rm -f "$file" ;; esac; done <{files}; sync'
    ]


def settle(want: DesiredNode) -> str:
    """End the adoption on this node: from now on it stands back as after any start."""
    return f"set -e; rm -f {places.ADOPTING}; {_holds(want)} || {places.GUARD} fresh"


def put_backup_back(want: DesiredNode, syncid: int) -> str:
    """Put back a node as it was: its old files, its old service, an empty table, its snapshot.

    The old design starts by a race between its health checks and its notify script. Until that is
    over, the kernel's own sync daemon keeps this node from balancing.
    """
    listed = "ipvsadm --list --daemon"
    return "; ".join(
        [
            "set -e",
            _IF_TOUCHED,
            "systemctl stop keepalived.service",
            f"rm -f {places.DROP_IN}; systemctl daemon-reload",
            *_restore(),
            f"{listed} | grep -q ^backup || ipvsadm --start-daemon backup "
            f"--mcast-interface {shlex.quote(want.interface)} --syncid {syncid}",
            "systemctl start keepalived.service",
            f"sleep {FILLED_S}",
            f"{_holds(want)} || for script in $(sed -n "
            '"s/^[[:space:]]*notify_backup[[:space:]]*[\\"\']*\\([^\\"\' ]*\\).*/\\1/p" '
            f'{places.CONFIG}); do "$script" >/dev/null 2>&1 || true; done',
            *_restore(),
            "ipvsadm --stop-daemon backup || true",
            *_forget(),
        ]
    )


def put_master_back(want: DesiredNode) -> str:
    """Let the MASTER read its old configuration again, and stay MASTER."""
    return "; ".join(
        [
            "set -e",
            _IF_TOUCHED,
            *_restore(),
            "systemctl reload-or-restart keepalived.service",
            "ipvsadm --stop-daemon master 2>/dev/null || true",
            f"rm -f {want.config.path}.staged",
            *_forget(),
        ]
    )


def _begin(turn: AdoptionTurn) -> list[str]:
    """Refuse another password, keep what will be replaced, and mark the node."""
    live, staged = places.CONFIG, places.STAGED_CONFIG
    word = "sed -n 's/^[[:space:]]*auth_pass[[:space:]]*[\"]*\\([^\" ]*\\).*/\\1/p'"
    acts = ["set -e", "umask 077"]
    if turn.config:
        acts += [
            f"[ -s {staged} ] || {{ echo 'no {staged}: nothing is prepared' >&2; exit 1; }}",
            # keepalived takes the first 8 characters (keepalived.conf(5), auth_pass).
            f'[ "$({word} {live} | cut -c1-8)" = "$({word} {staged} | cut -c1-8)" ] || '
            "{ echo 'its VRRP password is another than the description refers to' >&2; exit 1; }",
        ]
    if turn.replaced:
        acts.append(keep(turn.replaced))
    return [
        *acts,
        f"echo {turn.standing_back} >{places.ADOPTING}.new",
        f"mv -f {places.ADOPTING}.new {places.ADOPTING}; sync {places.ADOPTING}",
    ]


def _configure(turn: AdoptionTurn) -> list[str]:
    if not turn.config:
        return []
    folder = places.CONFIG.rpartition("/")[0]
    return [f"mv -f {places.STAGED_CONFIG} {places.CONFIG}; sync {folder}"]


def _drop_in(want: DesiredNode) -> File:
    return next(file for file in want.files if file.path == places.DROP_IN)


def _write(file: File) -> list[str]:
    content = base64.b64encode(file.content.encode()).decode()
    folder = file.path.rpartition("/")[0]
    return [
        f"mkdir -p -m 755 {folder}; printf %s {content} | base64 -d >{file.path}.new",
        f"chmod {file.mode:o} {file.path}.new; mv -f {file.path}.new {file.path}; sync {folder}",
    ]


def _restore() -> list[str]:
    kept = places.ADOPTED
    return [
        f'while IFS= read -r file; do mkdir -p "${{file%/*}}"; cp -p "{kept}$file" "$file.new"; '
        f'mv -f "$file.new" "$file"; done <{kept}/files; sync'
    ]


_IF_TOUCHED = f"[ -e {places.ADOPTING} ] || exit 0"
"""Where the mark is not there, nothing was changed, and nothing is to be put back."""


def _forget() -> list[str]:
    return [f"rm -rf {places.ADOPTED}; rm -f {places.ADOPTING}"]


def _pid() -> str:
    return "pid=$(systemctl show -p MainPID --value keepalived.service)"


def _holds(want: DesiredNode) -> str:
    """Ask whether a VIP is on the interface that the network asks."""
    vips = "|".join(f" {str(vip).replace('.', '[.]')}/" for vip in want.vips)
    return f"ip -o addr show dev {shlex.quote(want.interface)} | grep -Eq {shlex.quote(vips)}"


def _words(values: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, values))
