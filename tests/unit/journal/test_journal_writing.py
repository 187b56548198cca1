"""Writing a journal: whole lines, on the disk, and a word where that cannot be."""

from __future__ import annotations

import json
import os
import re
import resource
from contextlib import contextmanager
from ipaddress import ip_address

import pytest
from journals import RUN

from selfbalance.errors import JournalError
from selfbalance.journal import End, Gates, Journal, Look, Probes, SeenNode, Step

FIRST = {key: value for key, value in RUN.items() if key not in {"kind", "format"}}


@pytest.fixture
def journal(tmp_path):
    with Journal.begin(tmp_path / "new" / "runs", **FIRST) as begun:
        yield begun


def records(journal):
    return [json.loads(line) for line in journal.path.read_text(encoding="utf-8").splitlines()]


@contextmanager
def no_file_over(size):
    """No file may grow beyond so many bytes: what a full disk says, said of one file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_file_is_the_runs_own_and_nobody_else_reads_it(journal, tmp_path):
    assert journal.path.parent == tmp_path / "new" / "runs"
    assert re.fullmatch(
        rf"upgrade-\d{{8}}T\d{{6}}\.\d{{3}}Z-{os.getpid()}\.jsonl", journal.path.name
    )
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_the_first_record_is_the_run(journal):
    (first,) = records(journal)

    assert {key: first[key] for key in RUN} == RUN
    assert first["t"] < 1


def test_every_record_says_when_and_what(journal):
    journal.note("probes", sent=50, failed=2)
    journal.write(Step("web2", "drain", "begin"))

    for record in records(journal):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["at"])
        assert record["t"] == round(record["t"], 3)
    assert [record["kind"] for record in records(journal)] == ["run", "probes", "step"]
    assert [record["t"] for record in records(journal)] == sorted(r["t"] for r in records(journal))


def test_a_step_that_begins_says_nothing_of_its_end(journal):
    journal.note("step", node="web2", step="drain", state="begin")
    journal.note(
        "step", node="web2", step="drain", state="end", ok=False, seconds=60.0, said="2 left"
    )

    begin, end = (set(record) - {"at", "t", "kind"} for record in records(journal)[1:])
    assert begin == {"node", "step", "state"}
    assert end == {"node", "step", "state", "ok", "seconds", "said"}


def test_both_ways_to_write_are_one(journal):
    journal.note("gates", after=None, sample=1, needed=3, good=True, problems=[])
    journal.write(Gates(after=None, sample=1, needed=3, good=True, problems=[]))

    one, other = (
        {key: value for key, value in record.items() if key not in {"at", "t"}}
        for record in records(journal)[1:]
    )
    assert one == other
    assert one["after"] is None


def test_values_are_made_plain(journal):
    vip = ip_address("192.0.2.10")
    journal.note("look", owners={vip: None}, nodes={"web1": SeenNode(observed=False)})
    journal.note("end", result="failed", said=OSError("broken"), nodes={}, next=("a", "b"))

    look, end = records(journal)[1:]
    assert look["owners"] == {"192.0.2.10": None}
    assert look["nodes"] == {"web1": {"observed": False}}
    assert (end["said"], end["next"]) == ("broken", ["a", "b"])


def test_what_is_no_unicode_is_written_all_the_same(journal):
    journal.note("end", result="failed", said="\udcff\n\u2028é", nodes={}, next=[])

    assert journal.path.read_bytes().count(b"\n") == 2
    assert json.loads(journal.path.read_bytes().splitlines()[1])["said"] == "?\n\u2028é"


@pytest.mark.parametrize("fields", [{}, {"sent": 1}, {"sent": 1, "failed": 0, "lost": 0}])
def test_a_field_too_few_or_too_many_is_a_mistake_of_ours(journal, fields):
    with pytest.raises(TypeError):
        journal.note("probes", **fields)


def test_two_runs_of_one_process_have_two_files(journal, tmp_path):
    with Journal.begin(journal.path.parent, **FIRST) as other:
        assert other.path != journal.path


def test_a_folder_that_cannot_be_made_is_said_with_its_name(tmp_path):
    (tmp_path / "runs").write_text("a file")

    with pytest.raises(JournalError, match=rf"^{tmp_path}/runs/upgrade-.*: File exists$"):
        Journal.begin(tmp_path / "runs", **FIRST)


def test_a_full_disk_is_said_and_leaves_no_half_line(journal):
    before = journal.path.read_bytes()

    with no_file_over(len(before) + 40), pytest.raises(JournalError) as caught:
        journal.note("probes", sent=50, failed=0)

    assert str(caught.value) == f"{journal.path}: the journal cannot be written: File too large"
    assert journal.path.read_bytes() == before
    journal.write(Probes(sent=100, failed=0))
    assert records(journal)[-1]["sent"] == 100


def test_a_disk_that_is_full_from_the_beginning_leaves_nothing_open(tmp_path):
    before = len(os.listdir("/proc/self/fd"))

    with no_file_over(0), pytest.raises(JournalError, match="File too large"):
        Journal.begin(tmp_path, **FIRST)

    assert len(os.listdir("/proc/self/fd")) == before


def test_a_closed_journal_is_closed(journal):
    journal.close()
    journal.close()

    with pytest.raises(JournalError, match="Bad file descriptor"):
        journal.write(End("done", "", {}, []))


def test_a_look_has_every_node_as_it_was_seen(journal):
    journal.write(Look({"192.0.2.10": "web1"}, {"web1": SeenNode(True, "MASTER", 1, 12, False)}))

    assert records(journal)[-1]["nodes"]["web1"] == {
        "observed": True,
        "role": "MASTER",
        "weight": 1,
        "sessions": 12,
        "drained": False,
    }
