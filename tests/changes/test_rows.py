"""How a load is cut into the rows of several changes, without a node."""

from __future__ import annotations

import pytest
from changing import Keepalived, Row, Step, in_words
from steady import Met

from selfbalance.lab.load import SILENCE_TIMEOUT_S, Probe, Report, Session
from selfbalance.testing.stalls import Stalls

LONG = 10.0


def met(*what: Probe | Session) -> Met:
    report = Report(
        [each for each in what if isinstance(each, Session)],
        [each for each in what if isinstance(each, Probe)],
    )
    return Met(report, Stalls(), 0.0, 2 * LONG)


def probe(began: float, ok: bool = True) -> Probe:
    return Probe(began, began + 0.1, ok, None, None if ok else "refused")


def test_a_probe_belongs_to_the_change_in_which_it_began() -> None:
    whole = met(probe(1), probe(9.9, ok=False), probe(10, ok=False))
    assert [len(whole.between(*times).failed) for times in ((0, LONG), (LONG, 20))] == [1, 1]


@pytest.mark.parametrize(
    ("session", "lost"),
    [
        (Session("web1", "reset", 9, 5.0, 12.0, "reset"), [0, 1]),
        (Session("web1", "timed out", 9, 5.0, 8.0 + SILENCE_TIMEOUT_S, "timed out"), [1, 0]),
        (Session("web1", "alive", 9, 5.0, 12.0), [0, 0]),
    ],
)
def test_a_session_is_lost_in_the_change_that_cut_it(session: Session, lost: list[int]) -> None:
    whole = met(session)
    found = [len(whole.between(*times).lost) for times in ((0.0, LONG), (LONG, 100.0))]
    assert found == lost


def test_one_that_lives_is_of_every_change_that_it_has_seen() -> None:
    whole = met(Session("web1", "alive", 9, 5.0, 12.0))
    assert len(whole.between(0, LONG).report.sessions) == 1
    assert len(whole.between(LONG, 20).report.sessions) == 1
    assert whole.between(13, 20).report.sessions == []


def test_a_loss_wants_a_reason_and_a_fault_has_none() -> None:
    silent, said = Step("a change", ""), Step("a change", "", why="because")
    lossy = met(probe(1, ok=False))
    assert not Row(silent, 1, "", lossy).as_it_should_be
    assert Row(said, 1, "", lossy).as_it_should_be
    assert Row(silent, 1, "", met(probe(1))).as_it_should_be
    assert not Row(said, 1, "", met(probe(1)), "not healthy").as_it_should_be


def test_what_keepalived_did_is_told_by_nodes_where_they_differ() -> None:
    before = {"web1": Keepalived("7", 1), "web2": Keepalived("8", 0), "web4": Keepalived("0", 0)}
    alike = {"web1": Keepalived("7", 2), "web2": Keepalived("8", 1), "web4": Keepalived("0", 0)}
    assert in_words(before, before) == "untouched"
    assert in_words(before, alike) == "reloaded"
    other = {**alike, "web2": Keepalived("9", 0), "web4": Keepalived("5", 0)}
    assert in_words(before, other) == "reloaded on web1, restarted on web2, started on web4"
