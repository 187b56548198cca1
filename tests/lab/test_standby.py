"""What a client loses when a MASTER dies or stops, in standby modes other than the default."""

from __future__ import annotations

from collections import Counter

import pytest
from deployed import Site
from modes import MODES
from test_crash import SESSIONS, lose_the_master, measure

OTHERS = pytest.mark.parametrize("mode", MODES[1:], indirect=True)


@OTHERS
def test_power_loss_of_the_master(in_every_mode: Site) -> None:
    lose_the_master(in_every_mode, bound_s=1.5)


@OTHERS
def test_a_stop_of_the_master_loses_nothing(in_every_mode: Site) -> None:
    master = in_every_mode.master()
    report = measure(
        in_every_mode,
        lambda: in_every_mode.lab.run(master, "systemctl stop keepalived"),
        f"systemctl stop keepalived on the MASTER, {in_every_mode.described}",
    ).report
    assert Counter(s.outcome for s in report.sessions) == {"alive": SESSIONS}
    assert report.failed_probes == []
    assert in_every_mode.master() != master
