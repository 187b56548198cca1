"""Plugins enter by one door; whoever is wrong is named, in one line, with what would be right."""

from __future__ import annotations

import pytest
from described_twice import cluster
from modules import from_file, from_source

from selfbalance import snapshots
from selfbalance.desired import desire
from selfbalance.errors import DescriptionError, PluginError
from selfbalance.plugins import Plugins
from selfbalance.plugins.manager import BUILT_IN
from selfbalance.plugins.registry import Registry
from selfbalance.plugins.things import Component, Scheduler

KINDS = [
    # hook, kind, what it should be
    ("register_schedulers", "scheduler", "a Scheduler"),
    ("register_forwarding_methods", "forwarding method", "a ForwardingMethod"),
    ("register_standby_modes", "standby mode", "a StandbyMode"),
    ("register_snapshot_stores", "snapshot store", "a SnapshotStore or a ControllerStore"),
    ("register_components", "component", "a Component"),
    ("register_gates", "gate", "a function"),
]


def refused(*modules: object) -> str:
    with pytest.raises(PluginError) as caught:
        Plugins(modules)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    return said


@pytest.mark.parametrize(("hook", "kind", "wanted"), KINDS)
@pytest.mark.parametrize("wrong", ["'a word'", "5", "None", "{'kernel': 'wrr'}"])
def test_a_thing_of_the_wrong_type_says_what_it_should_be(hook, kind, wanted, wrong):
    site = from_source("site_a", f"@hook\ndef {hook}(register): register('mine', {wrong})")

    said = refused(site)

    kind_of_wrong = type(eval(wrong)).__name__
    assert said == f"plugin site_a: {kind} 'mine' is a {kind_of_wrong}; it should be {wanted}"


TWINS = [
    ("register_schedulers", "scheduler", "mh", "Scheduler('mh', '')", "kernel_schedulers"),
    (
        "register_forwarding_methods",
        "forwarding method",
        "dr",
        "ForwardingMethod('DR', 'lo', '')",
        "dr",
    ),
    (
        "register_standby_modes",
        "standby mode",
        "backup-only",
        "StandbyMode('', True)",
        "backup_only",
    ),
    ("register_snapshot_stores", "snapshot store", "local", "SnapshotStore('', '', '')", "folders"),
    ("register_components", "component", "keepalived", "Component('', (), ())", "keepalived"),
]


@pytest.mark.parametrize(("hook", "kind", "name", "thing", "built_in"), TWINS)
def test_a_built_in_name_that_is_taken_names_both_plugins(hook, kind, name, thing, built_in):
    site = from_source("site_a", f"@hook\ndef {hook}(register): register({name!r}, {thing})")

    assert refused(site) == (
        f"plugin selfbalance.plugins.builtin.{built_in}: {kind} '{name}' is already registered "
        "by plugin site_a; choose another name"
    )


def test_two_plugins_of_a_site_that_use_one_name_are_both_named():
    source = "@hook\ndef register_gates(register): register('mine', print)"

    said = refused(from_source("site_a", source), from_source("site_b", source))

    assert said == (
        "plugin site_b: gate 'mine' is already registered by plugin site_a; choose another name"
    )


def test_one_plugin_that_uses_a_name_twice_is_named():
    twice = "register('mine', print); register('mine', print)"

    said = refused(from_source("site_a", f"@hook\ndef register_gates(register): {twice}"))

    assert said.startswith("plugin site_a: gate 'mine' is already registered by plugin site_a")


def test_a_plugin_of_a_name_that_is_loaded_is_refused():
    said = refused(from_source("site_a", ""), from_source("site_a", ""))

    assert said == "plugin site_a: a plugin of this name is loaded; rename the file"


HOOKS = [
    (
        "@hook\ndef register_schedlers(register): pass",
        "unknown hook 'register_schedlers'",
        "known are: register_schedulers, register_forwarding_methods",
    ),
    (
        "@hook\ndef register_schedulers(register, cluster): pass",
        "hook 'register_schedulers'",
        "Argument(s) {'cluster'} are declared in the hookimpl but can not be found",
    ),
    (
        "@hook\ndef register_gates(enter): pass",
        "hook 'register_gates'",
        "Argument(s) {'enter'} are declared",
    ),
    (
        "def register_gates(register): pass",
        "register_gates is not marked",
        "write @hook",
    ),
]


@pytest.mark.parametrize(("source", "wrong", "right"), HOOKS)
def test_a_wrong_hook_names_the_plugin_and_the_hook(source, wrong, right):
    said = refused(from_source("site_a", source))

    assert said.startswith("plugin site_a: ")
    assert wrong in said
    assert right in said


def test_a_hook_may_leave_its_argument_out_and_have_its_own_name():
    site = from_source(
        "site_a",
        "called = []\n"
        "@hook\ndef register_gates(): called.append('gates')\n"
        "@hook(specname='register_schedulers')\n"
        "def mine(register): register('mine', Scheduler('rr', 'mine'))",
    )

    plugins = Plugins((site,))

    assert site.called == ["gates"]
    assert plugins.schedulers["mine"] == Scheduler("rr", "mine")
    assert plugins.schedulers.plugin_of("mine") == "site_a"


def test_an_error_inside_of_a_plugin_is_left_as_it_is():
    site = from_source("site_a", "@hook\ndef register_gates(register): register['mine']")

    with pytest.raises(TypeError):
        Plugins((site,))


def test_built_ins_come_last_and_in_order():
    plugins = Plugins((from_file("twos"),))

    assert list(plugins.schedulers)[:2] == ["twos", "rr"]
    assert list(plugins.gates) == ["never"]
    assert plugins.schedulers.plugin_of("twos") == "twos"
    assert plugins.schedulers.plugin_of("mh") == "selfbalance.plugins.builtin.kernel_schedulers"
    assert len(BUILT_IN) == 11


def test_two_managers_share_nothing():
    Plugins((from_file("twos"),))

    assert "twos" not in list(Plugins().schedulers)


def test_a_plugin_of_a_file_decides_weights_and_sysctls():
    plugins = Plugins((from_file("twos"),))
    described = cluster(("services.0.scheduler", "twos"), ("vips", [{"address": "192.0.2.10"}]))

    plugins.check(described, "prod.toml")
    web2 = desire(described, plugins, {})["web2"]

    assert list(web2.services[0].weights.values()) == [2, 1, 1]
    assert web2.services[0].scheduler == "wrr"
    assert "ip_vs_wrr" in web2.modules
    assert web2.sysctls["net.ipv4.vs.twos"] == "2"


@pytest.mark.parametrize("weight", [0, -1, 65536, 1.5, "2", True, None])
def test_a_plugin_that_weighs_wrongly_is_told_what_a_weight_is(weight):
    site = from_source(
        "site_a",
        "@hook\ndef register_schedulers(register):\n"
        f"    register('odd', Scheduler('wrr', 'odd', weigh=lambda node: {weight!r}))",
    )
    described = cluster(("services.0.scheduler", "odd"))

    with pytest.raises(PluginError) as caught:
        desire(described, Plugins((site,)), {})

    assert str(caught.value) == (
        f"plugin site_a: scheduler 'odd' gives web1 the weight {weight!r}; "
        "a weight is a whole number from 1 to 65535"
    )


def test_a_plugin_that_fails_to_weigh_is_named_with_the_node():
    site = from_source(
        "site_a",
        "@hook\ndef register_schedulers(register):\n"
        "    register('odd', Scheduler('wrr', 'odd', weigh=lambda node: node.cores))",
    )

    with pytest.raises(PluginError) as caught:
        desire(cluster(("services.0.scheduler", "odd")), Plugins((site,)), {})

    said = str(caught.value)
    assert said.startswith("plugin site_a: scheduler 'odd' cannot weigh web1: AttributeError: ")
    assert len(said.splitlines()) == 1


KERNEL = "rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf"
UNKNOWN = [
    (
        [("services.1.scheduler", "mhh")],
        f"services[1].scheduler: scheduler 'mhh' is not known; known are: {KERNEL}",
    ),
    (
        [("services.1.scheduler_flags", ["mh-prt"])],
        "services[1].scheduler_flags: 'mh-prt' is no flag of scheduler 'mh'; "
        "it has: mh-port, mh-fallback",
    ),
    (
        [("services.0.scheduler", "wrr"), ("services.0.scheduler_flags", ["mh-port"])],
        "services[0].scheduler_flags: 'mh-port' is no flag of scheduler 'wrr'; it has: none",
    ),
    (
        [("forwarding", "nat")],
        "forwarding: forwarding method 'nat' is not known; known are: dr, tun, tun-gue",
    ),
    (
        [("standby", "hot")],
        "standby: standby mode 'hot' is not known; known are: backup-only, snapshot, source-mac",
    ),
    (
        [("standby", "snapshot"), ("vips.0.vrid", 7)],
        "standby 'snapshot': a node is director for all VIPs or for none, so all VIPs move "
        "together; leave vrid out of vips and set vrrp.vrid",
    ),
    (
        [("snapshots", "s3")],
        "snapshots: snapshot store 's3' is not known; known are: local, run, glusterfs",
    ),
    (
        [("vips.0.vrid", 7)],
        "standby 'backup-only': a node is director for all VIPs or for none, so all VIPs move "
        "together; leave vrid out of vips and set vrrp.vrid",
    ),
]


@pytest.mark.parametrize(("changes", "said"), UNKNOWN)
def test_a_description_that_names_what_is_not_there_lists_what_is(changes, said):
    with pytest.raises(DescriptionError) as caught:
        Plugins().check(cluster(*changes), "prod.toml")

    assert str(caught.value) == f"prod.toml: {said}"


def test_a_store_out_of_a_nodes_reach_serves_no_mode_that_restores_on_the_node():
    plugins = Plugins((snapshots,))

    plugins.check(cluster(("snapshots", "controller")), "prod.toml")
    with pytest.raises(DescriptionError) as caught:
        plugins.check(cluster(("snapshots", "controller"), ("standby", "snapshot")), "prod.toml")

    assert str(caught.value) == (
        "prod.toml: snapshots: 'controller' is out of a node's own reach, but in standby "
        "'snapshot' it restores by itself; choose local"
    )


@pytest.mark.parametrize("vrid", [None, 7])
def test_backup_only_takes_one_instance_whatever_its_vrid(vrid):
    Plugins().check(cluster(("vips", [{"address": "192.0.2.10", "vrid": vrid}])), "prod.toml")


def test_a_registry_answers_by_name_only():
    registry: Registry[Component] = Registry("component", Component)
    one = Component("one", ("one",), ())
    registry.enter("a", "one", one)

    assert registry["one"] is one
    assert list(registry.items()) == [("one", one)]
    with pytest.raises(KeyError):
        registry["two"]
    with pytest.raises(KeyError):
        registry.plugin_of("two")
