"""What follows from facts of nodes: weights, and a record of them on every node; else nothing."""

from __future__ import annotations

from types import ModuleType

import pytest
from described_twice import cluster
from made import CASES, V4, made

from selfbalance.desired import DesiredNode, depends_on_facts, desire, places
from selfbalance.errors import PluginError
from selfbalance.plugins import Facts, Plugins, Scheduler, hook

WEIGHED = cluster(V4, ("services.0.scheduler", "mine"), ("services.1.scheduler", "mh"))
FACTS = {
    f"web{n}": Facts(cores=n, memory_bytes=n * 2**30, mac=f"02:5b:00:00:00:0{n}") for n in (1, 2, 3)
}


def by_cores(node, facts):
    """The node's cores, but 9 for web3."""
    return 9 if node.name == "web3" else facts.cores


def plugins(**scheduler: object) -> Plugins:
    """Plugins whose module `site_a` has a scheduler `mine`."""
    site = ModuleType("site_a")
    thing = Scheduler("wrr", "mine", **scheduler)
    site.register_schedulers = hook(lambda register: register("mine", thing))
    return Plugins((site,))


OBSERVING = plugins(weigh_observed=by_cores)


def record(node: DesiredNode) -> list[str]:
    """The lines of the record that a node has, without comments."""
    (file,) = (file for file in node.files if file.path == places.FACTS)
    assert file.mode == 0o644
    return [line for line in file.content.splitlines() if not line.startswith("#")]


def test_weights_follow_from_facts_on_every_node_alike():
    nodes = desire(WEIGHED, OBSERVING, {}, FACTS).values()

    for node in nodes:
        assert [list(service.weights.values()) for service in node.services] == [
            [1, 2, 9],
            [1, 1, 1],
        ]
        assert "weight 9" in node.config.content
    assert len(nodes) == 3


def test_a_node_that_only_serves_is_weighed_and_has_the_record_too():
    far = {"name": "web3", "address": "198.51.100.13", "director": False}
    described = cluster(
        V4, ("nodes.2", far), ("forwarding", "tun"), ("services.0.scheduler", "mine")
    )
    nodes = desire(described, OBSERVING, {}, FACTS)

    assert list(nodes["web1"].services[0].weights.values()) == [1, 2, 9]
    assert record(nodes["web3"]) == record(nodes["web1"])


def test_every_node_has_the_record_of_all():
    for node in desire(WEIGHED, OBSERVING, {}, FACTS).values():
        assert record(node) == [
            "web1 1 1073741824 02:5b:00:00:00:01",
            "web2 2 2147483648 02:5b:00:00:00:02",
            "web3 3 3221225472 02:5b:00:00:00:03",
        ]


def test_as_long_as_nobody_looked_weights_are_1_and_the_record_is_empty():
    node = desire(WEIGHED, OBSERVING, {})["web1"]

    assert set(node.services[0].weights.values()) == {1}
    assert record(node) == []


def test_facts_change_no_other_file():
    before, after = (
        {file.path: file.content for file in desire(WEIGHED, OBSERVING, {}, facts)["web2"].files}
        for facts in (None, FACTS)
    )

    assert [path for path in before if before[path] != after[path]] == [places.FACTS]


@pytest.mark.parametrize("case", CASES)
def test_where_no_scheduler_asks_there_is_no_record_and_facts_change_nothing(case):
    assert not depends_on_facts(CASES[case], Plugins())
    for node in made(CASES[case]).values():
        assert places.FACTS not in {file.path for file in node.all_files}


def test_a_scheduler_that_is_registered_but_not_used_asks_nothing():
    assert not depends_on_facts(CASES["three nodes"], OBSERVING)
    assert depends_on_facts(WEIGHED, OBSERVING)
    assert not depends_on_facts(WEIGHED, plugins())


def test_weigh_observed_counts_more_than_weigh():
    both = plugins(weigh=lambda _node: 7, weigh_observed=by_cores)

    assert set(desire(WEIGHED, both, {})["web1"].services[0].weights.values()) == {1}
    weights = desire(WEIGHED, both, {}, FACTS)["web1"].services[0].weights
    assert list(weights.values()) == [1, 2, 9]


def refused(weigh: object) -> str:
    with pytest.raises(PluginError) as caught:
        desire(WEIGHED, plugins(weigh_observed=weigh), {}, FACTS)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    return said


@pytest.mark.parametrize("weight", [0, -1, 65536, 1.0, "2", True, None])
def test_a_wrong_weight_says_what_a_weight_is(weight):
    assert refused(lambda _node, _facts: weight) == (
        f"plugin site_a: scheduler 'mine' gives web1 the weight {weight!r}; "
        "a weight is a whole number from 1 to 65535"
    )


@pytest.mark.parametrize(
    ("weigh", "said"),
    [
        (lambda _node, facts: facts.sockets, "AttributeError: 'Facts' object has no attribute"),
        (lambda _node: 1, "TypeError: "),
        ("wrr", "TypeError: 'str' object is not callable"),
        (lambda _node, _facts: int("a\nb"), "ValueError: invalid literal for int()"),
    ],
)
def test_what_a_plugin_raises_names_plugin_scheduler_and_node(weigh, said):
    assert refused(weigh).startswith(f"plugin site_a: scheduler 'mine' cannot weigh web1: {said}")


@pytest.mark.parametrize(
    ("consistent", "sloppy"), [((True, True), "1"), ((True, False), "1"), ((False, False), "0")]
)
def test_sloppy_tcp_follows_from_whether_directors_choose_alike(consistent, sloppy):
    site = ModuleType("site_a")
    one, two = (Scheduler("wrr", "", consistent=each) for each in consistent)
    site.register_schedulers = hook(
        lambda register: (register("one", one), register("two", two))  # type: ignore[func-returns-value]
    )
    described = cluster(V4, ("services.0.scheduler", "one"), ("services.1.scheduler", "two"))

    node = desire(described, Plugins((site,)), {})["web1"]

    assert node.sysctls["net.ipv4.vs.sloppy_tcp"] == sloppy


def test_a_plugins_own_sloppy_tcp_counts_more():
    own = {"net.ipv4.vs.sloppy_tcp": "1"}

    node = desire(WEIGHED, plugins(sysctls=own, consistent=False), {})["web1"]

    assert node.sysctls["net.ipv4.vs.sloppy_tcp"] == "1"
