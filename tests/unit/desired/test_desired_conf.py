"""keepalived.conf by its meaning: what the design wants is there, what the trials forbid is not."""

from __future__ import annotations

import pytest
from blocks import Block, parse
from clusters import PASSWORD
from described_twice import cluster
from made import ACTIVE, CASES, HTTP, V2, V4, conf, made

from selfbalance.desired import places
from selfbalance.model.standing import priority

EVERY = pytest.mark.parametrize(
    ("case", "name"), [(case, node.name) for case, c in CASES.items() for node in c.nodes]
)


def test_the_middle_one_of_three_nodes():
    web2 = conf(CASES["three nodes"], "web2")

    assert [" ".join(block.words) for block in web2.inside] == [
        "global_defs",
        "track_file demotion",
        "track_file drained-web1",
        "track_file drained-web2",
        "track_file drained-web3",
        "bfd_instance web1",
        "bfd_instance web3",
        "vrrp_instance web",
        "virtual_server 192.0.2.10 80",
        "virtual_server 192.0.2.10 443",
    ]
    assert web2.one("global_defs").meaning == {
        "router_id": "web2",
        "enable_script_security": "",
        "script_user": "root",
        "vrrp_version": "3",
        "lvs_sync_daemon": "bond0 inst web id 51 maxlen 1",
        "lvs_flush": "",
        "max_auto_priority": "-1",
        "vrrp_notify_fifo": "/run/selfbalance-watch/vrrp",
        "vrrp_priority": "-20",
        "bfd_priority": "-20",
    }
    assert web2.one("track_file", "demotion").meaning == {
        "file": "/var/lib/selfbalance/demotion",
        "weight": "-1",
    }
    assert web2.one("bfd_instance", "web3").meaning == {
        "source_ip": "192.0.2.12",
        "neighbor_ip": "192.0.2.13",
        "min_rx": "100",
        "min_tx": "100",
        "idle_tx": "1000",
        "multiplier": "3",
    }
    assert web2.one("vrrp_instance").meaning == {
        "state": "BACKUP",
        "interface": "bond0",
        "virtual_router_id": "51",
        "priority": str(priority(1)),
        "advert_int": "0.1",
        "unicast_src_ip": "192.0.2.12",
        "unicast_peer": {"192.0.2.11": "", "192.0.2.13": ""},
        "track_file": {"demotion": ""},
        "garp_master_delay": "1",
        "garp_master_refresh": "10",
        "virtual_ipaddress": {"192.0.2.10/32": "dev bond0"},
    }
    http = web2.one("virtual_server", "192.0.2.10", "80").meaning

    def real(name: str, *others: tuple[str, object]) -> dict[str, object]:
        return {
            "weight": "1",
            "inhibit_on_failure": "",
            "FILE_CHECK": {"track_file": f"drained-{name}", "weight": "-1"},
            "TCP_CHECK": {"connect_port": "80"},
            **dict(others),
        }

    assert http == {
        "lvs_sched": "mh",
        "mh-port": "",
        "mh-fallback": "",
        "lvs_method": "DR",
        "protocol": "TCP",
        "delay_loop": "1",
        "connect_timeout": "1",
        "retry": "1",
        "delay_before_retry": "1",
        "real_server 192.0.2.11 80": real("web1", ("BFD_CHECK", {"name": "web1"})),
        "real_server 192.0.2.12 80": real("web2"),
        "real_server 192.0.2.13 80": real("web3", ("BFD_CHECK", {"name": "web3"})),
    }


@EVERY
def test_what_the_trials_forbid_is_nowhere(case, name):
    file = conf(CASES[case], name)

    # docs: a MISC_CHECK's reload set every weight to 0; nopreempt keeps a hand-over from happening.
    for word in (
        "MISC_CHECK",
        "nopreempt",
        "notify",
        "ha_suspend",
        "use_vmac",
        "persistence_timeout",
    ):
        assert not file.anywhere(word)
    assert all(block.get("state") == "BACKUP" for block in file.all("vrrp_instance"))


@EVERY
def test_what_every_file_has(case, name):
    described = CASES[case]
    file = conf(described, name)
    general = file.one("global_defs")
    peers = {node.name for node in described.nodes} - {name}
    reals = file.anywhere("real_server")

    assert general.one("enable_script_security")
    assert general.one("lvs_flush")
    if described.standby == "backup-only":
        interface = file.one("vrrp_instance").get("interface")
        assert general.get("lvs_sync_daemon") == f"{interface} inst web id 51 maxlen 1"
        assert file.one("vrrp_instance").words[1] == "web"
    assert {block.words[1] for block in file.all("bfd_instance")} == peers
    assert all(int(block.get("idle_tx")) >= 1000 for block in file.all("bfd_instance"))
    assert len(reals) == len(described.nodes) * len(described.vips) * len(described.services)
    assert all(real.one("inhibit_on_failure") for real in reals)
    assert all(len(real.all("TCP_CHECK") + real.all("HTTP_GET")) == 1 for real in reals)


@EVERY
def test_bfd_watches_every_peer_and_never_the_node_itself(case, name):
    described = CASES[case]
    file = conf(described, name)
    names = {str(a): n.name for n in described.nodes for a in (n.address, n.address6)}
    for service in file.all("virtual_server"):
        watched = {
            names[real.words[1]]: [check.get("name") for check in real.all("BFD_CHECK")]
            for real in service.all("real_server")
        }
        assert watched.pop(name) == []
        assert watched == {peer.name: [peer.name] for peer in described.nodes if peer.name != name}


@EVERY
def test_addresses_of_a_file_are_of_one_family_or_excluded(case, name):
    instance = conf(CASES[case], name).one("vrrp_instance")
    own = [block.words[0] for block in instance.one("virtual_ipaddress").inside]
    excluded = [
        block.words[0]
        for ride_along in instance.all("virtual_ipaddress_excluded")
        for block in ride_along.inside
    ]

    assert sorted(own + excluded) == sorted(
        f"{vip.address}/{vip.address.max_prefixlen}" for vip in CASES[case].vips
    )
    assert len({":" in address for address in own}) == 1
    assert not excluded or {":" in address for address in excluded} == {True}
    assert not excluded or not any(":" in address for address in own)


def test_a_table_apart_lies_in_a_namespace_and_is_told_of_and_nothing_is_synchronised():
    file = conf(CASES["snapshot"])

    assert file.get("net_namespace_ipvs") == "selfbalance"
    assert file.one("global_defs").get("lvs_notify_fifo") == "/run/selfbalance-watch/vrrp"
    assert not file.anywhere("lvs_sync_daemon")
    assert not conf(CASES["three nodes"]).anywhere("net_namespace_ipvs")
    assert not conf(CASES["three nodes"]).anywhere("lvs_notify_fifo")


def _instance(case: str, name: str = "web1") -> Block:
    return conf(CASES[case], name).one("vrrp_instance")


def test_both_families_ride_in_one_instance():
    instance = _instance("both families", "web3")

    assert instance.one("virtual_ipaddress").meaning == {"192.0.2.10/32": "dev bond0"}
    assert instance.one("virtual_ipaddress_excluded").meaning == {"2001:db8::10/128": "dev bond0"}
    assert instance.one("unicast_peer").meaning == {"192.0.2.11": "", "192.0.2.12": ""}
    service = conf(CASES["both families"], "web3").one("virtual_server", "2001:db8::10", "80")
    assert [real.words[1] for real in service.all("real_server")] == [
        "2001:db8::11",
        "2001:db8::12",
        "2001:db8::13",
    ]


def test_ipv6_only_speaks_ipv6_throughout():
    file = conf(CASES["IPv6 only"])
    instance = file.one("vrrp_instance")

    assert instance.get("unicast_src_ip") == "2001:db8::11"
    assert instance.one("unicast_peer").meaning == {"2001:db8::12": "", "2001:db8::13": ""}
    assert instance.one("virtual_ipaddress").meaning == {"2001:db8::10/128": "dev bond0"}
    assert file.one("bfd_instance", "web2").get("source_ip") == "2001:db8::11"
    assert file.one("bfd_instance", "web2").get("neighbor_ip") == "2001:db8::12"


def test_one_node_has_nobody_to_watch_or_tell():
    file = conf(CASES["one node"])

    for word in ("bfd_instance", "unicast_peer", "unicast_src_ip", "BFD_CHECK"):
        assert not file.anywhere(word)


def test_sixteen_nodes_have_sixteen_priorities_and_240_watches():
    files = [conf(CASES["sixteen nodes"], f"web{n}") for n in range(1, 17)]

    assert len({file.one("vrrp_instance").get("priority") for file in files}) == 16
    assert sum(len(file.all("bfd_instance")) for file in files) == 16 * 15


@pytest.mark.parametrize("name", ["web1", "web2", "web3"])
def test_priorities_are_the_descriptions(name):
    described = CASES["three nodes"]

    assert _instance("three nodes", name).get("priority") == str(
        described.priority_of(described.node(name))
    )


@pytest.mark.parametrize(
    ("case", "version", "advert", "bfd", "loop"),
    [
        ("three nodes", "3", 0.1, "100", "1"),
        ("calm", "3", 0.3, "300", "3"),
        ("version 2", "2", 1.0, "300", "3"),
    ],
)
def test_timers_are_the_profiles(case, version, advert, bfd, loop):
    file = conf(CASES[case])

    assert file.one("global_defs").get("vrrp_version") == version
    assert float(file.one("vrrp_instance").get("advert_int")) == advert
    assert {block.get("min_rx") for block in file.all("bfd_instance")} == {bfd}
    assert {block.get("min_tx") for block in file.all("bfd_instance")} == {bfd}
    assert {block.get("delay_loop") for block in file.all("virtual_server")} == {loop}


def test_an_interval_of_whole_seconds_is_written_and_waited_for():
    described = CASES["version 2"]
    slow = described.model_copy(update={"vrrp": described.vrrp.model_copy(update={"advert_s": 5})})

    assert float(conf(slow).one("vrrp_instance").get("advert_int")) == 5
    assert slow.advert_interval_s == 5


def test_a_password_stands_in_the_instance_and_nowhere_else():
    file = conf(CASES["version 2 with a password"])

    assert file.one("vrrp_instance").one("authentication").meaning == {
        "auth_type": "PASS",
        "auth_pass": PASSWORD,
    }
    assert len(file.anywhere("auth_pass")) == 1
    assert not conf(CASES["version 2"]).anywhere("authentication")


def test_multicast_names_no_peer():
    instance = _instance("multicast")

    assert not instance.all("unicast_peer")
    assert not instance.all("unicast_src_ip")


def test_a_nodes_own_interface_is_used_throughout():
    file = conf(CASES["own interface"], "web2")

    assert file.one("vrrp_instance").get("interface") == "eth1"
    assert file.one("global_defs").get("lvs_sync_daemon").startswith("eth1 ")
    assert file.one("vrrp_instance").one("virtual_ipaddress").meaning == {
        "192.0.2.10/32": "dev eth1"
    }
    assert _instance("own interface", "web1").get("interface") == "bond0"


CHECKS = [
    ({}, {"TCP_CHECK": {"connect_port": "80"}}),
    ({"port": 8080}, {"TCP_CHECK": {"connect_port": "8080"}}),
    (
        HTTP,
        {
            "HTTP_GET": {
                "virtualhost": "www.example.org",
                "connect_port": "80",
                "url": {"path": "/health?a=%20", "status_code": "204"},
            }
        },
    ),
    (
        {"kind": "http", "port": 8080},
        {"HTTP_GET": {"connect_port": "8080", "url": {"path": "/", "status_code": "200"}}},
    ),
]


@pytest.mark.parametrize(("check", "meaning"), CHECKS)
def test_a_check_is_the_services_own(check, meaning):
    file = conf(cluster(V4, ("services.0.check", check)))
    http = file.one("virtual_server", "192.0.2.10", "80").one("real_server", "192.0.2.11")
    https = file.one("virtual_server", "192.0.2.10", "443").one("real_server", "192.0.2.11")

    drain = {"track_file": "drained-web1", "weight": "-1"}
    assert http.meaning == {
        "weight": "1",
        "inhibit_on_failure": "",
        "FILE_CHECK": drain,
        **meaning,
    }
    assert https.one("TCP_CHECK").meaning == {"connect_port": "443"}


FLAGS = [
    ("mh", None, ["mh-port", "mh-fallback"]),
    ("mh", ["mh-port"], ["mh-port"]),
    ("mh", [], []),
    ("sh", None, ["sh-port", "sh-fallback"]),
    ("wrr", None, []),
]


@pytest.mark.parametrize(("scheduler", "flags", "written"), FLAGS)
def test_flags_are_the_defaults_unless_described(scheduler, flags, written):
    described = cluster(
        V4, ("services.0.scheduler", scheduler), ("services.0.scheduler_flags", flags)
    )
    service = conf(described).one("virtual_server", "192.0.2.10", "80")

    assert service.get("lvs_sched") == scheduler
    assert [
        b.words[0] for b in service.inside if b.words[0].endswith(("port", "fallback"))
    ] == written


def test_a_vip_with_its_own_vrid_names_one_instance_and_one_daemon():
    file = conf(cluster(*V2, ("vips", [{"address": "192.0.2.10", "vrid": 7}])))

    assert file.one("vrrp_instance").words[1] == "web-7"
    assert file.one("vrrp_instance").get("virtual_router_id") == "7"
    assert file.one("global_defs").get("lvs_sync_daemon") == "bond0 inst web-7 id 7 maxlen 1"


def test_two_instances_have_a_file_and_a_priority_each():
    web2 = conf(ACTIVE, "web2")

    assert {block.words[1]: block.get("file") for block in web2.all("track_file")} == {
        "demotion": "/var/lib/selfbalance/demotion",
        "demotion-52": "/var/lib/selfbalance/demotion-52",
        **{f"drained-web{n}": f"/var/lib/selfbalance/drained-web{n}" for n in (1, 2, 3)},
    }
    assert [
        (
            instance.words[1],
            instance.get("virtual_router_id"),
            instance.get("priority"),
            instance.one("track_file").meaning,
            list(instance.one("virtual_ipaddress").meaning),
        )
        for instance in web2.all("vrrp_instance")
    ] == [
        ("web", "51", str(priority(1)), {"demotion": ""}, ["192.0.2.10/32"]),
        ("web-52", "52", str(priority(0)), {"demotion-52": ""}, ["2001:db8::10/128"]),
    ]


def test_an_instance_of_ipv6_speaks_ipv6():
    _, six = conf(ACTIVE, "web2").all("vrrp_instance")

    assert six.get("unicast_src_ip") == "2001:db8::12"
    assert six.one("unicast_peer").meaning == {"2001:db8::11": "", "2001:db8::13": ""}
    assert not six.all("virtual_ipaddress_excluded")


def test_every_node_sends_and_receives_sessions_where_each_may_be_director():
    """Without `inst` keepalived starts both sync daemons, whatever the node is MASTER of."""
    assert conf(ACTIVE).one("global_defs").get("lvs_sync_daemon") == "bond0 id 51 maxlen 1"


def test_marked_services_have_neither_port_nor_protocol():
    """keepalived calls either a mistake in a service of a firewall mark, and -t ends with 5."""
    services = conf(ACTIVE, "web1").all("virtual_server")
    marks = [service.mark for service in made(ACTIVE)["web1"].services]

    assert [service.words[1:] for service in services] == [("fwmark", str(m)) for m in marks]
    assert [[real.words[1:] for real in s.all("real_server")] for s in services[1:3]] == [
        [("192.0.2.11",), ("192.0.2.12",), ("192.0.2.13",)],
        [("2001:db8::11",), ("2001:db8::12",), ("2001:db8::13",)],
    ]
    assert not any(service.all("protocol") for service in services)
    ports = [service.anywhere("connect_port")[0].words[1] for service in services]
    assert ports == ["80", "443", "80", "443"]
    assert all(
        real.one("BFD_CHECK")
        for s in services
        for real in s.all("real_server")
        if real.words[1] not in {"192.0.2.11", "2001:db8::11"}
    )


@pytest.mark.parametrize(("case", "name"), [*EVERY.args[1], ("active", "web2")])
def test_each_realserver_of_a_director_has_a_file_by_which_it_is_drained(case, name):
    described = {**CASES, "active": ACTIVE}[case]
    file = conf(described, name)
    names = {
        str(address): node.name
        for node in described.nodes
        for address in (node.address, node.address6)
        if address is not None
    }
    files = {b.words[1]: b.get("file") for b in file.all("track_file") if "drained" in b.words[1]}

    assert files == {f"drained-{node.name}": places.drained(node.name) for node in described.nodes}
    reals = [real for s in file.all("virtual_server") for real in s.all("real_server")]
    assert reals
    for real in reals:
        assert real.one("FILE_CHECK").meaning == {
            "track_file": f"drained-{names[real.words[1]]}",
            "weight": "-1",
        }


def test_a_vip_that_is_taken_out_leaves_its_file_to_nobody():
    three = [{"address": f"192.0.2.{n}", "vrid": n} for n in (100, 101, 102)]
    tracked = [
        [b.words[1] for b in conf(cluster(*changes)).all("track_file") if "demotion" in b.words[1]]
        for changes in (
            (("standby", "source-mac"), ("vips", three)),
            (("standby", "source-mac"), ("vips", [three[0], three[2]])),
        )
    ]

    assert tracked == [
        ["demotion", "demotion-101", "demotion-102"],
        ["demotion", "demotion-102"],
    ]
    assert places.demotion(None) == places.DEMOTION


def test_the_reader_of_these_tests_sees_a_brace_that_is_not_closed():
    with pytest.raises(AssertionError):
        parse("a {\n b\n")
    with pytest.raises(IndexError):
        parse("}\n}\na b\n")


def test_every_node_of_every_case_was_asked():
    assert sum(len(made(described)) for described in CASES.values()) >= 40
