"""What the founding design of 2013 loses in three upgrades, each under the same load."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from founding_design import SIDE, Founding
from packages import installed, newer_keepalived, newer_nginx
from rows import Row, measure_upgrade

from selfbalance.lab import Lab


@pytest.fixture(scope="module")
def founding(fresh_lab: Callable[[], Lab]) -> Founding:
    cluster = Founding(fresh_lab())
    cluster.set_up()
    return cluster


def test_with_no_upgrade_it_loses_nothing(founding: Founding, rows: list[Row]) -> None:
    """Otherwise the rows below would tell of the lab, or of mistakes in setting it up."""
    row = _measured(founding, lambda: None, "nothing", rows)
    assert (row.failed, row.lost) == (0, 0)


def test_keepalived(founding: Founding, rows: list[Row]) -> None:
    version = newer_keepalived(founding.lab)
    _measured(founding, founding.install(f"keepalived={version}"), "keepalived", rows)
    assert {installed(founding.lab, n.name, "keepalived") for n in founding.lab.nodes} == {version}


def test_nginx(founding: Founding, rows: list[Row]) -> None:
    version = newer_nginx(founding.lab)
    both = (f"nginx={version}", f"nginx-common={version}")
    _measured(founding, founding.install(*both), "nginx", rows)
    assert {installed(founding.lab, n.name, "nginx") for n in founding.lab.nodes} == {version}


def test_a_reboot_of_all(founding: Founding, rows: list[Row]) -> None:
    _measured(founding, founding.reboot, "reboot", rows)


def _measured(founding: Founding, act: Callable[[], object], what: str, rows: list[Row]) -> Row:
    founding.settle()
    row = measure_upgrade(founding.lab, act, SIDE, what)
    rows.append(row)
    print(f"\n{row}\n{row.reasons}\nleft: {founding.state()}")
    return row
