"""Room: what to do, in which order. Pure: a plan is data; dry runs print it, runs execute it."""

from selfbalance.plan.adoption import (
    Adoption,
    AdoptionTurn,
    adoption_objection,
    doubts,
    doubts_of_master,
    in_adoption,
    plan_adoption,
    spared,
)
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
    VolumeAct,
    VolumesPlan,
    VolumeStep,
    brick_objections,
    plan_volumes,
)

__all__ = [
    "LACKING_REMEDY",
    "Act",
    "Adoption",
    "AdoptionTurn",
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
    "adoption_objection",
    "agreement_objection",
    "begins_later",
    "brick_objections",
    "by_version",
    "doubts",
    "doubts_of_master",
    "drain_objection",
    "handover_objection",
    "heirs",
    "in_adoption",
    "lacking_modules",
    "mastered",
    "plan_adoption",
    "plan_node",
    "plan_rollout",
    "plan_upgrade",
    "plan_volumes",
    "read_versions",
    "spared",
    "stranger",
    "together",
    "unrestored",
    "untold",
]
