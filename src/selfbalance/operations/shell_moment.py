"""The shell commands by which nodes do something in the same moment, each by its own clock."""

from __future__ import annotations

import shlex

UNIT = "selfbalance-moment.service"
"""The transient unit that waits for the moment: it outlives the ssh connection."""


def clock() -> str:
    """Print the node's clock in nanoseconds since 1970."""
    return "date +%s%N"


def wait_until(at_ns: int) -> str:
    """Sleep until the node's clock says so; fail where that was too long ago to be one moment."""
    return (
        f"left=$(({at_ns} - $(date +%s%N))); "
        "[ $left -gt -100000000 ] || { echo 'the moment has passed' >&2; exit 1; }; "
        "[ $left -le 0 ] || "
        'sleep "$((left / 1000000000)).$(printf %09d $((left % 1000000000)))"'
    )


def begin(command: str) -> str:
    """Have the node do a command that waits for its moment, and go on without it."""
    return (
        f"systemctl stop {UNIT} 2>/dev/null || true; systemctl reset-failed {UNIT} 2>/dev/null || "
        f"true; systemd-run --quiet --unit={UNIT} --property=RemainAfterExit=yes "
        f"/bin/sh -c {shlex.quote(command)}"
    )


def cancel() -> str:
    """Let the node not do what it waits to do."""
    return f"systemctl stop {UNIT}"


def ended(within_s: int) -> str:
    """Wait for the end of what the node did; fail where it failed, with its last words."""
    return (
        f"for _ in $(seq {within_s * 5}); do state=$(systemctl show -P SubState {UNIT}); "
        "case $state in exited | failed | dead) break ;; esac; sleep 0.2; done; "
        f'[ "$state" = exited ] || {{ journalctl -q -u {UNIT} -n 3 -o cat >&2; exit 1; }}; '
        f"systemctl stop {UNIT}"
    )
