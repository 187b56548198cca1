"""Room: what to do, in which order. Pure: a plan is data; dry runs print it, runs execute it."""

from selfbalance.plan.moves import (
    drain_objection,
    handover_objection,
    heirs,
    mastered,
    stranger,
    untold,
)
from selfbalance.plan.node import (
    LACKING_REMEDY,
    Act,
    NodePlan,
    begins_later,
    lacking_modules,
    plan_node,
)
from selfbalance.plan.restoring import unrestored
from selfbalance.plan.rollout import Rollout, Wave, agreement_objection, plan_rollout
from selfbalance.plan.teardown import (
    ghosts,
    going_copies,
    inherited,
    is_bare,
    is_new,
    pool_teller,
    teardown_objection,
)
from selfbalance.plan.upgrade import (
    PackageVersions,
    Turn,
    UpgradePlan,
    Wish,
    by_version,
    plan_upgrade,
    read_versions,
    together,
)
from selfbalance.plan.volumes import (
    MAKING,
    VolumeAct,
    VolumesPlan,
    VolumeStep,
    brick_objections,
    plan_volumes,
)

__all__ = [
    "LACKING_REMEDY",
    "MAKING",
    "Act",
    "NodePlan",
    "PackageVersions",
    "Rollout",
    "Turn",
    "UpgradePlan",
    "VolumeAct",
    "VolumeStep",
    "VolumesPlan",
    "Wave",
    "Wish",
    "agreement_objection",
    "begins_later",
    "brick_objections",
    "by_version",
    "drain_objection",
    "ghosts",
    "going_copies",
    "handover_objection",
    "heirs",
    "inherited",
    "is_bare",
    "is_new",
    "lacking_modules",
    "mastered",
    "plan_node",
    "plan_rollout",
    "plan_upgrade",
    "plan_volumes",
    "pool_teller",
    "read_versions",
    "stranger",
    "teardown_objection",
    "together",
    "unrestored",
    "untold",
]
