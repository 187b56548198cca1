"""For config.py: pyinfra's flags under which a rolling change would not be one are refused."""

from __future__ import annotations

from collections.abc import Mapping

import click
from pyinfra.api.exceptions import PyinfraError

_UNSAFE = {
    "serial": "--serial takes the nodes in random order and goes on after a failure",
    "no_wait": "--no-wait lets nodes run ahead of each other and exits 0 after a failure",
}
_LOOKS = ("status.py",)


def refuse_unsafe_flags() -> None:
    """Raise `PyinfraError` on `--serial` and `--no-wait`, before anything is contacted."""
    chosen = _chosen()
    for flag, reason in _UNSAFE.items():
        if chosen.get(flag):
            raise PyinfraError(f"{reason}; run it again without: nothing was contacted")


def fail_percent() -> int:
    """Return 0 for a change: one failed node stops it. Return 100 for a look: it goes on."""
    operations = _chosen().get("operations")
    named = list(map(str, operations)) if isinstance(operations, list | tuple) else []
    looking = bool(named) and all(each.endswith(_LOOKS) for each in named)
    return 100 if looking else 0


def _chosen() -> Mapping[str, object]:
    """Return what pyinfra's command line was called with."""
    context = click.get_current_context(silent=True)
    return context.params if context else {}
