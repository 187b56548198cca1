"""plugins/capacity.py: the example of a scheduler that weighs by what was observed."""

from __future__ import annotations

from pathlib import Path

import pytest
from described_twice import cluster

from selfbalance.deployment import deployment
from selfbalance.desired import desire
from selfbalance.loading import DISABLED, FOLDER, plugins_from_outside
from selfbalance.plugins import Facts, Plugins

REPOSITORY = Path(__file__).parents[3]
GIB = 2**30
MAC = "02:5b:00:00:00:0b"


@pytest.fixture
def plugins(monkeypatch) -> Plugins:
    """All plugins that an inventory of this repository has."""
    for name in (FOLDER, DISABLED):
        monkeypatch.delenv(name, raising=False)
    return Plugins(plugins_from_outside(REPOSITORY / "inventories"))


def test_it_is_short():
    assert len((REPOSITORY / "plugins" / "capacity.py").read_text().splitlines()) <= 25


def test_it_is_loaded_as_a_drop_in(plugins):
    assert plugins.schedulers.plugin_of("capacity") == "capacity"
    assert plugins.schedulers["capacity"].kernel == "wrr"


@pytest.mark.parametrize(
    ("cores", "memory_gib", "weight"),
    [(1, 0.35, 1), (2, 2, 2), (4, 3.8, 4), (4, 2, 2), (2, 64, 2), (64, 251.5, 64), (8, 0.1, 1)],
)
def test_a_weight_is_the_cores_bounded_by_the_memory(plugins, cores, memory_gib, weight):
    described = cluster(
        ("nodes", [{"name": "web1", "address": "192.0.2.11"}]),
        ("vips", [{"address": "192.0.2.10"}]),
        ("services.0.scheduler", "capacity"),
    )
    facts = {"web1": Facts(cores, int(memory_gib * GIB), MAC)}

    node = desire(described, plugins, {}, facts)["web1"]

    assert list(node.services[0].weights.values()) == [weight]


def test_a_description_may_name_it_without_anything_else():
    described = cluster(("services.0.scheduler", "capacity"))

    ready = deployment(described, "prod.py", REPOSITORY / "inventories")

    assert "ip_vs_wrr" in ready.desired["web1"].modules
