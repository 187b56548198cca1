"""What a client loses when a MASTER dies or stops, in standby modes other than the default."""

from __future__ import annotations

from collections import Counter

import pytest
from deployed import Site
from modes import MODES
from test_crash import SESSIONS, lose_the_master, measure

OTHERS = pytest.mark.parametrize("mode", MODES[1:], indirect=True)


YOUNG = {"source-mac": 0, "snapshot": 3}
"""Probes that may fail: without a sync daemon, those that begin while the MASTER has no table."""

SOON_S = {"source-mac": 1.5, "snapshot": 2.5}
"""Until the last probe fails after a crash; in `snapshot` the table follows keepalived's own."""


@OTHERS
def test_power_loss_of_the_master(in_every_mode: Site, mode: str) -> None:
    lose_the_master(in_every_mode, bound_s=SOON_S[mode])


@OTHERS
def test_a_stop_of_the_master_loses_no_session(in_every_mode: Site, mode: str) -> None:
    master = in_every_mode.master()
    measured = measure(
        in_every_mode,
        lambda: in_every_mode.lab.run(master, "systemctl stop keepalived"),
        f"systemctl stop keepalived on the MASTER, {in_every_mode.described}",
    )
    assert Counter(s.outcome for s in measured.report.sessions) == {"alive": SESSIONS}
    assert len(measured.failed_probes) <= YOUNG[mode]
    assert in_every_mode.master() != master
