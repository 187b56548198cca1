"""No value of a description adds a line or a word to a file that is made of it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from blocks import parse
from clusters import clusters, steady
from hypothesis import given
from made import CASES
from made import made_afresh as made

from selfbalance.desired import places
from selfbalance.model import Cluster

# Everything that a line of our keepalived.conf may begin with; ADDRESS where one stands alone.
_WORDS = """
    global_defs router_id enable_script_security script_user vrrp_version lvs_sync_daemon lvs_flush
    max_auto_priority vrrp_priority bfd_priority track_file file weight bfd_instance source_ip
    neighbor_ip min_rx min_tx max_hops hoplimit
    idle_tx multiplier vrrp_instance state interface virtual_router_id priority advert_int
    unicast_src_ip unicast_peer authentication auth_type auth_pass demotion garp_master_delay
    garp_master_refresh vrrp_notify_fifo virtual_ipaddress virtual_ipaddress_excluded virtual_server
    net_namespace_ipvs lvs_notify_fifo
    lvs_sched mh-port mh-fallback sh-port sh-fallback lvs_method protocol delay_loop connect_timeout
    retry delay_before_retry real_server inhibit_on_failure TCP_CHECK HTTP_GET FILE_CHECK
    virtualhost
    connect_port url path status_code BFD_CHECK name ADDRESS # }
"""
KEYWORDS = set(_WORDS.split())


def _shape(text: str) -> list[tuple[str, int]]:
    """What each line begins with, and how many words it has; in a here-document it is data."""
    shape, data = [], False
    for line in text.split("\n"):
        data = data and line != "END"
        shape.append(("DATA" if data else _keyword(line), len(line.split())))
        data = data or line.endswith(("<<'END'", "<<'END' |"))
    return shape


def _keyword(line: str) -> str:
    """The first word: of an assignment what is before the `=`, of an address that it is one."""
    first = (line.split() or [""])[0].split("=")[0]
    return "ADDRESS" if first and set(first) <= set("0123456789abcdef.:/") else first


def _plain(cluster: Cluster) -> Cluster:
    """The same cluster in numbers, kinds and choices, every free value replaced by a dull one."""
    described = cluster.model_dump(mode="json", exclude_unset=True)
    addresses = {4: iter(range(0x0A000001, 0x0AFFFFFF)), 6: iter(range(1, 2**16))}

    def dull(address: str) -> str:
        if ":" in address:
            return str(IPv6Address((0x20010DB8 << 96) + next(addresses[6])))
        return str(IPv4Address(next(addresses[4])))

    described["name"] = "dull"
    described["interface"] = "eth0"
    described["vrrp"]["vrid"] = 1
    for number, node in enumerate(described["nodes"]):
        node["name"] = f"node{number}"
        node.update({k: dull(node[k]) for k in ("address", "address6") if k in node})
        node.pop("interface", None)
    for vip in described["vips"]:
        vip["address"] = dull(vip["address"])
        vip.pop("vrid", None)
    for number, service in enumerate(described["services"]):
        service.update(name=f"service{number}", port=number + 1)
        check = service["check"]
        plain = {"host": "dull", "path": "/", "status": 200, "port": None}
        check.update({key: value for key, value in plain.items() if key in check})
    return Cluster(**described)


@given(clusters(max_nodes=4))
@steady(25)
def test_values_change_no_line_and_no_number_of_words(cluster):
    dull = list(made(_plain(cluster)).values())
    for node, other in zip(made(cluster).values(), dull, strict=True):
        for file, plain in zip(node.all_files, other.all_files, strict=True):
            assert file.path == plain.path
            if file.path != places.DESCRIPTION:  # The values themselves, and the defaults left out.
                assert _shape(file.content) == _shape(plain.content)


@given(clusters(max_nodes=4))
@steady(25)
def test_every_line_begins_with_a_keyword_that_we_know(cluster):
    for node in made(cluster).values():
        shape = _shape(node.config.content)
        assert {keyword for keyword, _ in shape} - {""} <= KEYWORDS


@given(clusters(max_nodes=4))
@steady(25)
def test_every_value_is_read_back_as_it_was_described(cluster):
    for name, node in made(cluster).items():
        file = parse(node.config.content)
        instance = cluster.instances[0]
        watched = {peer.name for peer in cluster.watched_by(cluster.node(name))}
        assert file.one("global_defs").get("router_id") == name
        assert {b.words[1] for b in file.all("bfd_instance")} == watched
        if not node.director:
            continue
        assert file.one("vrrp_instance").words == ("vrrp_instance", instance.name)
        assert file.one("vrrp_instance").get("interface") == node.interface
        assert [b.words[1:] for b in file.all("virtual_server")] == [
            (str(vip.address), str(service.port))
            for vip in cluster.vips
            for service in cluster.services
        ]
        guard = next(file.content for file in node.files if file.path == places.GUARD).splitlines()
        assert f"interface={node.interface}" in guard
        assert f'vips="{" ".join(str(vip.address) for vip in cluster.vips)}"' in guard
        assert all(c.isascii() and (c.isprintable() or c == "\n") for c in node.config.content)


@given(clusters(max_nodes=4))
@steady(25)
def test_units_hold_no_percent_sign_quote_or_variable_of_a_description(cluster):
    dull = made(_plain(cluster))
    for node, other in zip(made(cluster).values(), dull.values(), strict=True):
        for file, plain in zip(node.files, other.files, strict=True):
            if file.path in (places.VIP_UNIT, places.WATCH_UNIT, places.DROP_IN):
                assert _odd(file.content) == _odd(plain.content)


def _odd(unit: str) -> list[str]:
    """Every character of a unit that means something to systemd or a shell; comments hold some."""
    told = (line for line in unit.splitlines() if not line.startswith("#"))
    return [char for line in told for char in line if char in "%$\"'\\;&|<>*?`"]


def test_units_of_direct_routing_need_no_shell():
    for node in made(CASES["both families"]).values():
        for file in node.files:
            if file.path in (places.VIP_UNIT, places.WATCH_UNIT, places.DROP_IN):
                assert _odd(file.content) == []
