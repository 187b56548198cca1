"""Keeping a node's snapshot on the controller. It may hold a password: nothing of it is shown."""

from __future__ import annotations

import base64

from pyinfra.api import StringCommand
from pyinfra.api.host import Host

from selfbalance.deployment import Deployment
from selfbalance.errors import SnapshotError
from selfbalance.operations import shell
from selfbalance.operations.context import ask, connector_arguments
from selfbalance.operations.saying import say
from selfbalance.plugins import ControllerStore, SnapshotOf, SnapshotStore

BEFORE = "before-activation"
"""What a snapshot is called that is taken before keepalived is told anything."""


def keep_here(ready: Deployment, store: ControllerStore, host: Host, name: str) -> None:
    """Ask a node for its table and configuration, and let the store keep them.

    Raises `SnapshotError`, whatever went wrong.
    """
    for kind, content in zip(("ipvs", "conf"), _evidence(host), strict=False):
        which = SnapshotOf(ready.home, ready.cluster.name, host.name, f"{name}.{kind}")
        try:
            store.save(which, content)
        except SnapshotError:
            raise
        except Exception as error:  # a site's own store may do anything
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise SnapshotError(f"store '{ready.cluster.snapshots}': {said}") from None


def keep_there(store: SnapshotStore, host: Host, name: str) -> None:
    """Let a node keep its own snapshot, and tell what it says of that. Raises `SnapshotError`."""
    answer = ask(host, shell.snapshot(store, name), shown=True)
    if not answer.good:
        raise SnapshotError(answer.wrong or "the node did not say why")
    if answer.wrong:
        say(f"{host.print_prefix}{answer.wrong}")


def _evidence(host: Host) -> list[bytes]:
    """Return what the node printed. Not a fact: pyinfra would print that with -vvv."""
    good, output = host.run_shell_command(
        StringCommand(shell.evidence()),
        print_output=False,
        print_input=False,
        **connector_arguments(host),
    )
    if not good:
        raise SnapshotError(" ".join(output.stderr.split()) or "the node did not say why")
    try:
        return [base64.b64decode(line, validate=True) for line in output.stdout_lines]
    except ValueError:
        raise SnapshotError("what the node printed is no base64") from None
