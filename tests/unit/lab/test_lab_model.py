"""Addresses and names of a lab's nodes."""

import ipaddress
import re

import pytest

from selfbalance.lab import model
from selfbalance.lab.errors import LabError
from selfbalance.lab.image import FILES


def test_the_first_node_is_the_one_everybody_knows():
    (node,) = model.nodes(1)
    assert (node.name, node.address, node.address6) == ("web1", "192.0.2.11", "2001:db8:5b::11")
    assert node.mac == "02:5b:00:00:00:0b"


def test_sixty_nodes_share_no_address_with_anybody():
    nodes = model.nodes(60)
    others = [model.address(host) for host in (10, model.CLIENT_HOST, model.HUB_HOST)]
    for values in (
        [node.address for node in nodes] + others,
        [node.address6 for node in nodes],
        [node.mac for node in nodes],
        [node.port for node in nodes],
    ):
        assert len(set(values)) == len(values)
    assert all(len(node.port) <= 15 for node in nodes), "longer than a Linux interface's name"


def test_the_last_nodes_are_far():
    near, far = model.nodes(2, far=1)
    assert (near.far, far.far) == (False, True)
    assert (far.address, far.address6) == ("198.51.100.12", "2001:db8:5c::12")
    assert near.address == "192.0.2.11"
    assert far.mac != near.mac


@pytest.mark.parametrize("far", [-1, 3, 4])
def test_a_lab_without_a_near_node_is_refused(far):
    with pytest.raises(LabError, match=f"{far} far nodes of 3: at least one node is near"):
        model.nodes(3, far)


def test_an_ipv6_address_reads_like_its_ipv4_one():
    assert model.address6(254) == "2001:db8:5b::254"
    assert ipaddress.ip_address(model.address6(70)) in model.NETWORK6


@pytest.mark.parametrize("count", [0, -1, 61])
def test_a_count_that_fits_no_lab_is_refused(count):
    with pytest.raises(LabError, match="between 1 and 60"):
        model.nodes(count)


def test_the_image_knows_the_repository_where_the_hub_serves_it():
    sources = (FILES / "overlay/etc/apt/sources.list").read_text()
    assert f"http://{model.address(model.HUB_HOST)}:{model.REPOSITORY_PORT}/" in sources


def test_nothing_in_the_image_names_a_mirror():
    texts = [path.read_text() for path in FILES.rglob("*") if path.is_file()]
    hosts = {host for text in texts for host in re.findall(r"https?://([^/:\s]+)", text)}
    assert hosts == {model.address(model.HUB_HOST), "127.0.0.1"}
