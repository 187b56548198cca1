"""Room: what the user's deploy files call. Each deploy is one story, told in operations."""

from __future__ import annotations

from pyinfra.api import deploy
from pyinfra.context import ctx_host

from selfbalance.deploys.data import careful, going_back, name_of_node, said_so, seconds, wished
from selfbalance.operations import (
    activated,
    drained,
    forgotten,
    go_back,
    handed_over,
    is_controller,
    prepared,
    proven,
    shared,
    tested,
    torn_down,
    undrained,
    upgraded,
)
from selfbalance.operations.looking import deployment_of

__all__ = ["cluster", "drain", "handover", "status", "teardown", "undrain", "upgrade"]


@deploy("Self-balancing cluster")
def cluster(patience_s: float = 30.0) -> None:
    """Make the cluster as described: prepare everywhere, share, activate behind gates, prove.

    `--data rollback=true` makes it as it was described before the last change instead. A
    keepalived.conf that somebody else wrote is overwritten with `--data replace=true` only.

    + patience_s: how long each gate is asked again before it counts as shut, in seconds
    """
    host = ctx_host.get()
    if going_back(host):
        go_back(host)
    replace = said_so(host, "replace")
    tested(name="Prove its configuration", replace=replace)
    prepared(name="Prepare the node", replace=replace)
    if is_controller(host):
        if deployment_of(host).cluster.volumes:
            shared(name="Share the volumes", _serial=True, _retries=0)
        activated(
            name="Activate and prove the cluster",
            patience_s=patience_s,
            replace=replace,
            _serial=True,
            _retries=0,
        )
        forgotten(name="Forget nodes that are described no more", _serial=True, _retries=0)


@deploy("Status of the cluster")
def status() -> None:
    """Look at every node and say what is good and what is not. Changes nothing."""
    host = ctx_host.get()
    if is_controller(host):
        output = getattr(host.data, "output", None)
        proven(name="Look at the cluster", output=output, _serial=True, _retries=0)


@deploy("Hand-over")
def handover(patience_s: float = 30.0) -> None:
    """Let `--data node=NAME` give up MASTER to the next node. Loses nothing.

    Afterwards the gates are asked for `patience_s` before they count as shut.
    """
    host = ctx_host.get()
    if is_controller(host):
        node = name_of_node(host)
        handed_over(
            name=f"Hand over from {node}",
            node=node,
            patience_s=patience_s,
            _serial=True,
            _retries=0,
        )


@deploy("Drain of a realserver")
def drain() -> None:
    """Let `--data node=NAME` get no new clients, and wait until it serves nobody.

    `--data timeout=SECONDS` bounds the wait, 300 unless said.
    """
    host = ctx_host.get()
    if is_controller(host):
        drained(
            name=f"Drain {name_of_node(host)}",
            node=name_of_node(host),
            timeout_s=seconds(host, "timeout", 300.0),
            _serial=True,
            _retries=0,
        )


@deploy("End of a drain")
def undrain(patience_s: float = 30.0) -> None:
    """Let `--data node=NAME` get clients again.

    Afterwards the gates are asked for `patience_s` before they count as shut.
    """
    host = ctx_host.get()
    if is_controller(host):
        node = name_of_node(host)
        undrained(
            name=f"Put {node} back", node=node, patience_s=patience_s, _serial=True, _retries=0
        )


@deploy("Teardown of a node")
def teardown(patience_s: float = 30.0) -> None:
    """Let `--data node=NAME` leave the cluster, as bare as before it came. Loses nothing.

    `--data timeout=SECONDS` bounds the wait for its sessions, 300 unless said. Afterwards the gates
    are asked for `patience_s` before they count as shut.
    """
    host = ctx_host.get()
    if is_controller(host):
        node = name_of_node(host)
        torn_down(
            name=f"Tear down {node}",
            node=node,
            timeout_s=seconds(host, "timeout", 300.0),
            patience_s=patience_s,
            _serial=True,
            _retries=0,
        )


@deploy("Rolling upgrade")
def upgrade() -> None:
    """Upgrade `--data component=NAME` node by node. Loses nothing, resumes, rolls back.

    `--data version=VERSION` or `packages=NAME[=VERSION],...` say to what; `soak`, `drain_timeout`,
    `patience`, `reboot_timeout`, `wait` and `heal_timeout` are seconds; `rollback` is `auto` or
    `never`; `finalize=true` does in the end what cannot be undone.
    """
    host = ctx_host.get()
    if is_controller(host):
        wish = wished(host)
        upgraded(
            name=f"Upgrade {wish.words}",
            wish=wish,
            options=careful(host),
            _serial=True,
            _retries=0,
        )
