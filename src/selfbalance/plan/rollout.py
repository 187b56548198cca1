"""In which order nodes activate: one by one, MASTER last, except where VRRP peers have to agree."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from selfbalance.gates import View
from selfbalance.observed import NodeState
from selfbalance.plan.node import Act, NodePlan


@dataclass(frozen=True)
class Wave:
    """What the keepaliveds of some nodes do together, by node.

    `same_second`: adverts of the old configuration are no adverts to the new one, so all change in
    one moment.
    """

    acts: Mapping[str, Act]
    same_second: bool = False

    @property
    def words(self) -> str:
        """The wave in a few words, for a person."""
        acts = " and ".join(f"{act.value} {name}" for name, act in self.acts.items())
        return f"{acts} at the same second" if self.same_second else acts


@dataclass(frozen=True)
class Rollout:
    """Waves of nodes; gates stand between two waves."""

    waves: tuple[Wave, ...]

    def __bool__(self) -> bool:
        return bool(self.waves)

    @property
    def words(self) -> str:
        """The order, for a person."""
        return ", then ".join(wave.words for wave in self.waves)


_LIVE = (Act.RELOAD, Act.RESTART)


def plan_rollout(view: View, plans: Mapping[str, NodePlan]) -> Rollout:
    """Order the nodes whose keepalived has something to do.

    All at once where nothing serves yet. Else the first one is the canary: a BACKUP, unless there
    is none. What died starts before others are touched; a node that is new, or has another address
    than before, starts last, because one that no MASTER sends adverts to yet would become MASTER.
    """
    acts = {
        name: plans[name].act
        for name in view.desired
        if name in plans and plans[name].act is not Act.NONE
    }
    if not acts:
        return Rollout(())
    if not any(seen.keepalived_active or "units" in seen.unknown for seen in view.state.seen):
        return Rollout((Wave(acts),))
    masters = {seen.name for seen in view.masters}
    agreed = [name for name, act in acts.items() if act in _LIVE and plans[name].agreed]
    single = [name for name in acts if name not in agreed or acts[name] is Act.RESTART]
    strange = {name for name in single if plans[name].new or _is_strange(view, name)}
    single.sort(key=lambda name: _turn(acts[name], name in strange, name in masters))
    if any(acts[name] is Act.RESTART for name in agreed):
        # Neither a reload nor one node alone would do: all act in turn, then gates are asked.
        live = sorted((n for n, act in acts.items() if act in _LIVE), key=lambda n: n in masters)
        starts = [Wave({name: Act.START}) for name in single if acts[name] is Act.START]
        return Rollout((Wave({name: acts[name] for name in live}), *starts))
    together = [Wave(dict.fromkeys(agreed, Act.RELOAD), len(agreed) > 1)] if agreed else []
    return Rollout((*together, *(Wave({name: acts[name]}) for name in single)))


def _is_strange(view: View, name: str) -> bool:
    """Whether no MASTER knows a node's address: its VRRP peers are realservers of its, too."""
    node = view.cluster.node(name)
    known = {
        realserver.address
        for master in view.masters
        for service in (*master.table, *master.kept)
        for realserver in service.realservers
    }
    return bool(known) and known.isdisjoint({node.address, node.address6})


def _turn(act: Act, strange: bool, master: bool) -> int:
    if act is Act.START:
        return 3 if strange else 0
    return 2 if master else 1


def agreement_objection(
    view: View, plans: Mapping[str, NodePlan], taking_part: Collection[str]
) -> str | None:
    """Say why VRRP peers cannot change what they have to agree on; None if they can."""
    if not any(plan.agreed for plan in plans.values()):
        return None
    for reason in _left_behind(view, taking_part):
        return f"VRRP peers have to change at the same second, but {reason}"
    return None


def _left_behind(view: View, taking_part: Collection[str]) -> Iterator[str]:
    for node in view.cluster.nodes:
        seen = view.state[node.name]
        if not node.director:
            continue
        if not isinstance(seen, NodeState):
            yield (
                f"{node.name} could not be observed: it would come back as a second MASTER; mend "
                "it, or take it out of the description"
            )
        elif node.name not in taking_part and seen.dialect != view.desired[node.name].dialect:
            yield f"{node.name} is left out by --limit: it would become a second MASTER"
