"""`selfbalance report`: a journal in, a page out, mistakes in one line."""

from __future__ import annotations

import journals
import pytest
from click.testing import CliRunner

from selfbalance.cli import main


@pytest.fixture
def journal(tmp_path):
    return journals.done().into(tmp_path / "upgrade-1.jsonl")


def run(*words):
    return CliRunner().invoke(main, ["report", *map(str, words)])


def test_the_page_lies_beside_the_journal(journal, tmp_path):
    said = run(journal)

    assert (said.exit_code, said.output) == (0, f"{tmp_path}/upgrade-1.html\n")
    assert "keepalived -&gt; 2.3.3" in (tmp_path / "upgrade-1.html").read_text(encoding="utf-8")


def test_the_page_goes_where_it_is_sent(journal, tmp_path):
    said = run(journal, "--output", tmp_path / "page.html")

    assert (said.exit_code, said.output) == (0, f"{tmp_path}/page.html\n")
    assert not (tmp_path / "upgrade-1.html").exists()


def test_a_second_page_takes_the_place_of_the_first(journal, tmp_path):
    (tmp_path / "upgrade-1.html").write_text("old")

    assert run(journal).exit_code == 0
    assert (tmp_path / "upgrade-1.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_journal_is_never_written_over(journal, tmp_path):
    whole = journal.read_bytes()
    strange = journal.rename(tmp_path / "journal.html")

    for words in ([strange], [strange, "--output", strange]):
        said = run(*words)
        assert said.exit_code == 1
        assert said.output.startswith(f"Error: {strange} is the journal itself")
    assert strange.read_bytes() == whole


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["gone.jsonl"], "gone.jsonl: No such file or directory"),
        (["torn.jsonl"], "torn.jsonl is no journal: its first record is not that of a run"),
        (["upgrade-1.jsonl", "--output", "gone/a.html"], "gone/a.html: No such file or directory"),
        (["."], ".: Is a directory"),
    ],
)
def test_a_mistake_is_one_line(journal, tmp_path, monkeypatch, words, line):
    (tmp_path / "torn.jsonl").write_text('{"kind": "ru')
    monkeypatch.chdir(tmp_path)

    said = run(*words)

    assert (said.exit_code, said.output) == (1, f"Error: {line}\n")


def test_it_is_listed():
    assert "A run's journal as one HTML page." in CliRunner().invoke(main, ["--help"]).output
