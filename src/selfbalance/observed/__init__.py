"""Room: what is on the nodes. One script a node, and its parser. Pure: text in, state out."""

from selfbalance.observed.facts import facts_of
from selfbalance.observed.marks import SeenMarks
from selfbalance.observed.parse import parse
from selfbalance.observed.script import observation_script
from selfbalance.observed.state import (
    ClusterState,
    NodeState,
    Role,
    SeenFile,
    SeenInstance,
    SeenRealserver,
    SeenService,
    SeenUnit,
    Unobserved,
)

__all__ = [
    "ClusterState",
    "NodeState",
    "Role",
    "SeenFile",
    "SeenInstance",
    "SeenMarks",
    "SeenRealserver",
    "SeenService",
    "SeenUnit",
    "Unobserved",
    "facts_of",
    "observation_script",
    "parse",
]
