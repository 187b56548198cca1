"""What every standby mode must hold."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

import pytest

from selfbalance.lab.load import Report
from selfbalance.plugins import Plugins, StandbyMode
from selfbalance.plugins.registry import Registry
from selfbalance.testing.examples import described
from selfbalance.testing.site import VIP, Site
from selfbalance.testing.stalls import noted_stalls
from selfbalance.testing.suites.base import OnNodes, Rendered, Suite

_SESSIONS = 30


class _Kind(Suite[StandbyMode]):
    def registry(self, plugins: Plugins) -> Registry[StandbyMode]:
        return plugins.standby_modes

    def asked(self, named: str) -> dict[str, object]:
        return {"standby": named}


class StandbyOnPaper(_Kind, Rendered[StandbyMode]):
    """A standby mode's objections, and what keepalived says of what is made of it."""

    def test_an_objection_is_none_or_one_line(self, thing: StandbyMode, named: str) -> None:
        """An operator reads it in place of a change, whatever the description is."""
        for cluster in described(self.changes(named)).values():
            said = thing.objection(cluster)
            assert said is None or (isinstance(said, str) and said and "\n" not in said), said


class StandbyOnNodes(_Kind, OnNodes[StandbyMode]):
    """A change of MASTER on real nodes, with the scheduler that `described` names, or `mh`.

    `promises_hand_over` and `promises_crash` say that a session that a surviving node serves
    outlives it; a mode that promises less says False, and is not asked. `may_fail` new requests of
    some 600 may a hand-over cost.
    """

    promises_hand_over: ClassVar[bool] = True
    promises_crash: ClassVar[bool] = True
    may_fail: ClassVar[int] = 0

    def test_a_planned_stop_of_the_master_loses_nothing(self, deployed: Site) -> None:
        """No session, and no new request but those that the mode says."""
        if not self.promises_hand_over:
            pytest.skip("it promises nothing for a hand-over")
        master = deployed.master()
        with noted_stalls() as stalls:
            report = _met(deployed, lambda: deployed.lab.run(master, "systemctl stop keepalived"))
        assert report.lost_sessions == []
        failed = [probe for probe in report.failed_probes if not stalls.excuse(probe)]
        assert len(failed) <= self.may_fail, failed
        assert deployed.master() != master
        deployed.lab.run(master, "systemctl start keepalived")

    def test_a_crash_of_the_master_costs_only_what_it_served_itself(self, deployed: Site) -> None:
        """The others' sessions go on under the new MASTER, and new requests are answered."""
        if not self.promises_crash:
            pytest.skip("it promises nothing for a crash")
        master = deployed.master()
        report = _met(deployed, lambda: deployed.lab.power_off(master))
        assert {each.node for each in report.sessions} > {master}, "nobody else served"
        assert [each for each in report.lost_sessions if each.node != master] == []
        probes = deployed.lab.requests(f"http://{VIP}/", count=30)
        assert [probe for probe in probes if not probe.ok] == []


def _met(site: Site, act: Callable[[], object]) -> Report:
    """Hold sessions of ten seconds, do the act after two, and return what the client met."""
    with site.lab.load(
        f"http://{VIP}", sessions=_SESSIONS, duration=12, session_seconds=10
    ) as load:
        time.sleep(2)
        act()
        return load.report()


class StandbySuite(StandbyOnPaper, StandbyOnNodes):
    """All that a standby mode must hold."""
