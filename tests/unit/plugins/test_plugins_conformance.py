"""The built-ins go through the suites that are shipped for everybody's plugins."""

from __future__ import annotations

import pytest

from selfbalance.deployment import every_plugin
from selfbalance.plugins.builtin.kernel_schedulers import SCHEDULERS
from selfbalance.testing import (
    ComponentOnPaper,
    ForwardingOnPaper,
    GateOnPaper,
    SchedulerOnPaper,
    StandbyOnPaper,
    StoreOnPaper,
)

PLUGINS = every_plugin()


@pytest.mark.parametrize("named", SCHEDULERS)
class TestSchedulers(SchedulerOnPaper):
    """Every one of the kernel's."""


@pytest.mark.parametrize("named", list(PLUGINS.forwarding_methods))
class TestForwarding(ForwardingOnPaper):
    """Each built-in method."""


@pytest.mark.parametrize("named", list(PLUGINS.standby_modes))
class TestStandby(StandbyOnPaper):
    """Each built-in mode."""


class TestLocal(StoreOnPaper):
    """The node's disk."""

    name = "local"
    folder = "/var/lib/selfbalance/snapshots"


class TestRun(StoreOnPaper):
    """The node's memory."""

    name = "run"
    folder = "/run/selfbalance-snapshots"


class TestGlusterfs(StoreOnPaper):
    """The node's disk, as long as there is no volume: this machine has none.

    tests/lab/test_volumes.py has one.
    """

    name = "glusterfs"
    folder = "/var/lib/selfbalance/snapshots"


class TestController(StoreOnPaper):
    """The machine that deploys."""

    name = "controller"


@pytest.mark.parametrize("named", list(PLUGINS.components))
class TestComponents(ComponentOnPaper):
    """Each built-in component."""


@pytest.mark.parametrize("named", list(PLUGINS.gates))
class TestGates(GateOnPaper):
    """Each built-in gate."""


def test_no_built_in_store_is_left_out():
    tried = {each.name for each in (TestLocal, TestRun, TestGlusterfs, TestController)}

    assert tried == set(PLUGINS.snapshot_stores)
