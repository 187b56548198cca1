"""Going back: this run deploys what nodes were described by before, not what the inventory says."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from pyinfra.api import FactBase
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from typing_extensions import override

from selfbalance.errors import SelfbalanceError
from selfbalance.operations import shell_kept
from selfbalance.operations.connecting import LOST, connect
from selfbalance.operations.context import at_once
from selfbalance.operations.looking import cluster_hosts, deployment_of, goes_back, work_with
from selfbalance.operations.saying import say


class DescribedBefore(FactBase[str | None]):
    """The description that a node had before the last change, None where it keeps none."""

    @override
    def command(self) -> str:
        return shell_kept.described_before()

    @staticmethod
    @override
    def default() -> str | None:
        return None

    @override
    def process(self, output: Iterable[str]) -> str | None:
        text = "".join(output)
        return base64.b64decode(text).decode() if text else None


def go_back(host: Host) -> None:
    """Let this run deploy what the nodes of the host's cluster were described by before.

    Raises `PyinfraError` where there is nothing, or nodes differ; nothing is changed then.
    """
    if goes_back(host):
        return
    ready, hosts = deployment_of(host), cluster_hosts(host)
    found = dict(zip(hosts, at_once(_before, hosts), strict=True))
    texts = {text for text in found.values() if text}
    if not texts:
        raise PyinfraError("no node keeps an earlier configuration; nothing was changed")
    if len(texts) > 1:
        raise PyinfraError(
            "nodes were not described alike before; describe what you want, and run cluster.py; "
            "nothing was changed"
        )
    try:
        earlier = ready.as_described_by(texts.pop())
    except SelfbalanceError as error:
        raise PyinfraError(f"{error}; nothing was changed") from None
    names = {node.name for node in earlier.cluster.nodes}
    if odd := names ^ {node.name for node in ready.cluster.nodes}:
        raise PyinfraError(
            f"{' and '.join(sorted(odd))} came or went with the last change, which cannot be gone "
            "back; describe what you want, and run cluster.py; nothing was changed"
        )
    if without := [each.name for each, text in found.items() if not text]:
        raise PyinfraError(
            f"{' and '.join(without)} keeps no earlier configuration, and others do; describe what "
            "you want, and run cluster.py; nothing was changed"
        )
    work_with(host, earlier)
    say("goes back to what was described before the last change")


def _before(host: Host) -> str | None:
    try:
        connect(host)
        found: str | None = host.get_fact(DescribedBefore, _ignore_errors=True)
    except LOST as error:
        raise PyinfraError(
            f"{host.name}: what it had before could not be read: {error}; nothing was changed"
        ) from None
    return found
