"""What records mean together, and where that is on the time line."""

from __future__ import annotations

import journals
import pytest

from selfbalance.journal import read
from selfbalance.journal.spans import (
    Held,
    StepSpan,
    Stretch,
    Veto,
    owners,
    sessions,
    steps,
    stretches,
    vetoes,
)
from selfbalance.journal.timeline import timeline
from selfbalance.journal.words import count, seconds_in_words


@pytest.fixture
def told():
    return journals.Told()


@pytest.fixture
def history(told, tmp_path):
    """Read what was told so far."""
    return lambda: read(told.into(tmp_path / "run.jsonl"))


def row(chart, name):
    return next(each for each in chart.rows if each.name == name)


def test_a_step_lasts_from_its_begin_to_its_end(told, history):
    told.step("web2", "mark", 0.5, "marked")
    told.step("web2", "act", 2.0, "broken", ok=False)

    assert steps(history()) == [
        StepSpan("web2", "mark", 0.0, 0.5, True, "marked", 0.5),
        StepSpan("web2", "act", 0.5, 2.5, False, "broken", 2.0),
    ]


def test_a_step_that_never_ended_lasts_till_the_last_record(told, history):
    told.say(kind="step", node="web2", step="drain", state="begin")
    told.t = 8.0
    told.say(kind="probes", sent=1, failed=0)

    assert steps(history()) == [StepSpan("web2", "drain", 0.0, 8.0)]


def test_an_end_without_a_begin_began_as_long_before_as_it_says(told, history):
    told.t = 8.0
    told.say(kind="step", node="web2", step="act", state="end", ok=True, seconds=3.0, said="")

    assert steps(history()) == [StepSpan("web2", "act", 5.0, 8.0, True, "", 3.0)]


def test_a_step_that_is_done_twice_is_two(told, history):
    told.step("web2", "verify", 1.0, ok=False)
    told.step("web2", "verify", 1.0)

    assert [each.ok for each in steps(history())] == [False, True]


def test_an_owner_holds_a_vip_until_a_look_sees_another(told, history):
    for t, owner in ((1, "web1"), (2, "web1"), (3, None), (4, "web2"), (5, "web2")):
        told.t = float(t)
        told.look(vip=owner)

    assert owners(history()) == {
        "vip": [
            Held("vip", "web1", 1.0, 3.0),
            Held("vip", None, 3.0, 4.0),
            Held("vip", "web2", 4.0, 5.0),
        ]
    }


def test_sessions_are_told_where_they_change(told, history):
    for t, number in ((1, 4), (2, 4), (3, 0), (4, 0), (5, 2)):
        told.t = float(t)
        told.sessions["web2"] = number
        told.look()

    assert sessions(history(), "web2") == [(1.0, 4), (3.0, 0), (5.0, 2)]
    assert row(timeline(history()), "web2").curve == (
        "200.0,100.0 200.0,0.0 600.0,0.0 600.0,100.0 1000.0,100.0 1000.0,50.0 1000.0,50.0 "
        "1000.0,100.0"
    )


def test_probes_are_counted_since_the_record_before(told, history):
    for t, failed in ((1, 0), (2, 0), (3, 4), (4, 1), (5, 0)):
        told.t = float(t)
        told.say(kind="probes", sent=50, failed=failed)

    assert stretches(history()) == [
        Stretch(0.0, 2.0, 100, 0),
        Stretch(2.0, 4.0, 100, 5),
        Stretch(4.0, 5.0, 50, 0),
    ]


def test_samples_with_the_same_problems_are_one_veto_until_a_good_one(told, history):
    told.gates("web2", False, False, True, False, problems=("a", "b"))
    told.gates("web2", False, problems=("c",))

    assert vetoes(history()) == [
        Veto("web2", 1.0, 2.0, 2, ("a", "b")),
        Veto("web2", 4.0, 4.0, 1, ("a", "b")),
        Veto("web2", 5.0, 5.0, 1, ("c",)),
    ]


def test_marks_lie_where_their_time_is(told, history):
    told.step("web2", "mark", 1.0)
    told.step("web2", "hand-over", 4.0, "web2 is MASTER", ok=False)

    mark, hand_over = row(timeline(history()), "web2").lanes[0]
    assert (mark.left, mark.width, mark.tone, mark.flaw) == (0.0, 20.0, "work", "")
    assert (hand_over.left, hand_over.width, hand_over.tone) == (20.0, 80.0, "move")
    assert hand_over.flaw == "failed"
    assert hand_over.title == "web2, hand-over: failed after 4.0 s, from 1.0 s\nweb2 is MASTER"


def test_steps_at_the_same_time_lie_side_by_side(told, history):
    told.say(kind="step", node="web2", step="act", state="begin")
    told.step("web2", "snapshot", 1.0)
    told.say(kind="step", node="web2", step="act", state="end", ok=True, seconds=1.0, said="")

    lanes = row(timeline(history()), "web2").lanes
    assert [[mark.label for mark in lane] for lane in lanes] == [["act"], ["snapshot"]]


def test_every_node_vip_gates_and_probes_have_a_row(tmp_path):
    chart = timeline(read(journals.failed().into(tmp_path / "run.jsonl")))

    assert [(each.name, each.note) for each in chart.rows] == [
        ("web1", "up to 40 sessions"),
        ("web2", "up to 40 sessions"),
        ("web3", "up to 40 sessions"),
        ("192.0.2.10", "2 changes"),
        ("gates", "10 of 13 good"),
        ("probes", "7 of 4,500 failed"),
    ]


def test_a_run_without_probes_or_looks_has_no_rows_for_them(told, history):
    told.step("web2", "mark", 1.0)

    assert [each.name for each in timeline(history()).rows] == ["web1", "web2", "web3"]


def test_a_node_that_only_a_step_names_has_a_row(told, history):
    told.step("web9", "mark", 1.0)

    assert row(timeline(history()), "web9").lanes[0]


@pytest.mark.parametrize("name", ["done", "failed", "killed", "hostile", "crowded"])
def test_nothing_lies_beside_the_line(name, tmp_path):
    chart = timeline(read(getattr(journals, name)().into(tmp_path / "run.jsonl")))

    for mark in [mark for row in chart.rows for lane in row.lanes for mark in lane]:
        assert mark.left >= 0
        assert mark.width >= 0
        assert mark.left + mark.width <= 100.01


def test_a_run_of_one_record_has_a_line_too(history):
    chart = timeline(history())

    assert [(tick.left, tick.label) for tick in chart.ticks] == [(0.0, "0 s")]


@pytest.mark.parametrize(
    ("seconds", "last"), [(0.8, "0.8 s"), (7.4, "7 s"), (99, "90 s"), (4000, "3,600 s")]
)
def test_ticks_are_round_and_few(told, history, seconds, last):
    told.step("web1", "drain", 0.0)
    told.t = seconds
    told.say(kind="probes", sent=1, failed=0)

    ticks = timeline(history()).ticks
    assert 3 <= len(ticks) <= 9
    assert ticks[-1].label == last


def test_more_nodes_need_more_room(tmp_path):
    few = timeline(read(journals.done().into(tmp_path / "few.jsonl")))
    many = timeline(read(journals.crowded().into(tmp_path / "many.jsonl")))

    assert few.rem < many.rem


def test_only_what_is_there_is_explained(told, history):
    told.step("web1", "mark", 1.0)

    assert timeline(history()).keys == [("work", "work")]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.97, "1 min 0 s"),
        (312.4, "5 min 12 s"),
        (3599.7, "1 h 0 min 0 s"),
        (7325, "2 h 2 min 5 s"),
    ],
)
def test_seconds_in_words(seconds, words):
    assert seconds_in_words(seconds) == words


def test_counts_in_words():
    assert [count(number, "node") for number in (0, 1, 1200)] == [
        "0 nodes",
        "1 node",
        "1,200 nodes",
    ]
