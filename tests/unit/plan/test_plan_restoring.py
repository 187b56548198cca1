"""Whether a node that was put back is as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
from looks import APART, Look, healthy

from selfbalance.observed import NodeState, Role, SeenInstance
from selfbalance.plan import unrestored

BEFORE = healthy()["web1"]
TABLE = BEFORE.table[0]
DEAD = Look().dead("web1").nodes["web1"]
assert isinstance(DEAD, NodeState)


def said(**changes: object) -> str:
    return unrestored(BEFORE, replace(BEFORE, **changes))


def test_a_node_as_before_is_restored():
    assert unrestored(BEFORE, BEFORE) == ""


def test_who_is_master_and_how_many_are_served_may_change():
    assert unrestored(BEFORE, healthy(master="web1")["web1"]) == ""
    busy = tuple(replace(real, active_connections=9) for real in TABLE.realservers)
    assert said(table=(replace(TABLE, realservers=busy),)) == ""


WRONG = {
    "keepalived dead": (
        {"units": DEAD.units},
        "keepalived does not run",
    ),
    "a sysctl": (
        {"sysctls": {**BEFORE.sysctls, "net.ipv4.conf.all.arp_ignore": "0"}},
        "net.ipv4.conf.all.arp_ignore is 0; it was 1",
    ),
    "a sysctl gone": (
        {"sysctls": {}},
        "net.ipv4.conf.all.arp_announce is None; it was 2",
    ),
    "FAULT": (
        {"instances": (SeenInstance("web", Role.FAULT, 250, 0),)},
        "keepalived is in FAULT",
    ),
    "a realserver less": (
        {"table": (replace(TABLE, realservers=TABLE.realservers[:2]),)},
        "its IPVS table has other services",
    ),
    "another scheduler": (
        {"table": (replace(TABLE, scheduler="wrr"),)},
        "its IPVS table has other services",
    ),
    "a check that fails": (
        {"table": Look().weigh(0, "web2").nodes["web1"].table},
        "192.0.2.12 has weight 0 there",
    ),
    "a table not seen": (
        {"unknown": {"table": "no", "units": "no"}},
        "table and units could not be observed",
    ),
}


@pytest.mark.parametrize(("changes", "words"), WRONG.values(), ids=WRONG)
def test_what_is_not_as_it_was_is_said(changes, words):
    assert said(**changes) == words


def test_what_was_dead_before_has_to_be_dead_again():
    assert unrestored(DEAD, BEFORE) == "keepalived runs"
    assert unrestored(DEAD, DEAD) == ""


def test_of_a_change_that_an_earlier_run_began_the_table_before_is_not_known():
    before = replace(BEFORE, changing=True)
    fewer = (replace(TABLE, realservers=TABLE.realservers[:2]),)

    assert unrestored(before, replace(BEFORE, table=fewer)) == ""
    assert unrestored(before, replace(BEFORE, sysctls={})) != ""


def test_of_a_table_apart_what_keepalived_fills_counts():
    master, backup = healthy(APART, "web1")["web1"], healthy(APART, "web2")["web1"]

    assert master.table != backup.table
    assert unrestored(master, backup) == ""
    assert unrestored(master, replace(backup, kept=())) == "its IPVS table has other services"
