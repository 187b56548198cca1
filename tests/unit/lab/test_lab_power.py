"""Which nodes have power: told by their processes, without asking the nodes."""

from types import SimpleNamespace

import pytest

from selfbalance.lab import LabError
from selfbalance.lab import lab as module
from selfbalance.lab.lab import Lab
from selfbalance.lab.model import nodes
from selfbalance.lab.state import LabState, StateFolder


def test_a_node_has_power_as_long_as_its_process_lives(monkeypatch):
    processes = {"web1": SimpleNamespace(alive=True), "web2": SimpleNamespace(alive=False)}
    monkeypatch.setattr(module, "recorded", lambda path: processes.get(path.stem))
    state = LabState("lab", "trixie", "eth0", "tap", 512, "/image", False, nodes(3))
    assert Lab(StateFolder("lab"), state).powered() == ("web1",)


def test_a_node_of_a_lab_that_was_taken_down_is_not_asked_and_its_connection_not_closed(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    state = LabState("gone", "trixie", "eth0", "tap", 512, "/image", False, nodes(3))
    lab = Lab(StateFolder("gone"), state)
    lab.power_off("web1")
    with pytest.raises(LabError, match=r"is not running\. Next: selfbalance lab up --name gone"):
        lab.run("web1", "true")
