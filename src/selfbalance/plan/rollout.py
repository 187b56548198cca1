"""In which order nodes activate: all at once where nothing serves, else one by one, MASTER last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from selfbalance.gates import View
from selfbalance.observed import Role
from selfbalance.plan.node import Act, NodePlan


@dataclass(frozen=True)
class Rollout:
    """Waves of nodes: those of one wave activate together, gates stand between two waves."""

    waves: tuple[tuple[str, ...], ...]

    def __bool__(self) -> bool:
        return bool(self.waves)


def plan_rollout(view: View, plans: Mapping[str, NodePlan]) -> Rollout:
    """Order the nodes whose keepalived has something to do."""
    acting = [name for name in view.desired if name in plans and plans[name].act is not Act.NONE]
    if not acting:
        return Rollout(())
    if not any(seen.keepalived_active for seen in view.state.seen):
        return Rollout((tuple(acting),))
    masters = {seen.name for seen in view.state.seen if seen.role is Role.MASTER}
    ordered = sorted(acting, key=lambda name: name in masters)
    return Rollout(tuple((name,) for name in ordered))
