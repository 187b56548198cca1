"""What the suites try things in: descriptions that may be left out, and looks that are as told."""

from __future__ import annotations

import pytest

from selfbalance.deployment import every_plugin
from selfbalance.errors import DescriptionError
from selfbalance.gates import View, judge
from selfbalance.testing.examples import EXAMPLES, described, served
from selfbalance.testing.views import SECTIONS_WITH_VOLUMES, nasty_views

PLUGINS = every_plugin()
ONE = {"nodes": [{"name": "web1", "address": "192.0.2.11", "address6": "2001:db8:5b::11"}]}


def problems(view: View) -> dict[str, list[str]]:
    found = {gate: [p.what for p in said.problems] for gate, said in judge(view, PLUGINS).items()}
    return {gate: some for gate, some in found.items() if some}


def test_an_example_that_could_not_work_is_left_out():
    assert described({}).keys() == EXAMPLES.keys()
    assert EXAMPLES.keys() - described(ONE).keys() == {"a volume"}
    assert served(PLUGINS, ONE).keys() == described(ONE).keys()


def test_where_none_could_work_the_last_refusal_is_said():
    with pytest.raises(DescriptionError, match=r"no example can be served; the last: .*nodes is e"):
        described({"nodes": []})
    with pytest.raises(DescriptionError, match=r"no example can be served; the last: .*nosuch"):
        served(PLUGINS, {"forwarding": "nosuch"})


def test_an_example_shares_a_volume_and_a_node_of_it_has_no_copy():
    sharing = [each for each in described({}).values() if each.volumes]

    assert sharing
    for cluster in sharing:
        assert len(cluster.holders_of(cluster.volumes[0])) < len(cluster.nodes)


VIEWS = dict(nasty_views(described({})["a volume"], PLUGINS))
PLAIN = dict(nasty_views(described({})["three nodes"], PLUGINS))


def test_what_is_as_described_has_nothing_wrong_with_its_volumes():
    said = judge(VIEWS["all as described"], PLUGINS)

    assert said["volumes"].problems == said["volumes"].notes == ()
    assert said["volumes"].seen == "shared has 3 copies, healed, mounted on 4 nodes"
    assert said["nodes"].good
    assert said["drift"].good


def test_the_looks_without_a_volume_say_nothing_of_one():
    assert not [view for view in PLAIN.values() if "volumes" in judge(view, PLUGINS)]
    assert PLAIN.keys() < VIEWS.keys()


@pytest.mark.parametrize(
    "what",
    [
        *sorted(VIEWS.keys() - PLAIN.keys()),
        *(f"{field} empty" for field in ("gluster_peers", "volumes", "copies")),
        *(f"{field} empty on MASTER" for field in ("gluster_peers", "volumes", "copies")),
        "nobody observed",
        "nothing known",
        "blank nodes",
    ],
)
def test_each_odd_look_at_volumes_closes_a_gate(what):
    assert {"nodes", "volumes"} & problems(VIEWS[what]).keys()


@pytest.mark.parametrize("section", SECTIONS_WITH_VOLUMES)
def test_every_section_is_left_unknown_once(section):
    assert f"{section} unknown" in VIEWS
    assert f"{section} unknown of MASTER" in VIEWS
