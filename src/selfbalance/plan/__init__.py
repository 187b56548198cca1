"""Room: what to do, in which order. Pure: a plan is data; dry runs print it, runs execute it."""

from selfbalance.plan.node import (
    LACKING_REMEDY,
    Act,
    NodePlan,
    lacking_modules,
    plan_node,
)
from selfbalance.plan.rollout import Rollout, plan_rollout

__all__ = [
    "LACKING_REMEDY",
    "Act",
    "NodePlan",
    "Rollout",
    "lacking_modules",
    "plan_node",
    "plan_rollout",
]
