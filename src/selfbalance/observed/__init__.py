"""Room: what is on the nodes. One script a node, and its parser. Pure: text in, state out."""

from selfbalance.observed.facts import facts_of
from selfbalance.observed.marks import SeenMarks
from selfbalance.observed.parse import parse
from selfbalance.observed.script import observation_script
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
    Unobserved,
)
from selfbalance.observed.upgrades import Stage, UpgradeMark

__all__ = [
    "ClusterState",
    "Drain",
    "NodeState",
    "Role",
    "SeenFile",
    "SeenInstance",
    "SeenMarks",
    "SeenRealserver",
    "SeenService",
    "SeenUnit",
    "Stage",
    "Unobserved",
    "UpgradeMark",
    "facts_of",
    "observation_script",
    "parse",
]
