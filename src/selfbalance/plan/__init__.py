"""Room: what to do, in which order. Pure: a plan is data; dry runs print it, runs execute it."""

from selfbalance.plan.node import Act, NodePlan, plan_node
from selfbalance.plan.rollout import Rollout, plan_rollout

__all__ = ["Act", "NodePlan", "Rollout", "plan_node", "plan_rollout"]
