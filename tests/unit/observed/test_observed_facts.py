"""Facts of nodes: read strictly, and of a node that is not seen known by the others' records."""

from __future__ import annotations

from dataclasses import replace

import pytest
from looks import MEMORY_BYTES, Look, bare, described, desired, healthy, mac
from printed import printed, with_section
from recordings import RECORDED

from selfbalance.observed import NodeState, Unobserved, facts_of, observation_script, parse
from selfbalance.observed.facts import read_cpus, read_facts, read_memory
from selfbalance.plugins import Facts

CLUSTER = described()
FACTS = {name: Facts(1, MEMORY_BYTES, mac(CLUSTER, name)) for name in healthy()}
OLD = {**FACTS, "web3": Facts(8, 2**34, mac(CLUSTER, "web3"))}
MIB = 2**20


@pytest.mark.parametrize(
    ("text", "cpus"), [("0", 1), ("0-3", 4), ("0-3,6", 5), ("0,2-3,8-15", 11), ("7", 1)]
)
def test_a_list_of_cpus_is_counted(text, cpus):
    assert read_cpus(text) == cpus


@pytest.mark.parametrize(
    ("kib", "mib"),
    [(373364, 320), (359920, 320), (1, 64), (131071, 64), (131072, 128), (8128512, 7936)],
)
def test_memory_is_counted_in_steps_so_that_a_kernels_own_share_hardly_shows(kib, mib):
    assert read_memory(f"MemTotal:         {kib} kB") == mib * MIB


def test_a_record_has_a_line_for_each_node_and_comments():
    lines = ["# Written by selfbalance", "web1 4 1073741824 02:5b:00:00:00:0b"]

    assert read_facts(lines) == {"web1": Facts(4, 2**30, "02:5b:00:00:00:0b")}
    assert read_facts([]) == {}


def test_a_real_node_tells_its_own():
    assert facts_of(Look().view.state) == FACTS
    assert Facts(*_told(parse("web2", RECORDED["web2"]))) == FACTS["web2"]


def _told(seen: NodeState) -> tuple[int, int, str]:
    return seen.cores, seen.memory_bytes, seen.mac


def recorded(**by_node: dict[str, Facts]) -> Look:
    """A look at nodes that hold these records."""
    look = Look()
    for name, record in by_node.items():
        look.change(name, recorded=record)
    return look


def test_what_a_node_tells_itself_counts_more_than_any_record():
    assert facts_of(recorded(web1=OLD, web2=OLD, web3=OLD).view.state) == FACTS


@pytest.mark.parametrize("holders", [("web1",), ("web1", "web2")])
def test_a_node_that_is_not_seen_is_known_by_the_others_records(holders):
    look = recorded(**dict.fromkeys(holders, OLD)).unobserved("web3")

    assert facts_of(look.view.state) == OLD


@pytest.mark.parametrize("section", ["facts", "links"])
def test_so_is_one_that_was_seen_but_did_not_tell(section):
    look = recorded(web1=OLD, web3=OLD).unknown("web3", section)

    assert facts_of(look.view.state) == OLD


def test_records_that_disagree_are_no_knowledge():
    look = recorded(web1=OLD, web2=FACTS).unobserved("web3")

    assert facts_of(look.view.state) == {name: FACTS[name] for name in ("web1", "web2")}


def test_a_node_neither_seen_nor_on_record_is_not_known():
    look = recorded(web1={"web1": FACTS["web1"]}).unobserved("web3")

    assert "web3" not in facts_of(look.view.state)
    assert facts_of(replace(look.view.state, nodes=(Unobserved("web1", "gone"),))) == {}


def test_a_record_is_read_back_as_it_was_printed():
    want, state = desired()["web1"], replace(bare(CLUSTER, "web1"), recorded=OLD)

    assert parse("web1", printed(state, want)) == state


def test_a_module_that_the_kernel_lacks_is_not_one_that_is_loaded():
    seen = parse("web1", with_section(RECORDED["web1"], "modules", ["ip_vs", "-ip_vs_mh"]))

    assert (seen.modules, seen.unavailable) == ({"ip_vs"}, {"ip_vs_mh"})


def test_a_node_without_modprobe_does_not_count_as_one_without_the_module():
    seen = parse("web1", with_section(RECORDED["web1"], "modules", ["!no modprobe", "-ip_vs"]))

    assert seen.unknown["modules"] == "no modprobe"
    assert seen.unavailable == frozenset()


def test_a_record_of_a_former_description_is_not_read():
    assert "/var/lib/selfbalance/facts" not in observation_script(CLUSTER, desired()["web1"])
