"""What real nodes printed, read back: every field means what it says."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from clusters import clusters, steady
from hypothesis import given
from looks import ACTIVE, CLUSTER, DUAL, NAMES, SHARING, VIP, WITH_FOURTH, bare, desired, healthy
from printed import SECTIONS, printed, section_of, with_section, without
from recordings import RECORDED

from selfbalance.errors import ObservationError
from selfbalance.observed import Role, SeenFile, SeenInstance, SeenRealserver, SeenUnit, parse

SEEN = {name: parse(name, text) for name, text in RECORDED.items()}
COUNTED = (101, 92, 107)
BOOTS = {
    "web1": "75d56884-5dcf-4d4d-875d-f32fd3741730",
    "web2": "5f7c6049-618d-4eef-a5a8-b60c9c9f2bda",
    "web3": "efae20e1-aba7-4af9-82af-f3963ae0de94",
}
EACH = pytest.mark.parametrize("name", NAMES)


@EACH
def test_a_recorded_node_is_what_a_healthy_node_is_said_to_be(name):
    """The looks of the other tests are built; this one says that they are built like the real."""
    seen, built = SEEN[name], healthy()[name]
    table = tuple(
        replace(
            service,
            realservers=tuple(
                replace(real, inactive_connections=count)
                for real, count in zip(service.realservers, COUNTED, strict=True)
            ),
        )
        for service in built.table
    )

    assert seen == replace(built, boot_id=BOOTS[name], table=table, files=seen.files)
    # The texts of the files have changed since; their places and modes are these.
    assert {path: f.mode for path, f in seen.files.items()} == {
        file.path: file.mode for file in desired()[name].all_files
    }


def test_every_field_of_a_backup():
    web1 = SEEN["web1"]

    assert web1.unknown == {}
    assert (web1.kernel, web1.distribution, web1.version_codename) == (
        "6.1.176",
        "debian",
        "bookworm",
    )
    assert web1.packages == {"ipvsadm": "1:1.31-1+b1", "keepalived": "1:2.2.7-1+b2"}
    assert web1.files["/etc/keepalived/keepalived.conf"] == SeenFile(
        "2e02f04385bcafbc59765a1747ad3a7f1aeea4b4e9ecd9434e77eb35f0f62444", 0o600, 0, 0
    )
    assert web1.files["/etc/keepalived/selfbalance-guard"].mode == 0o700
    assert len(web1.files) == 9
    assert web1.sysctls["net.ipv4.conf.all.arp_ignore"] == "1"
    assert web1.sysctls["net.ipv4.vs.sync_threshold"] == "3 0"
    assert len(web1.sysctls) == 10
    assert (web1.modules, web1.unavailable) == ({"ip_vs", "ip_vs_mh"}, frozenset())
    assert (web1.cores, web1.memory_bytes, web1.recorded) == (1, 320 * 2**20, {})
    assert web1.addresses["lo"] == set(map(ip_address, ("127.0.0.1", "::1", "192.0.2.10")))
    assert web1.addresses["eth0"] == set(
        map(ip_address, ("192.0.2.11", "2001:db8:5b::11", "fe80::5b:ff:fe00:b"))
    )
    assert (web1.mac, web1.held_resets) == ("02:5b:00:00:00:0b", {VIP})
    assert web1.units["selfbalance-vip.service"] == SeenUnit(
        "loaded", "active", "exited", "enabled", needs_reload=False
    )
    assert list(web1.units) == list(desired()["web1"].units)
    assert (web1.sync, web1.demotion, web1.drop_in_read) == ({"backup"}, 20, True)
    assert web1.listening == {
        (ip_address(address), port) for address in ("0.0.0.0", "::") for port in (22, 80)
    }
    assert web1.instances == (SeenInstance("web", Role.BACKUP, 250, 230),)
    assert web1.claims == {VIP: {"02:5b:00:00:00:0c"}}
    assert web1.peer_macs == {"web2": "02:5b:00:00:00:0c", "web3": "02:5b:00:00:00:0d"}
    assert web1.answers == {}
    assert (web1.role, web1.keepalived_active) == (Role.BACKUP, True)
    assert web1.holds(VIP, "lo")
    assert not web1.holds(VIP, "eth0")
    assert not web1.holds(VIP, "eth1")


def test_every_field_of_the_master_that_differs():
    web2 = SEEN["web2"]
    (service,) = web2.table

    assert web2.role is Role.MASTER
    assert web2.holds(VIP, "eth0")
    assert (web2.sync, web2.demotion, web2.claims) == ({"master"}, 0, {})
    assert web2.answers == {
        (VIP, 80, "web1"): "02:5b:00:00:00:0b",
        (VIP, 80, "web3"): "02:5b:00:00:00:0d",
    }
    assert (service.protocol, service.vip, service.port) == ("tcp", VIP, 80)
    assert (service.scheduler, service.flags) == ("mh", {"mh-port", "mh-fallback"})
    assert service.realservers[2] == SeenRealserver(
        ip_address("192.0.2.13"),
        80,
        "Route",
        1,
        active_connections=0,
        inactive_connections=COUNTED[2],
    )


@pytest.mark.parametrize(
    "cluster",
    [CLUSTER, DUAL, ACTIVE, SHARING, WITH_FOURTH],
    ids=["one VIP", "both families", "active/active", "a volume", "two volumes"],
)
@EACH
def test_what_is_printed_is_read_back(name, cluster):
    want = desired(cluster)[name]
    for state in (healthy(cluster)[name], bare(cluster, name)):
        assert parse(name, printed(state, want)) == state


@given(
    clusters(max_nodes=3)
    | clusters(max_nodes=3, standby="source-mac")
    | clusters(max_nodes=4, volumes=True)
)
@steady(40)
def test_what_is_printed_of_any_cluster_is_read_back(cluster):
    for name, state in healthy(cluster, cluster.nodes[0].name).items():
        assert parse(name, printed(state, desired(cluster)[name])) == state


@EACH
def test_a_text_that_is_cut_short_is_no_observation(name):
    text = RECORDED[name].rstrip("\n")
    lines = text.splitlines()
    whole_lines = ["\n".join(lines[:count]) for count in range(len(lines))]
    in_a_line = [text[:at] for at in range(0, len(text) - 1, 61)]
    for cut in (*whole_lines, *in_a_line, text[:-1]):
        with pytest.raises(ObservationError, match=rf"^{name}: the observation was cut short"):
            parse(name, cut)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", "nothing"),
        ("sudo: a password is required\n", "nothing"),
        ("##format\n1\n##system\nweb1\n", "system"),
        ("##format\n2\n##end\n", "end"),
        ("##format\n##end\n", "end"),
        ("##end\n", "end"),
    ],
)
def test_what_is_not_the_scripts_says_how_far_it_came(text, after):
    with pytest.raises(ObservationError) as caught:
        parse("web1", text)

    assert str(caught.value) == f"web1: the observation was cut short after '{after}'"


@pytest.mark.parametrize("section", ["format", "end"])
def test_a_text_without_its_ends_is_no_observation(section):
    with pytest.raises(ObservationError):
        parse("web1", RECORDED["web1"].replace(f"##{section}\n", ""))


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_that_is_missing_or_says_it_failed_is_unknown_and_holds_nothing(section):
    missing = parse("web2", with_section(RECORDED["web2"], section, None))
    failed = parse("web2", with_section(RECORDED["web2"], section, ["half", "!it went wrong"]))

    assert missing.unknown == {section: "the section is missing"}
    assert failed.unknown == {section: "it went wrong"}
    assert replace(missing, unknown={}) == replace(failed, unknown={})
    assert without(SEEN["web2"], desired()["web2"], section) == replace(
        missing, unknown={section: f"{section} went wrong"}
    )
    # Nothing of it is left: the only fields that changed are empty now.
    whole, rest = vars(SEEN["web2"]), vars(missing)
    lost = [key for key in whole if rest[key] != whole[key] and key != "unknown"]
    # Nothing follows from facts here, nobody marks, has a session, is upgraded or taken over, and
    # `kept` is of another mode.
    assert lost or section in {"recorded", "marks", "kept", "sessions", "upgrade", "founding"}
    assert all(not rest[key] for key in lost)


def test_the_sections_are_those_that_were_recorded():
    for text in RECORDED.values():
        heads = [line[2:] for line in text.splitlines() if line.startswith("##")]
        assert heads == ["format", *SECTIONS, "end"]
        assert section_of(text, "format") == ["1"]
