"""Room: what the user's deploy files call. Each deploy is one story, told in operations."""

from __future__ import annotations

from pyinfra.api import deploy
from pyinfra.context import ctx_host

from selfbalance.operations import activated, is_controller, prepared, proven

__all__ = ["cluster", "status"]


@deploy("Self-balancing cluster")
def cluster(patience_s: float = 30.0) -> None:
    """Make the cluster as described: prepare everywhere at once, activate behind gates, prove.

    + patience_s: how long each gate is asked again before it counts as shut, in seconds
    """
    prepared(name="Prepare the node")
    if is_controller(ctx_host.get()):
        activated(
            name="Activate and prove the cluster",
            patience_s=patience_s,
            _serial=True,
            _retries=0,
        )


@deploy("Status of the cluster")
def status() -> None:
    """Look at every node and say what is good and what is not. Changes nothing."""
    host = ctx_host.get()
    if is_controller(host):
        output = getattr(host.data, "output", None)
        proven(name="Look at the cluster", output=output, _serial=True, _retries=0)
