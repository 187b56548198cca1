"""For plugin authors: what every plugin of a kind must hold, and real nodes to prove it on.

from selfbalance.testing import SchedulerSuite

class TestTwos(SchedulerSuite):
    name = "twos"

A suite `...Suite` is two: `...OnPaper` needs no node, `...OnNodes` is marked `lab`.
"""

from selfbalance.testing.site import VIP, VIP6, Run, Site, problems
from selfbalance.testing.suites.component import (
    ComponentOnNodes,
    ComponentOnPaper,
    ComponentSuite,
)
from selfbalance.testing.suites.forwarding import (
    ForwardingOnNodes,
    ForwardingOnPaper,
    ForwardingSuite,
)
from selfbalance.testing.suites.gate import GateOnNodes, GateOnPaper, GateSuite
from selfbalance.testing.suites.scheduler import (
    SchedulerOnNodes,
    SchedulerOnPaper,
    SchedulerSuite,
)
from selfbalance.testing.suites.standby import StandbyOnNodes, StandbyOnPaper, StandbySuite
from selfbalance.testing.suites.store import StoreOnNodes, StoreOnPaper, StoreSuite

__all__ = [
    "VIP",
    "VIP6",
    "ComponentOnNodes",
    "ComponentOnPaper",
    "ComponentSuite",
    "ForwardingOnNodes",
    "ForwardingOnPaper",
    "ForwardingSuite",
    "GateOnNodes",
    "GateOnPaper",
    "GateSuite",
    "Run",
    "SchedulerOnNodes",
    "SchedulerOnPaper",
    "SchedulerSuite",
    "Site",
    "StandbyOnNodes",
    "StandbyOnPaper",
    "StandbySuite",
    "StoreOnNodes",
    "StoreOnPaper",
    "StoreSuite",
    "problems",
]
