"""The mark of an upgrade: what is written is read again, and nothing else is taken for one."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace

import pytest
from clusters import steady
from hypothesis import given
from hypothesis import strategies as st
from printed import with_section
from recordings import RECORDED

from selfbalance.observed import NodeState, Stage, UpgradeMark, parse
from selfbalance.observed.upgrades import read_upgrade

MARK = UpgradeMark(
    run="0123456789ab",
    by="ops@bastion",
    since=1_795_383_000,
    component="keepalived",
    stage=Stage.IN_PROGRESS,
    before={"keepalived": "1:2.2.7-1+b2"},
    target={"keepalived": "1:2.3.3-1"},
    boot="00000000-0000-4000-8000-000000000001",
    drained=True,
)
ROW = json.loads(MARK.line())


def seen(*lines: str) -> NodeState:
    state = parse("web1", with_section(RECORDED["web1"], "upgrade", lines))
    assert state.unknown.keys() <= {"upgrade"}
    return state


@pytest.mark.parametrize("stage", Stage)
def test_what_is_written_is_read_again(stage):
    mark = replace(MARK, stage=stage)

    assert seen(mark.line()).upgrade == mark


WORDS = st.text(max_size=20)
VERSIONS = st.dictionaries(WORDS, WORDS, max_size=3)


@given(
    st.builds(
        UpgradeMark,
        run=WORDS,
        by=WORDS,
        since=st.integers(),
        component=WORDS,
        stage=st.sampled_from(Stage),
        before=VERSIONS,
        target=VERSIONS,
        boot=WORDS,
        drained=st.booleans(),
        named=st.booleans(),
    )
)
@steady(100)
def test_any_mark_is_one_line_of_plain_letters_and_is_read_again(mark):
    line = mark.line()

    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert read_upgrade([line]) == {"upgrade": mark}


def test_without_a_line_there_is_no_upgrade():
    assert seen().upgrade is None
    assert seen().unknown == {}


def without(key: str) -> str:
    return json.dumps({name: value for name, value in ROW.items() if name != key})


NEEDED = [each.name for each in fields(UpgradeMark) if each.name not in {"drained", "named"}]


@pytest.mark.parametrize("key", NEEDED)
def test_a_mark_that_lacks_something_is_not_known(key):
    state = seen(without(key))

    assert state.upgrade is None
    assert key in state.unknown["upgrade"]


@pytest.mark.parametrize("key", ["drained", "named"])
def test_what_is_said_only_where_it_is_so_may_be_left_out(key):
    assert seen(without(key)).upgrade == replace(MARK, **{key: False})


WRONG = {
    "run": [5, None],
    "by": [5, None, ["ops"]],
    "since": ["today", None, 1.5, True],
    "component": [5, None, ["keepalived"]],
    "stage": ["done?", None, 1, {}],
    "before": [None, [], "keepalived", {"keepalived": 1}, {"keepalived": None}],
    "target": [None, [], "keepalived", {"keepalived": ["1"]}],
    "boot": [None, 5],
    "drained": ["yes", None, 1],
    "named": ["yes", None, 0],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG.items() for value in values]
)
def test_a_mark_with_something_of_another_type_is_not_known(key, value):
    """What is in it is written into commands and compared with versions."""
    state = seen(json.dumps({**ROW, key: value}))

    assert state.upgrade is None
    assert state.unknown["upgrade"]


def test_every_field_has_its_wrong_types():
    assert WRONG.keys() == asdict(MARK).keys()


def test_a_mark_of_a_later_version_that_says_more_is_not_known():
    assert "more" in seen(json.dumps({**ROW, "more": 1})).unknown["upgrade"]


def test_what_is_upgraded_and_what_goes_on_with_it():
    named = replace(MARK, component="packages", named=True, target={"nginx": "2", "openssl": "3"})

    assert MARK.words == "keepalived"
    assert MARK.command == "upgrade.py --data component=keepalived"
    assert named.words == "nginx openssl"
    assert named.command == ("upgrade.py --data component=packages --data packages=nginx,openssl")
