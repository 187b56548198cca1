"""What a run writes down of itself, and that a full disk here leaves no node half-way."""

from __future__ import annotations

import pytest
from looks import CLUSTER, MASTER, Look
from pyinfra.api.exceptions import OperationError

from selfbalance.errors import JournalError
from selfbalance.journal import Gates, Probes, Step
from selfbalance.journal import Look as LookRecord
from selfbalance.observed import Drain
from selfbalance.operations import logbook
from selfbalance.operations.logbook import Logbook
from selfbalance.plugins import Problem

SERVICES = len(CLUSTER.services)
FULL = "/srv/journal: the journal cannot be written: No space left on device"


class Journal:
    """A journal in memory, or on a disk that is full."""

    def __init__(self, full: bool = False) -> None:
        self.full, self.records = full, []

    def write(self, record) -> None:
        if self.full:
            raise JournalError(FULL)
        self.records.append(record)


@pytest.fixture
def said(monkeypatch):
    """What the operator was told."""
    lines: list[str] = []
    monkeypatch.setattr(logbook, "say", lines.append)
    return lines


def test_a_step_begins_and_ends_with_what_was_said_meanwhile():
    journal = Journal()

    with Logbook(journal).step("web2", "wait", "first") as words:
        words.append("3 sessions left: going on")

    begin, end = journal.records
    assert begin == Step("web2", "wait", "begin")
    assert (end.state, end.ok, end.said) == ("end", True, "first; 3 sessions left: going on")
    assert end.seconds >= 0


def test_a_step_that_fails_says_why_and_raises_on():
    journal = Journal()

    with pytest.raises(OperationError), Logbook(journal).step("web2", "act"):
        raise OperationError("dpkg failed")

    assert (journal.records[-1].ok, journal.records[-1].said) == (False, "dpkg failed")


def test_a_look_is_what_was_wrong_and_how_every_node_was():
    journal, look = Journal(), Look().unobserved("web3")

    Logbook(journal).look(look.view, [Problem("web3 could not be observed")], "web2", 1, 3)

    gates, seen, probes = journal.records
    assert gates == Gates("web2", 1, 3, False, ["web3 could not be observed"])
    assert isinstance(seen, LookRecord)
    assert seen.owners == {"192.0.2.10": "web2"}
    assert {name: node.observed for name, node in seen.nodes.items()} == {
        "web1": True,
        "web2": True,
        "web3": False,
    }
    assert probes == Probes(sent=SERVICES * 2, failed=0)


def test_a_realserver_that_does_not_answer_through_the_vip_is_a_failed_probe_unless_drained():
    look, journal = Look(), Journal()
    answers = {key: mac for key, mac in look.nodes[MASTER].answers.items() if key[2] != "web3"}
    look.change(MASTER, answers=answers)

    Logbook(journal).sight(look.view)
    Logbook(journal).sight(look.change_all(drained={"web3": Drain("ops", 0)}).view)

    probes = [each for each in journal.records if isinstance(each, Probes)]
    assert probes == [Probes(SERVICES * 2, SERVICES), Probes(SERVICES, 0)]


def test_a_disk_that_is_full_stops_no_step_and_is_said_once(said):
    journal = Journal()
    book = Logbook(journal)
    done = []

    with book.step("web2", "act"):
        journal.full = True
        done.append("act")
    with book.step("web2", "verify"):
        done.append("verify")

    assert done == ["act", "verify"]
    assert said == [FULL]
    assert book.lost == FULL


def test_a_step_that_fails_while_the_disk_is_full_fails_for_its_own_reason(said):
    with pytest.raises(OperationError, match="dpkg"), Logbook(Journal(full=True)).step("a", "act"):
        raise OperationError("dpkg failed")

    assert said == [FULL]
