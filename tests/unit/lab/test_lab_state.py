"""What a lab remembers, and what it makes of a file that it did not write."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from selfbalance.lab import Lab, lab, model
from selfbalance.lab.errors import LabError
from selfbalance.lab.state import LabState, StateFolder, exclusive

STATE = LabState(
    name="lab",
    suite="bookworm",
    interface="bond0",
    transport="tap",
    memory_mb=384,
    image="/image",
    user_namespace=False,
    nodes=model.nodes(2),
)


@pytest.fixture(autouse=True)
def state_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def test_what_was_written_is_read_back():
    assert LabState.from_json(STATE.to_json()) == STATE
    assert LabState.from_json(STATE.completed().to_json()) == replace(STATE, complete=True)


def test_far_nodes_are_read_back():
    routed = replace(STATE, nodes=model.nodes(2, far=1))
    assert LabState.from_json(routed.to_json()) == routed
    assert (routed.routed, STATE.routed) == (True, False)


def test_another_versions_state_is_refused():
    text = json.dumps({**json.loads(STATE.to_json()), "version": 99})
    with pytest.raises(LabError, match="another version"):
        LabState.from_json(text)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 1}', '"x"'])
def test_half_a_state_is_refused(text):
    with pytest.raises(LabError, match="cannot be read"):
        LabState.from_json(text)


def test_the_folder_follows_xdg(state_home, monkeypatch):
    assert StateFolder("lab").path == state_home / "selfbalance/lab/lab"
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    assert StateFolder("lab").path == Path.home() / ".local/state/selfbalance/lab/lab"


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "x" * 33, "lab.lock", "-x"])
def test_a_name_that_is_no_folder_is_refused(name):
    with pytest.raises(LabError, match="no name for a lab"):
        StateFolder(name)


def test_two_that_change_one_lab_do_not_meet():
    with (
        StateFolder("lab").locked(),
        pytest.raises(LabError, match="at work on it"),
        StateFolder("lab").locked(),
    ):
        pass
    with StateFolder("lab").locked():
        pass


def test_a_lock_is_free_when_its_holder_has_ended(tmp_path):
    with exclusive(tmp_path / "lock", wait=False) as mine:
        assert mine
        with exclusive(tmp_path / "lock", wait=False) as second:
            assert not second


def _leave(folder, state, holder=""):
    folder.path.mkdir(parents=True)
    folder.write(state)
    if holder:
        folder.record("holder").write_text(holder)


@pytest.mark.parametrize("complete", [True, False])
def test_what_a_dead_holder_left_is_cleaned_with_a_line(complete):
    folder = StateFolder("lab")
    _leave(folder, replace(STATE, complete=complete), "boot 1 (sleep) S " + "1 " * 30)
    said = []
    lab._make_room(folder, False, said.append)
    assert not folder.path.exists()
    assert said == ["Lab 'lab' did not end well the last time; cleaning up what it left"]


def test_an_unreadable_state_is_cleaned_too():
    folder = StateFolder("lab")
    folder.path.mkdir(parents=True)
    folder.description.write_text("{")
    lab._make_room(folder, False, lambda line: None)
    assert not folder.path.exists()


def test_nothing_left_says_nothing():
    lab._make_room(StateFolder("lab"), False, pytest.fail)


def test_a_lab_that_is_not_up_names_the_next_command():
    with pytest.raises(LabError, match=r"Next: selfbalance lab up --name other"):
        Lab.running("other")
    _leave(StateFolder("lab"), STATE.completed())
    with pytest.raises(LabError, match=r"Next: selfbalance lab up$"):
        Lab.running("lab")
