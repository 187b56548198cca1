"""What a gate looks at: the description, what each node should have, and what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from selfbalance.desired import DesiredNode, DesiredService
from selfbalance.model import Cluster, VrrpInstance
from selfbalance.model.words import IPAddress
from selfbalance.observed import ClusterState, NodeState, Role, SeenService
from selfbalance.plugins import Verdict


@dataclass(frozen=True)
class View:
    """One look at the cluster, beside what it should be.

    Nodes that are `pending` still have to become so: others are not compared with them.
    """

    cluster: Cluster
    desired: Mapping[str, DesiredNode]
    state: ClusterState
    pending: frozenset[str] = frozenset()

    def pairs(self) -> Iterator[tuple[DesiredNode, NodeState]]:
        """Yield each observed node with what it should have."""
        for node in self.state.seen:
            yield self.desired[node.name], node

    @property
    def vips(self) -> tuple[IPAddress, ...]:
        """The virtual addresses, in the order of the description."""
        return tuple(vip.address for vip in self.cluster.vips)

    def holders(self, vip: IPAddress) -> tuple[NodeState, ...]:
        """Return the nodes that hold the VIP on the interface that the network asks."""
        return tuple(seen for want, seen in self.pairs() if seen.holds(vip, want.interface))

    @property
    def masters(self) -> tuple[NodeState, ...]:
        """The nodes that keepalived itself calls MASTER, of one VRRP instance at least."""
        return tuple(
            seen
            for seen in self.state.seen
            if any(each.role is Role.MASTER for each in seen.instances)
            or any(seen in self.founding_masters_of(each) for each in self.cluster.instances)
        )

    def masters_of(self, instance: VrrpInstance) -> tuple[NodeState, ...]:
        """Return the nodes that keepalived itself calls MASTER of a VRRP instance."""
        founding = self.founding_masters_of(instance)
        return tuple(
            seen
            for seen in self.state.seen
            if seen.role_in(instance.name) is Role.MASTER or seen in founding
        )

    def founding_masters_of(self, instance: VrrpInstance) -> tuple[NodeState, ...]:
        """Return the nodes of another design that are MASTER: their keepalived is not asked."""
        return tuple(
            seen
            for want, seen in self.pairs()
            if seen.founding and all(seen.holds(vip, want.interface) for vip in instance.vips)
        )

    def drained(self) -> Mapping[str, tuple[NodeState, ...]]:
        """Return the drained realservers, with the directors that have been told so."""
        directors = [seen for want, seen in self.pairs() if want.director]
        found = {name: tuple(d for d in directors if name in d.drained) for name in self.desired}
        return {name: told for name, told in found.items() if told}

    def weights_of(self, name: str, director: NodeState) -> tuple[int, ...]:
        """Return the weights of a realserver in a director's tables: apart, and its own."""
        node = self.cluster.node(name)
        return tuple(
            real.weight
            for service in (*director.kept, *director.table)
            for real in service.realservers
            if real.address in (node.address, node.address6)
        )

    def asked(self) -> Iterator[tuple[NodeState, DesiredService, str]]:
        """Yield who was asked through a VIP: its owner asks each peer for each service of it."""
        for want, seen in self.pairs():
            if "claims" in seen.unknown:
                continue
            for service in want.services:
                if self.holders(service.vip) == (seen,):
                    for peer in dict.fromkeys((*want.peers, *want.tunnelled)):
                        yield seen, service, peer

    def endpoint_of(self, service: SeenService) -> str:
        """Return VIP and port, also of a service that the kernel knows by its mark."""
        wanted = (each for want in self.desired.values() for each in want.services)
        described = next((each for each in wanted if each.key == service.key), None)
        return f"{described.vip}:{described.port}" if described else service.endpoint

    def unasked(self, section: str) -> tuple[str, ...]:
        """Return the nodes of which that section is not known."""
        return tuple(
            node.name
            for node in self.state.nodes
            if not isinstance(node, NodeState) or section in node.unknown
        )

    def mac_of(self, name: str) -> str | None:
        """Return a node's MAC: in its own word or, where it gave none, as a peer heard it."""
        own = (seen.mac for seen in self.state.seen if seen.name == name and seen.mac)
        heard = (seen.peer_macs[name] for seen in self.state.seen if name in seen.peer_macs)
        return next(own, next(heard, None))


Gate = Callable[[View], Verdict | None]
"""A gate answers, it never raises; what it could not see is a problem.

None says that a cluster so described has nothing that the gate is about.
"""


def names(nodes: tuple[NodeState, ...]) -> str:
    """Return the nodes' names for a sentence; "nobody" where there are none."""
    return " and ".join(node.name for node in nodes) or "nobody"
