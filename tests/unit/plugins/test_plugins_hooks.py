"""Every hook has a test here that really uses it: it fails where nobody calls the hook."""

from __future__ import annotations

from types import ModuleType

import pytest
from described_twice import cluster

from selfbalance.desired import desire
from selfbalance.errors import DescriptionError
from selfbalance.gates import View, judge
from selfbalance.observed import ClusterState
from selfbalance.plugins import (
    Component,
    ForwardingMethod,
    Plugins,
    Scheduler,
    SnapshotStore,
    StandbyMode,
    Verdict,
    hook,
    spec,
)

HOOKS = [name for name, thing in vars(spec).items() if hasattr(thing, "selfbalance_spec")]


def site(hook_name: str, thing: object) -> Plugins:
    """The plugins of a site whose one plugin registers one thing, `mine`."""
    module = ModuleType("site_a")
    setattr(module, hook_name, hook(specname=hook_name)(lambda register: register("mine", thing)))
    return Plugins((module,))


def test_register_schedulers():
    plugins = site("register_schedulers", Scheduler("wrr", "two each", weigh=lambda node: 2))
    described = cluster(("services.0.scheduler", "mine"))

    service = desire(described, plugins, {})["web1"].services[0]

    assert (service.scheduler, set(service.weights.values())) == ("wrr", {2})


def test_register_forwarding_methods():
    plugins = site("register_forwarding_methods", ForwardingMethod("TUN", "tunl0", "tunnels"))

    node = desire(cluster(("forwarding", "mine")), plugins, {})["web1"]

    assert node.vip_interface == "tunl0"
    assert "lvs_method TUN" in node.config.content


def test_register_standby_modes():
    mode = StandbyMode("for one node", sync_daemon=False, objection=lambda cluster: "too many")
    plugins = site("register_standby_modes", mode)
    described = cluster(("standby", "mine"))

    assert not desire(described, plugins, {})["web1"].sync_daemon
    with pytest.raises(DescriptionError, match="standby 'mine': too many"):
        plugins.check(described, "prod.toml")


def test_register_snapshot_stores():
    plugins = site("register_snapshot_stores", SnapshotStore("nowhere", "cat", "false"))

    plugins.check(cluster(("snapshots", "mine")), "prod.toml")

    assert plugins.snapshot_stores["mine"].on_node


def test_register_components():
    plugins = site("register_components", Component("a cache", ("varnish",), ("varnish.service",)))

    node = desire(cluster(), plugins, {})["web1"]

    assert "varnish" in node.packages
    assert "varnish.service" in node.units


def test_register_gates():
    plugins = site("register_gates", lambda view: Verdict(f"{len(view.desired)} nodes"))
    described = cluster()

    verdicts = judge(View(described, desire(described, plugins, {}), ClusterState(())), plugins)

    assert verdicts["mine"] == Verdict("3 nodes")


@pytest.mark.parametrize("hook_name", HOOKS)
def test_every_hook_has_a_test_that_fails_where_nobody_calls_it(hook_name, monkeypatch):
    test = globals().get(f"test_{hook_name}")
    assert test, f"write test_{hook_name} into this file: use the hook, look at what comes of it"
    heard = Plugins._implementations

    def deaf(self, module, name):
        return (
            iter(())
            if name == hook_name and module.__name__ == "site_a"
            else heard(self, module, name)
        )

    monkeypatch.setattr(Plugins, "_implementations", deaf)

    with pytest.raises((AssertionError, DescriptionError, KeyError, pytest.fail.Exception)):
        test()
