"""The shell commands that change a node. Each is one round trip and stops at its first failure."""

from __future__ import annotations

import base64
import io
import shlex
import tarfile
from collections.abc import Iterable, Sequence

from pyinfra.api import StringCommand

from selfbalance.desired import HEAVIEST, File, places
from selfbalance.plan import Act, NodePlan, begins_later
from selfbalance.plugins import SnapshotStore


def write_files(files: Iterable[File]) -> StringCommand:
    """Write files of root's, each renamed into its place. Contents go by standard input.

    Nothing shows in the node's process list, nothing lies in /tmp, no reader sees half a file, and
    a power loss in the next half minute leaves none empty.
    """
    files = tuple(files)
    staging = places.STAGING
    moves = "; ".join(
        f"mkdir -p -m 755 {shlex.quote(file.path.rsplit('/', 1)[0])}; "
        f"mv -f {shlex.quote(staging + file.path)} {shlex.quote(file.path)}"
        for file in files
    )
    folders = sorted({file.path.rsplit("/", 1)[0] for file in files})
    return StringCommand(
        f"set -e; umask 077; mkdir -p {staging}; "
        f"base64 -d | tar -x -m -p --no-same-owner -C {staging}; "
        f"sync {_words(staging + file.path for file in files)}; "
        f"umask 022; {moves}; sync {_words(folders)}; rm -rf {staging}",
        _stdin=_archive(files),
    )


def _archive(files: Iterable[File]) -> str:
    """Return the files as a tar archive in base64."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in files:
            content = file.content.encode()
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size, entry.mode = len(content), file.mode
            archive.addfile(entry, io.BytesIO(content))
    return base64.encodebytes(buffer.getvalue()).decode()


def staged(config: File) -> File:
    """Return the configuration as it lies beside its place until it is proven."""
    return File(places.STAGED_CONFIG, config.content, config.mode, config.secret)


def tell_kernel(plan: NodePlan, modules: Iterable[str], units: Sequence[str]) -> StringCommand:
    """Load modules, set sysctls, tell systemd, and only then put the VIPs on their interface.

    The order is law: a VIP on lo before arp_ignore would answer for the MASTER. systemd reads all
    units once only, for that takes seconds: enabling would do it again, and several times for a
    unit with a SysV script beside it, as keepalived's, which its package mostly has enabled.

    Where keepalived is told something afterwards, sysctls and watch change with it: what runs was
    made for the old ones.
    """
    later = plan.act in (Act.RELOAD, Act.RESTART)
    packaged = [unit for unit in units if not unit.startswith("selfbalance-")]
    own = [unit for unit in units if unit.startswith("selfbalance-")]
    acts = [
        "set -e",
        f"modprobe -a {_words(modules)}",
        *([] if later else [_SYSCTLS]),
        f"systemctl -q --no-reload enable {_words(own)}",
        *(
            f'[ "$(systemctl is-enabled {unit} 2>/dev/null)" = enabled ] || '
            f"systemctl -q --no-reload enable {unit}"
            for unit in map(shlex.quote, packaged)
        ),
        "systemctl daemon-reload",
    ]
    written = {file.path for file in plan.files}
    # A package need not start what it brings.
    acts += [f"systemctl start {_words([u])}" for u in packaged if not begins_later(u)]
    new_watch = bool(written & {places.WATCH, places.WATCH_UNIT})
    if new_watch and later:
        acts.append(f">{places.NEW_WATCH}")
    elif "selfbalance-watch.service" in units:
        verb = "restart" if new_watch else "start"
        acts.append(f"systemctl {verb} selfbalance-watch.service")
    if plan.vips or written & {places.VIP_UNIT, places.MARKS}:
        acts.append("systemctl restart selfbalance-vip.service")
    acts.append(f"sync {places.UNITS}")  # what `enable` linked
    return StringCommand("; ".join(acts))


_SYSCTLS = f"sysctl -q -p {places.SYSCTLS}"


def test_config() -> StringCommand:
    """Ask the node's own keepalived about the staged file (keepalived(8), -t).

    keepalived runs with a keyword that it does not know, and only says so; it accepts a file that
    is empty or not there. Both are failures here.
    """
    staged_config = places.STAGED_CONFIG
    return StringCommand(
        f"said=$(timeout 30 keepalived -t -f {staged_config} 2>&1); code=$?; "
        f'if [ ! -s {staged_config} ] || [ "$code" -ne 0 ] || '
        'case $said in *"Unknown keyword"*) true ;; *) false ;; esac; '
        f"then printf 'keepalived refuses {staged_config} (exit %s):\\n%s\\n' "
        '"$code" "$said" >&2; exit 1; fi'
    )


def snapshot(store: SnapshotStore, name: str) -> str:
    """Keep the IPVS table and the configuration as they are before the node is touched."""
    name, config = shlex.quote(name), places.CONFIG
    return (
        f"save() {{ {store.save}; }}; ipvsadm --save --numeric | save {name}.ipvs; "
        f"[ ! -f {config} ] || save {name}.conf < {config}"
    )


def evidence() -> str:
    """Print the IPVS table and then the configuration, if there is one: a line of base64 each."""
    config = places.CONFIG
    return (
        "set -e; table=$(ipvsadm --save --numeric); printf '%s\\n' \"$table\" | base64 -w 0; echo; "
        f"[ ! -f {config} ] || base64 -w 0 {config}"
    )


def activate(config: File | None, act: Act, own_instances: Iterable[str], at: str = "") -> str:
    """Put the proven configuration in its place, if there is one, and let keepalived take it.

    Of its `own_instances` the node becomes MASTER, whoever is: on a cluster that serves nobody yet.
    `at` are commands that wait for the moment to do it.
    """
    acts = ["set -e", *([at] if at else [])]
    if config:
        acts.append(f"mv -f {places.STAGED_CONFIG} {places.CONFIG}")
        acts.append(f"sync {places.CONFIG.rpartition('/')[0]}")
    beside = (
        _SYSCTLS,
        f"[ ! -e {places.NEW_WATCH} ] || systemctl restart selfbalance-watch.service",
        f"rm -f {places.NEW_WATCH}",
    )
    acts += {
        Act.NONE: [],
        # It may have come back, or gone, since it was looked at: both then end as described.
        Act.START: [
            "systemctl reset-failed keepalived.service 2>/dev/null || true",
            "systemctl reload-or-restart keepalived.service",
        ],
        Act.RELOAD: [*beside, "systemctl reload-or-restart keepalived.service"],
        # What leaves, leaves as it was; a restart of what is stopped is a start.
        Act.RESTART: [
            "systemctl stop keepalived.service",
            *beside,
            "systemctl restart keepalived.service",
        ],
    }[act]
    acts += [f"{places.GUARD} serving {shlex.quote(each)}" for each in own_instances]
    return "; ".join(acts)


def drain(node: str, words: str) -> str:
    """Tell this director to send a realserver no new clients; `words` say since when, by whom.

    keepalived takes the first number off the weight, however high that is; the rest it skips.
    """
    file = shlex.quote(places.drained(node))
    said = shlex.quote(f"{HEAVIEST} {words}")
    return (
        f"set -e; umask 077; printf '%s\\n' {said} >{file}.new; "
        f"mv -f {file}.new {file}; sync {file}"
    )


def undrain(node: str) -> str:
    """Tell this director to send a realserver clients again."""
    file = places.drained(node)
    return f"set -e; rm -f {shlex.quote(file)}; sync {shlex.quote(file.rpartition('/')[0])}"


def hand_over() -> str:
    """Let keepalived leave its VIPs to the next node, as before any stop, and stand back."""
    return "systemctl restart keepalived.service"


def _words(values: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, values))
