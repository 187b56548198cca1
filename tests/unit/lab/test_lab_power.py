"""Which nodes have power: told by their processes, without asking the nodes."""

from types import SimpleNamespace

from selfbalance.lab import lab as module
from selfbalance.lab.lab import Lab
from selfbalance.lab.model import nodes
from selfbalance.lab.state import LabState, StateFolder


def test_a_node_has_power_as_long_as_its_process_lives(monkeypatch):
    processes = {"web1": SimpleNamespace(alive=True), "web2": SimpleNamespace(alive=False)}
    monkeypatch.setattr(module, "recorded", lambda path: processes.get(path.stem))
    state = LabState("lab", "trixie", "eth0", "tap", 512, "/image", False, nodes(3))
    assert Lab(StateFolder("lab"), state).powered() == ("web1",)
