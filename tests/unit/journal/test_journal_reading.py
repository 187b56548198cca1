"""Reading a journal back, whole or as a dead run left it."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from datetime import timezone
from pathlib import Path

import journals
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfbalance.errors import JournalError
from selfbalance.journal import Gates, Journal, Probes, Run, SeenNode, Step, read
from selfbalance.journal.reading import WITHOUT_A_WORD


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.jsonl"


def test_a_run_that_is_done(path):
    history = read(journals.done().into(path))

    assert history.run.cluster == "web"
    assert history.run.order == ["web2", "web3", "web1"]
    assert (history.began, history.began.tzinfo) == (journals.BEGAN, timezone.utc)
    assert (history.result, history.said) == ("done", "3 nodes have keepalived 2.3.3")
    assert history.seconds == history.entries[-1].t
    assert (history.ended - history.began).total_seconds() == pytest.approx(history.seconds)


def test_records_are_typed(path):
    told = journals.Told()
    told.look()
    history = read(told.into(path))

    look = history.entries[1].record
    assert look.owners == {"192.0.2.10": "web1"}
    assert look.nodes["web2"] == SeenNode(True, "BACKUP", 1, 40, False)


def test_a_run_without_an_end_has_failed(path):
    history = read(journals.killed().into(path))

    assert history.end is None
    assert (history.result, history.said) == ("failed", WITHOUT_A_WORD)


@pytest.mark.parametrize("cut", [1, 2, 30])
def test_a_torn_last_line_was_never_written(path, cut):
    whole = journals.done().into(path).read_bytes()
    path.write_bytes(whole[: -cut - 1])

    history = read(path)

    assert history.result == "failed"
    assert len(history.entries) == whole.count(b"\n") - 1


@pytest.mark.parametrize("tail", [b"\0\0\0\0\0\0", b"\xff\xfe", b"{", b"12"])
def test_whatever_follows_the_last_line_is_torn(path, tail):
    path.write_bytes(journals.done().into(path).read_bytes() + tail)

    assert read(path).result == "done"


def test_a_last_line_that_only_lacks_its_newline_counts(path):
    path.write_bytes(journals.done().into(path).read_bytes().rstrip(b"\n"))

    assert read(path).result == "done"


@pytest.mark.parametrize("line", [b"", b"{", b"\xff", b'{"kind": NaN}'])
def test_a_line_in_the_middle_that_is_no_json_is_named(path, line):
    lines = journals.done().into(path).read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:3], line, *lines[3:]]))

    with pytest.raises(JournalError, match=rf"^{path} line 4 is no JSON$"):
        read(path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"kind": "tea"}, "line 2 is no record: its kind is none of run, step, gates, look, "),
        ([1], "line 2 is no record"),
        ({"kind": ["run"]}, "line 2 is no record"),
        ({"kind": "probes", "sent": 1}, "line 2: failed: field required"),
        ({"kind": "probes", "sent": "x", "failed": 0}, "line 2: sent: input should be a valid int"),
        ({"kind": "step", "node": "a", "step": "b", "state": "on"}, "line 2: state: input should"),
        ({"kind": "probes", "sent": 1, "failed": 0, "t": "x"}, "line 2: t: input should be a"),
        ({"kind": "probes", "sent": 1, "failed": 0, "at": "2026-11-23"}, "line 2: at: input "),
    ],
)
def test_a_line_that_is_no_record_is_named_with_its_field(path, line, said):
    told = journals.Told()
    stamp = {"at": "2026-11-23T09:30:12.250Z", "t": 0.5}
    told.lines.append(json.dumps({**stamp, **line} if isinstance(line, dict) else line))

    with pytest.raises(JournalError) as caught:
        read(told.into(path))

    assert str(caught.value).startswith(f"{path} {said}")
    assert "\n" not in str(caught.value)


def test_another_format_is_refused_before_its_fields_are_read(path):
    path.write_text('{"kind": "run", "format": 2, "at": "x"}\n')

    with pytest.raises(JournalError, match=r"line 1: this is format 2; this version reads 1$"):
        read(path)


@pytest.mark.parametrize("text", ["", "{", '{"kind": "ru'])
def test_a_file_without_a_first_record_is_no_journal(path, text):
    path.write_text(text)

    with pytest.raises(
        JournalError, match=r"is no journal: its first record is not that of a run$"
    ):
        read(path)


def test_a_file_that_begins_with_another_record_is_no_journal(path):
    told = journals.done()
    del told.lines[0]

    with pytest.raises(JournalError, match="is no journal"):
        read(told.into(path))


def test_a_file_that_is_not_there_is_said(path):
    with pytest.raises(JournalError, match=rf"^{path}: No such file or directory$"):
        read(path)


NAMES = st.text(max_size=12)
RUNS = st.builds(
    Run,
    *[NAMES] * 3,
    st.lists(NAMES, max_size=3),
    NAMES,
    *[st.lists(NAMES, max_size=3)] * 2,
    st.dictionaries(NAMES, NAMES, max_size=3),
    st.booleans(),
    *[st.floats(0, 1e6)] * 2,
)
ENDS = st.builds(
    Step, NAMES, NAMES, st.just("end"), st.booleans(), st.floats(0, 1e6), st.text(max_size=40)
)
RECORDS = st.one_of(
    st.builds(Step, NAMES, NAMES, st.just("begin")),
    ENDS,
    st.builds(
        Gates,
        st.none() | NAMES,
        st.integers(0, 999),
        st.integers(0, 9),
        st.booleans(),
        st.lists(NAMES, max_size=3),
    ),
    st.builds(Probes, st.integers(0, 10**9), st.integers(0, 10**9)),
)


@settings(max_examples=40, deadline=None)
@given(run=RUNS, records=st.lists(RECORDS, max_size=6))
def test_what_is_written_is_read_back(run, records):
    with tempfile.TemporaryDirectory() as folder:
        with Journal.begin(Path(folder), **asdict(run)) as journal:
            for record in records:
                journal.write(record)
        history = read(journal.path)

    assert [entry.record for entry in history.entries] == [run, *records]
    assert [entry.t for entry in history.entries] == sorted(entry.t for entry in history.entries)
