"""Whether a node may be taken away, and what others remember of one that is gone. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from selfbalance.desired import DesiredNode
from selfbalance.gates import View
from selfbalance.model.volume import FEWEST_COPIES
from selfbalance.observed import ClusterState, Drain, NodeState, Unobserved
from selfbalance.plan.moves import drain_objection, handover_objection, mastered, stranger
from selfbalance.plugins import Verdict


def is_new(want: DesiredNode, seen: NodeState) -> bool:
    """Whether a node has no file of ours; what could not be seen may be there.

    keepalived.conf may be its own.
    """
    return "files" not in seen.unknown and not any(file.path in seen.files for file in want.files)


def is_bare(want: DesiredNode, seen: NodeState) -> bool:
    """Whether a node has nothing of ours, nor a VIP."""
    holds = any(seen.holds(vip, want.vip_interface) for vip in want.vips)
    return is_new(want, seen) and "addresses" not in seen.unknown and not holds


def teardown_objection(
    view: View, name: str, active: Collection[str], verdicts: Mapping[str, Verdict]
) -> str | None:
    """Say why a node may not be taken away; None if it may. `verdicts` are what the gates said."""
    problems = [problem for verdict in verdicts.values() for problem in verdict.problems]
    if said := stranger(view, name):
        return said
    if name not in active:
        return f"{name} is left out by --limit"
    return (
        _out_of_reach(view, name)
        or _last_director(view, name)
        or _upgrade_goes_on(view)
        or drain_objection(view, name, active)
        or _volume_would_suffer(view, name, verdicts)
        or (handover_objection(view, name, active, problems) if mastered(view, name) else None)
    )


def _out_of_reach(view: View, name: str) -> str | None:
    seen = view.state[name]
    if isinstance(seen, Unobserved):
        return (
            f"{name} could not be observed: {seen.reason}; a node that is gone for good needs no "
            "teardown: take it out of the description, then run cluster.py"
        )
    return None


def _last_director(view: View, name: str) -> str | None:
    """Say that nobody else could be MASTER: none runs, or none is described."""
    others = [
        seen.name
        for want, seen in view.pairs()
        if want.director and seen.name != name and seen.keepalived_active
    ]
    if view.cluster.node(name).director and not others:
        return f"{name} is the last director: nobody else could hold the VIPs"
    return None


def _upgrade_goes_on(view: View) -> str | None:
    for seen in view.state.seen:
        if seen.upgrade:
            return (
                f"an upgrade of {seen.upgrade.words} by {seen.upgrade.by} has not ended; "
                f"go on with it first: {seen.upgrade.command}"
            )
    return None


def _volume_would_suffer(view: View, name: str, verdicts: Mapping[str, Verdict]) -> str | None:
    """Say which volume would have too few copies, or whose other copies are not all whole."""
    if view.desired[name].volumes and pool_teller(view, name) is None:
        return "what the volumes would lose is not known: gluster answers on no other node"
    going = going_copies(view, name)
    for brick, copies in going.values():
        if copies < FEWEST_COPIES:
            return (
                f"{brick} is one of {copies + 1} copies, and {FEWEST_COPIES} are the fewest that "
                "are safe: describe one more first (nodes, replica), and run cluster.py"
            )
    said = verdicts.get("volumes")
    for problem in said.problems if said and going else ():
        if problem.node != name:
            return f"every other copy has to be whole first: {problem.what}"
    return None


def going_copies(view: View, name: str) -> Mapping[str, tuple[str, int]]:
    """Return the copies that go with a node, by volume: the brick, and how many are left then."""
    teller = pool_teller(view, name)
    if teller is None:
        return {}
    want, going = view.desired[name], {}
    for volume in want.volumes:
        settings = teller.volumes.get(volume.name)
        own = f"{want.pool[name]}:{volume.brick}"
        if settings and own in settings.bricks:
            going[volume.name] = (own, len(settings.bricks) - 1)
    return going


def pool_teller(view: View, name: str) -> NodeState | None:
    """Return the node, not this one, whose glusterd sees most of the others."""
    others = ClusterState(tuple(node for node in view.state.nodes if node.name != name))
    return next((seen for seen in others.seen if seen.name == others.observer), None)


def ghosts(described: Collection[str], seen: NodeState) -> tuple[str, ...]:
    """Return the drained nodes of which a director knows and the description does not."""
    return tuple(sorted(seen.drained.keys() - {*described}))


def inherited(view: View, name: str) -> Mapping[str, Drain]:
    """Return the drains that a new director has to know before it balances: those of all others.

    Where others differ, a person has to decide; gates say so.
    """
    told = [
        seen.drained
        for want, seen in view.pairs()
        if want.director and seen.name != name and seen.keepalived_active
    ]
    if not view.cluster.node(name).director or not told:
        return {}
    first, *rest = told
    return {
        node: drain
        for node, drain in first.items()
        if node in view.desired and all(node in each for each in rest)
    }
