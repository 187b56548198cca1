"""Room: what is on the nodes. One script a node, and its parser. Pure: text in, state out."""

from selfbalance.observed.facts import facts_of
from selfbalance.observed.founding import FoundingInstance, FoundingService, SeenFounding
from selfbalance.observed.marks import SeenMarks
from selfbalance.observed.parse import parse
from selfbalance.observed.script import observation_script, volumes_script
from selfbalance.observed.state import (
    ClusterState,
    Drain,
    NodeState,
    Role,
    SeenFile,
    SeenInstance,
    SeenRealserver,
    SeenService,
    SeenUnit,
    Shared,
    Unobserved,
)
from selfbalance.observed.upgrades import Stage, UpgradeMark
from selfbalance.observed.volumes import (
    HealCount,
    SeenBrick,
    SeenCopy,
    SeenPeer,
    SeenSettings,
    SeenVolume,
    parse_volumes,
)

__all__ = [
    "ClusterState",
    "Drain",
    "FoundingInstance",
    "FoundingService",
    "HealCount",
    "NodeState",
    "Role",
    "SeenBrick",
    "SeenCopy",
    "SeenFile",
    "SeenFounding",
    "SeenInstance",
    "SeenMarks",
    "SeenPeer",
    "SeenRealserver",
    "SeenService",
    "SeenSettings",
    "SeenUnit",
    "SeenVolume",
    "Shared",
    "Stage",
    "Unobserved",
    "UpgradeMark",
    "facts_of",
    "observation_script",
    "parse",
    "parse_volumes",
    "volumes_script",
]
