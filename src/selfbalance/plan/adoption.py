"""Taking over a live cluster of the 2013 design: may it be done, which node when. Pure.

VRRP peers have to understand each other at every moment, so the description speaks the old dialect
until every node is taken over; and no node outranks the old MASTER before that is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from selfbalance.desired import DesiredNode, places
from selfbalance.gates import View
from selfbalance.gates.director import table_problems
from selfbalance.gates.drift import differences
from selfbalance.model import Cluster
from selfbalance.model.standing import Standing
from selfbalance.observed import FoundingInstance, NodeState, Role, SeenFounding
from selfbalance.plan.node import NodePlan
from selfbalance.plugins import Problem


@dataclass(frozen=True)
class AdoptionTurn:
    """One node's turn.

    `standing_back` is what it takes off its priority whenever it starts, until the last node was
    taken over; `replaced` are the old design's files. `config` says that its new keepalived.conf is
    still to be put in place.
    """

    node: str
    master: bool
    standing_back: int
    replaced: tuple[str, ...]
    config: bool

    @property
    def words(self) -> str:
        """The turn in a few words."""
        how = (
            "takes its new configuration as MASTER, then hands over" if self.master else "restarts"
        )
        return f"{self.node} {how}"


@dataclass(frozen=True)
class Adoption:
    """The turns in their order: BACKUPs first, the MASTER last. `ending` have had theirs."""

    turns: tuple[AdoptionTurn, ...] = ()
    ending: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.turns or self.ending)

    def lines(self) -> Iterator[str]:
        """Say what will be done, for a person who reads a plan."""
        for turn in self.turns:
            yield f"take over {turn.node}: {turn.words.partition(' ')[2]}"
            if turn.replaced:
                yield (
                    f"{turn.node}: kept in {places.ADOPTED}, and switched off: "
                    f"{' '.join(turn.replaced)}"
                )


def in_adoption(want: DesiredNode, seen: NodeState) -> bool:
    """Whether a node has still to be taken over: its old design, or half of the new one, is there.

    Its drop-in is not written before its turn: an old keepalived that somebody starts again with it
    would keep its snapshots where it does not look for them.
    """
    if seen.founding:
        return not seen.founding.strange
    if seen.adopting is None:
        return False
    return bool(
        any(differences(want, seen))
        or seen.left
        or not seen.drop_in_read
        or not seen.keepalived_active
    )


def plan_adoption(view: View, active: Collection[str]) -> Adoption:
    """Plan the turns of the nodes that take part; empty where nothing is to be taken over."""
    waiting = [(w, s) for w, s in view.pairs() if in_adoption(w, s) and s.name in active]
    turns = [_turn(view, want, seen) for want, seen in waiting]
    turns.sort(key=lambda turn: turn.master)
    ending = tuple(
        seen.name
        for want, seen in view.pairs()
        if seen.adopting is not None and not in_adoption(want, seen) and seen.name in active
    )
    return Adoption(tuple(turns), ending)


def _turn(view: View, want: DesiredNode, seen: NodeState) -> AdoptionTurn:
    found = seen.founding
    replaced = (
        (places.CONFIG, *found.scripts, *found.snapshots, *found.sysctls) if found else seen.left
    )
    config = seen.files.get(places.CONFIG)
    return AdoptionTurn(
        seen.name,
        _holds_a_vip(want, seen),
        _standing_back(view, want, seen),
        replaced,
        config is None or config.sha256 != want.config.sha256,
    )


def _holds_a_vip(want: DesiredNode, seen: NodeState) -> bool:
    return any(seen.holds(vip, want.interface) for vip in want.vips)


def _standing_back(view: View, want: DesiredNode, seen: NodeState) -> int:
    """Return what leaves a BACKUP the priority that it had, below the old MASTER's in any case.

    The MASTER itself, and a node taken up again whose old one is not known any more, stand back as
    after any start, or as was written down.
    """
    fresh = view.cluster.demotion_of(view.cluster.node(seen.name), Standing.FRESH)
    if seen.adopting is not None:
        return seen.adopting
    if seen.founding is None or _holds_a_vip(want, seen):
        return fresh
    highest = min((i.priority - 1 for i in _of_old_masters(view)), default=254)
    return want.priority - max(1, min(seen.founding.instances[0].priority, highest))


def _of_old_masters(view: View) -> Iterator[FoundingInstance]:
    for want, seen in view.pairs():
        if seen.founding and _holds_a_vip(want, seen):
            yield from seen.founding.instances


# May it be done?


def adoption_objection(view: View, active: Collection[str], overwrite: bool = False) -> str:
    """Say why keepalived must not be touched; empty if it may, or if nothing is to be taken over.

    With `overwrite`, a keepalived.conf that is not of the 2013 design may be overwritten.
    """
    strange = {
        seen.name: seen.founding.words
        for seen in view.state.seen
        if seen.founding and seen.founding.strange and seen.name in active
    }
    if strange and not overwrite:
        said = "; ".join(f"{name}: keepalived.conf is {words}" for name, words in strange.items())
        return (
            f"{said}; it is not overwritten unless you say --data replace=true, "
            f"which keeps it in {places.ADOPTED} and may lose requests"
        )
    waiting = [(w, s) for w, s in view.pairs() if in_adoption(w, s)]
    if not waiting:
        return ""
    return next(_objections(view, active, waiting), "")


def _objections(
    view: View, active: Collection[str], waiting: list[tuple[DesiredNode, NodeState]]
) -> Iterator[str]:
    if blind := " and ".join(node.name for node in view.state.unobserved):
        yield (
            f"{blind} could not be observed, and a cluster of 2013 is taken over only while every "
            "node is seen: two dialects of VRRP make two MASTERs"
        )
    cluster = view.cluster
    if (cluster.standby, cluster.forwarding) != ("backup-only", "dr"):
        yield (
            "a cluster of 2013 is taken over with standby = 'backup-only' and forwarding = 'dr'; "
            "describe those first, and change them when it is taken over"
        )
    for want, seen in waiting:
        if seen.founding:
            yield from _differences(cluster, want, seen.name, seen.founding)
    masters = [seen.name for want, seen in view.pairs() if _holds_a_vip(want, seen)]
    if len(masters) != 1:
        yield (
            f"the VIPs are on {' and '.join(masters) or 'no node'}; a cluster of 2013 is taken "
            "over while exactly one node has them"
        )
    left = [s.name for _, s in waiting if s.name not in active and s.name not in masters]
    if left and any(s.name in active and s.name in masters for _, s in waiting):
        yield f"{masters[0]} is MASTER and comes last, and --limit leaves out {' and '.join(left)}"
    if min((i.priority for i in _of_old_masters(view)), default=2) < 2:
        yield (
            f"{masters[0]} is MASTER with priority 1, so nobody can stand back behind it; "
            "give it more there"
        )


def _differences(
    cluster: Cluster, want: DesiredNode, name: str, found: SeenFounding
) -> Iterator[str]:
    """Yield what the description says otherwise than a node of the old design."""
    (old,) = found.instances
    if dialect := _dialect(cluster, old):
        yield f"{name} {dialect}; two dialects of VRRP make two MASTERs"
    if old.interface != want.interface:
        yield f"{name} sends adverts by {old.interface}; describe that as its interface"
    described = {vip.address for vip in cluster.vips}
    if old.vips != described:
        yield (
            f"{name} has the VIPs {_listed(old.vips)}; describe exactly those as vips, not "
            f"{_listed(described)}: others come when every node is taken over"
        )
    (instance, *_) = cluster.instances
    if old.advertised != {instance.advertised}:
        yield (
            f"{name} names {_listed(old.advertised)} in its adverts, and a node of ours would name "
            f"{instance.advertised}; peers drop what differs: leave only that one in "
            "virtual_ipaddress there, the others go to virtual_ipaddress_excluded, on all nodes "
            "at the same second"
        )
    peers = {each.address_of(4) for each in cluster.peers_of(cluster.node(name))}
    if old.peers is not None and old.peers != peers:
        yield f"{name} has the peers {_listed(old.peers)}; the other described nodes are not those"
    yield from _services(want, name, found)


def _dialect(cluster: Cluster, old: FoundingInstance) -> str:
    """Say how the old nodes speak and how to describe it; empty where it is described so.

    A BACKUP of version 3 takes the interval from its MASTER's adverts (RFC 5798, section 6.4.2).
    """
    vrrp, unicast = cluster.vrrp, old.peers is not None
    (instance, *_) = cluster.instances
    alike = (
        (vrrp.version, instance.vrid, vrrp.unicast) == (old.version, old.vrid, unicast)
        and (vrrp.password is not None) == old.password
        and (old.version == 3 or cluster.advert_interval_s == old.advert_s)
    )
    if alike:
        return ""
    options = [f"vrid={old.vrid}", f"version={old.version}", f"unicast={unicast}"]
    if old.password:
        options.append("password='env:VRRP_PASSWORD'")
    if old.version == 2 and old.advert_s != 1:
        options.append(f"advert_s={old.advert_s:g}")
    calm = ", detection='calm'" if old.version == 2 else ""
    return (
        f"speaks VRRP version {old.version}, VRID {old.vrid}, "
        f"{'unicast' if unicast else 'multicast'}, {'a' if old.password else 'no'} password, "
        f"an advert each {old.advert_s:g} s; the description says otherwise: "
        f"write vrrp=VrrpOptions({', '.join(options)}){calm}"
    )


def _services(want: DesiredNode, name: str, found: SeenFounding) -> Iterator[str]:
    """Yield what the old nodes balance and the description does not."""
    described = {(each.vip, each.port): each for each in want.services}
    for service in found.services:
        here = f"{name} balances {service.vip} port {service.port}"
        wanted = described.get((service.vip, service.port))
        if wanted is None:
            yield f"{here}, which is not described: add a service, or take it out there"
        elif service.scheduler != wanted.scheduler:
            yield (
                f"{here} by {service.scheduler}; describe scheduler='{service.scheduler}' there, "
                "and change it when every node is taken over"
            )
        elif service.realservers != {(address, service.port) for address in wanted.weights}:
            has = " ".join(sorted(f"{a}:{p}" for a, p in service.realservers))
            yield (
                f"{here} over {has}; the described nodes are others, or have that service on "
                "another port"
            )


def _listed(addresses: Collection[object]) -> str:
    return " ".join(sorted(map(str, addresses))) or "none"


def spared(plan: NodePlan, want: DesiredNode, seen: NodeState) -> NodePlan:
    """Return what may be prepared on a node: of one still to be taken over, not the drop-in."""
    if not in_adoption(want, seen):
        return plan
    return replace(plan, files=tuple(f for f in plan.files if f.path != places.DROP_IN))


# Was it done well?


def doubts(
    view: View, problems: Iterable[Problem], done: Collection[str], master: str
) -> Iterator[str]:
    """Yield what speaks against going on: with nodes that were taken over, or with the VIPs.

    The others are not as described yet; what the gates say of them does not count.
    """
    for vip in view.vips:
        holders = [each.name for each in view.holders(vip)]
        if holders != [master]:
            yield f"{vip} is on {' and '.join(holders) or 'no node'}, not on {master} alone"
    for seen in view.state.seen:
        if seen.name in done and seen.name != master and seen.role is not Role.BACKUP:
            yield f"{seen.name}: keepalived is {seen.role.value if seen.role else 'not known'}"
        if seen.name == master and "claims" in seen.unknown:
            yield f"{master} could not ask who answers for the VIPs: {seen.unknown['claims']}"
    yield from (each.what for each in problems if each.node in done)


def doubts_of_master(view: View, master: str) -> Iterator[str]:
    """Yield what speaks against a hand-over by a MASTER that has just taken its configuration."""
    for want, seen in view.pairs():
        if seen.name == master:
            yield from (problem.what for problem in table_problems(want, seen))
            if seen.sync != {"master"}:
                yield f"{master} does not tell the others of sessions: no sync master there"
