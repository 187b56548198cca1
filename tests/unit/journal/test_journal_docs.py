"""docs/report.md names every kind of record and every field of it, and no other."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from selfbalance.journal.records import FORMAT, KINDS, Result, SeenNode

PAGE = (Path(__file__).parents[3] / "docs" / "report.md").read_text(encoding="utf-8")
ROWS = {
    kind: (names, words)
    for kind, names, words in re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", PAGE, re.MULTILINE)
}


def test_every_kind_and_no_other_is_documented():
    assert list(ROWS) == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_and_no_other_is_documented(kind):
    documented = re.findall(r"`(\w+)`", ROWS[kind][0])

    assert set(documented) == {each.name for each in fields(KINDS[kind])}


def test_what_a_look_has_of_a_node_is_documented():
    assert {f"`{each.name}`" for each in fields(SeenNode)} <= set(re.findall(r"`\w+`", PAGE))


def test_every_result_is_documented():
    assert all(f"`{result}`" in ROWS["end"][1] for result in get_args(Result))


def test_the_format_is_the_one_that_is_documented():
    assert f"`format` ({FORMAT})" in ROWS["run"][0]
