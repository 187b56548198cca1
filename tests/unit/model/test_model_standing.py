"""Priorities: distinct whatever each node does, in VRRP's range, stable when a node joins."""

from __future__ import annotations

from itertools import pairwise

import pytest
from clusters import clusters, steady
from hypothesis import given
from hypothesis import strategies as st

from selfbalance.model.standing import MAX_NODES, Standing, demotion, priority

NODES = range(MAX_NODES)
ALL = [(index, standing) for index in NODES for standing in Standing]


def test_sixteen_nodes_have_48_priorities():
    assert MAX_NODES == 16
    assert len({priority(*each) for each in ALL}) == 16 * 3


@pytest.mark.parametrize(("index", "standing"), ALL)
def test_every_priority_is_one_that_a_node_may_have(index, standing):
    # 0 is a node that stops, 255 the owner of the address (RFC 5798, section 5.2.4).
    assert 1 <= priority(index, standing) <= 254
    # keepalived takes what a track_file says only within -254 to 254 (keepalived.conf(5)).
    assert 0 <= demotion(index, standing) <= 253
    assert priority(index) - demotion(index, standing) == priority(index, standing)


def test_a_17th_node_has_no_priority_of_its_own():
    with pytest.raises(IndexError):
        priority(MAX_NODES)


@pytest.mark.parametrize("standing", Standing)
def test_a_node_that_was_described_earlier_stands_before_the_later_ones(standing):
    assert all(
        priority(first, standing) > priority(second, standing) for first, second in pairwise(NODES)
    )


@pytest.mark.parametrize(
    ("better", "worse"),
    [(Standing.SERVING, Standing.FRESH), (Standing.FRESH, Standing.LEAVING)],
)
def test_the_last_node_of_a_tier_stands_before_the_first_of_the_next(better, worse):
    assert priority(MAX_NODES - 1, better) > priority(0, worse)


def test_a_node_that_serves_has_its_base_priority():
    assert [demotion(index, Standing.SERVING) for index in NODES] == [0] * MAX_NODES
    assert [priority(index) for index in NODES] == [priority(i, Standing.SERVING) for i in NODES]


def test_the_first_of_those_that_wait_are_far_apart():
    """Two that take over in one moment hang keepalived (docs/decisions/0008)."""
    waiting = [priority(index, Standing.FRESH) for index in range(3)]

    assert all(first - second >= 70 for first, second in pairwise(waiting))


@given(st.lists(st.sampled_from(Standing), min_size=1, max_size=MAX_NODES))
@steady(100)
def test_whatever_each_node_is_doing_one_is_first_and_it_is_of_the_best_tier(doing):
    priorities = [priority(index, standing) for index, standing in enumerate(doing)]
    first = doing[priorities.index(max(priorities))]

    assert len(set(priorities)) == len(doing)
    assert list(Standing).index(first) == min(list(Standing).index(each) for each in doing)


@given(clusters())
@steady(10)
def test_a_node_added_at_the_end_changes_nobody_elses_priority(cluster):
    fewer = cluster.model_copy(update={"nodes": cluster.nodes[:-1]})

    for node in fewer.nodes:
        if not node.director:
            continue  # It has no part in VRRP.
        assert fewer.priority_of(node) == cluster.priority_of(node)
        for standing in Standing:
            assert fewer.demotion_of(node, standing) == cluster.demotion_of(node, standing)
    assert len({cluster.priority_of(node) for node in cluster.nodes}) == len(cluster.nodes)
