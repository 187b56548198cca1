"""Every standby mode with four schedulers, through a crash of the MASTER and a planned hand-over.

SELFBALANCE_MATRIX_MODES and SELFBALANCE_MATRIX_SCHEDULERS, parted by commas, choose fewer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from deployed import Site
from measured import SESSIONS, Measured, measure

MODES = os.environ.get("SELFBALANCE_MATRIX_MODES", "backup-only,source-mac,snapshot").split(",")
SCHEDULERS = os.environ.get("SELFBALANCE_MATRIX_SCHEDULERS", "mh,wrr,sh,lc").split(",")
CONSISTENT = ("mh", "sh")
LOSES_NOTHING = ("backup-only", "source-mac")


@dataclass(frozen=True)
class Row:
    """What a client met in one cell of the matrix."""

    mode: str
    scheduler: str
    event: str
    on_survivors: int
    lost: int
    probes: int
    failed: int
    last_s: float

    @classmethod
    def of(cls, mode: str, scheduler: str, event: str, dead: str, measured: Measured) -> Row:
        survivors = [s for s in measured.report.sessions if s.node != dead]
        return cls(
            mode,
            scheduler,
            event,
            len(survivors),
            sum(session.outcome != "alive" for session in survivors),
            len(measured.report.probes),
            len(measured.failed_probes),
            measured.last_failure_s,
        )

    def __str__(self) -> str:
        last = f"{self.last_s:.2f} s" if self.failed else "-"
        return (
            f"| {self.mode} | {self.scheduler} | {self.event} | {self.on_survivors} | {self.lost} "
            f"| {self.probes} | {self.failed} | {last} |"
        )


@pytest.fixture(scope="module")
def table() -> Iterator[list[Row]]:
    """The rows so far; printed at the end, in the form of docs/measurements.md."""
    rows: list[Row] = []
    yield rows
    print("\n| mode | scheduler | event | sessions on survivors | lost | probes | failed | last |")
    print("|---|---|---|---|---|---|---|---|")
    print("\n".join(map(str, rows)))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("mode", MODES)
def test_a_cell_of_the_matrix(site: Site, table: list[Row], mode: str, scheduler: str) -> None:
    site.described = (
        f"detection='calm', standby={mode!r}, "
        f"services=[Service(name='http', port=80, scheduler={scheduler!r})]"
    )
    site.deploy()
    rows = [_hand_over(site, mode, scheduler), _crash(site, mode, scheduler)]
    table += rows
    for row in rows:
        assert row.on_survivors >= SESSIONS / 3
        if mode in LOSES_NOTHING or scheduler in CONSISTENT:
            assert row.lost == 0, row
    if mode in LOSES_NOTHING:
        assert rows[0].failed == 0, rows[0]


def _hand_over(site: Site, mode: str, scheduler: str) -> Row:
    master = site.master()
    what = f"{mode}, {scheduler}: systemctl stop keepalived"
    measured = measure(site, lambda: site.lab.run(master, "systemctl stop keepalived"), what)
    site.lab.run(master, "systemctl start keepalived")
    site.wait_until_healthy()
    return Row.of(mode, scheduler, "hand-over", "", measured)


def _crash(site: Site, mode: str, scheduler: str) -> Row:
    master = site.master()
    what = f"{mode}, {scheduler}: power loss of the MASTER"
    measured = measure(site, lambda: site.lab.power_off(master), what)
    site.lab.power_on(master)
    site.wait_until_healthy()
    return Row.of(mode, scheduler, "crash", master, measured)
