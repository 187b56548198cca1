"""In which order nodes activate: one by one, MASTER last, except where they have to agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from selfbalance.gates import View
from selfbalance.plan.node import Act, NodePlan


@dataclass(frozen=True)
class Rollout:
    """Waves of nodes: those of one wave activate together, gates stand between two waves."""

    waves: tuple[tuple[str, ...], ...]

    def __bool__(self) -> bool:
        return bool(self.waves)


_TURN = {Act.RELOAD: 0, Act.RESTART: 1, Act.START: 2}


def plan_rollout(view: View, plans: Mapping[str, NodePlan]) -> Rollout:
    """Order the nodes whose keepalived has something to do.

    All at once where nothing serves yet, and where the IPVS table changes; those that start go
    last, because a new node that no MASTER sends adverts to yet would become one.
    """
    acting = [name for name in view.desired if name in plans and plans[name].act is not Act.NONE]
    if not acting:
        return Rollout(())
    live = any(seen.keepalived_active or "units" in seen.unknown for seen in view.state.seen)
    if not live or any(plans[name].together for name in acting):
        return Rollout((tuple(sorted(acting, key=lambda name: _TURN[plans[name].act])),))
    masters = {seen.name for seen in view.masters}
    ordered = sorted(acting, key=lambda name: name in masters)
    return Rollout(tuple((name,) for name in ordered))
