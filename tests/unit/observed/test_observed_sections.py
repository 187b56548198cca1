"""One section at a time, edited: odd but true things are read, garbage becomes unknown."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from clusters import steady
from hypothesis import given
from hypothesis import strategies as st
from looks import Look, desired, healthy
from printed import SECTIONS, printed, section_of, with_section
from recordings import RECORDED

from selfbalance.observed import (
    Drain,
    NodeState,
    Role,
    SeenRealserver,
    SeenService,
    SeenUnit,
    parse,
)


def seen(section: str, *lines: str, name: str = "web1") -> NodeState:
    """A recorded node with other lines in one section; all the rest is as it was."""
    state = parse(name, with_section(RECORDED[name], section, lines))
    assert state.unknown.keys() <= {section}
    return state


def reason(section: str, *lines: str) -> str:
    return seen(section, *lines).unknown[section]


TABLE = [
    "IP Virtual Server version 1.2.1 (size=4096)",
    "Prot LocalAddress:Port Scheduler Flags",
    "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
]


def test_a_table_of_ipv6_services():
    (service,) = seen(
        "table",
        *TABLE,
        "TCP  [2001:db8::10]:80 wrr",
        "  -> [2001:db8::11]:80            Route   3      12         4",
        "  -> [2001:db8::12]:80            Tunnel  0      0          0",
    ).table

    assert service == SeenService(
        "tcp",
        ip_address("2001:db8::10"),
        80,
        "wrr",
        frozenset(),
        (
            SeenRealserver(ip_address("2001:db8::11"), 80, "Route", 3, 12, 4),
            SeenRealserver(ip_address("2001:db8::12"), 80, "Tunnel", 0, 0, 0),
        ),
    )


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ("rr", set()),
        ("mh (mh-port)", {"mh-port"}),
        ("sh (sh-fallback,sh-port)", {"sh-fallback", "sh-port"}),
        ("wlc persistent 300", {"persistent 300"}),
        ("mh (mh-port) persistent 60 pe sip", {"mh-port", "persistent 60 pe sip"}),
        ("rr ops", {"ops"}),
    ],
)
def test_what_stands_after_a_scheduler_is_its_flags(words, flags):
    """What somebody made persistent is another service than the described one."""
    (service,) = seen("table", *TABLE, f"TCP  192.0.2.10:80 {words}").table

    assert (service.scheduler, service.flags) == (words.split()[0], flags)
    assert service.realservers == ()


def test_services_keep_their_realservers_apart():
    table = seen(
        "table",
        *TABLE,
        "TCP  192.0.2.10:80 mh",
        "  -> 192.0.2.11:80                Route   1      0          0",
        "UDP  192.0.2.10:80 rr",
        "TCP  192.0.2.10:443 mh",
        "  -> 192.0.2.12:443               Route   1      0          0",
    ).table

    assert [(s.protocol, s.port, len(s.realservers)) for s in table] == [
        ("tcp", 80, 1),
        ("udp", 80, 0),
        ("tcp", 443, 1),
    ]


@pytest.mark.parametrize("lines", [TABLE, []], ids=["empty table", "ip_vs not loaded"])
def test_no_services_are_no_services_and_never_healthy(lines):
    assert seen("table", *lines).table == ()
    (problem,) = _judged("web1", "table", lines)
    assert "192.0.2.10:80 is missing" in problem


def _with_todays_files(name: str, text: str) -> str:
    files = section_of(printed(healthy()[name], desired()[name]), "files")
    return with_section(text, "files", files)


TEXTS = {name: _with_todays_files(name, text) for name, text in RECORDED.items()}


def _judged(name: str, section: str, lines: list[str]) -> list[str]:
    """What the gates say with other lines in one section of a node."""
    look = Look()
    for each, text in TEXTS.items():
        edited = with_section(text, section, lines) if each == name else text
        look.nodes[each] = parse(each, edited)
    return look.said()


MAY_BE_EMPTY = {"demotion", "recorded", "marks", "kept", "upgrade", "change"}


@pytest.mark.parametrize("name", ["web1", "web2"])
@pytest.mark.parametrize("section", sorted({*SECTIONS} - MAY_BE_EMPTY))
def test_an_empty_section_is_never_healthy(section, name):
    assert _judged(name, section, section_of(TEXTS[name], section)) == []
    assert _judged(name, section, [])


def test_what_keepalived_keeps_apart_is_read_as_a_table_is():
    lines = section_of(TEXTS["web1"], "table")

    assert seen("kept", *lines).kept == seen("table", *lines).table != ()
    assert seen("kept", *lines).table == seen("kept").table


def test_no_demotion_is_no_standing():
    """Nothing is served worse without the file; but nobody may read a standing from it."""
    assert seen("demotion").demotion is None
    assert seen("demotion", "158").demotion == 158


HARMLESS = {
    # What the look shows and judges nothing by.
    "system": {'VERSION_ID="12"', "VERSION_CODENAME=bookworm"},
    "addresses": {"127.0.0.1/8", "::1/128", "/24", "/64"},
    "listening": {":0016", "00000000:0050"},
    "claims": {"peer web1", "peer web2", "peer web3"},
    "demotion": {"0", "20", "158"},
    "change": {"dialect"},  # The configuration itself is compared among the files.
}


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("section", SECTIONS)
def test_one_line_less_is_never_healthy_unless_it_says_nothing(section, name):
    lines = section_of(TEXTS[name], section)
    for at, line in enumerate(lines):
        if not line.strip() or any(part in line for part in HARMLESS.get(section, ())):
            continue
        assert _judged(name, section, lines[:at] + lines[at + 1 :]), f"{section}: {line}"


@pytest.mark.parametrize(
    ("state", "role"), [(0, Role.INIT), (1, Role.BACKUP), (2, Role.MASTER), (3, Role.FAULT)]
)
def test_roles_are_keepaliveds_numbers(state, role):
    dump = section_of(RECORDED["web1"], "keepalived")[0].replace('"state":1', f'"state":{state}')

    assert seen("keepalived", dump).role is role


def test_several_instances_are_all_read_and_the_first_is_the_nodes_role():
    one = section_of(RECORDED["web1"], "keepalived")[0]
    other = one.replace('"web"', '"other"').replace('"state":1', '"state":3')

    state = seen("keepalived", f"{one[:-1]},{other[1:]}")

    assert [(i.name, i.role) for i in state.instances] == [
        ("web", Role.BACKUP),
        ("other", Role.FAULT),
    ]
    assert state.role is Role.BACKUP


def test_a_dump_of_a_newer_keepalived_has_its_instances_under_vrrp():
    one = section_of(RECORDED["web1"], "keepalived")[0]

    assert seen("keepalived", f'{{"vrrp":{one},"bfd":[]}}') == seen("keepalived", one)


def test_keepalived_that_does_not_run_has_no_role():
    state = seen("keepalived")

    assert (state.instances, state.role, state.unknown) == ((), None, {})


def test_a_dump_that_did_not_come_is_not_no_instances():
    assert reason("keepalived", "!keepalived wrote no dump within 1 s") == (
        "keepalived wrote no dump within 1 s"
    )


UNIT = ["LoadState=not-found", "ActiveState=inactive", "SubState=dead", "UnitFileState="]


def test_a_unit_that_is_not_there():
    unit = seen("units", "Id=a.service", *UNIT, "NeedDaemonReload=no").units["a.service"]

    assert unit == SeenUnit("not-found", "inactive", "dead", "", needs_reload=False)


def test_units_are_read_in_whatever_order_systemctl_prints():
    one = ["NeedDaemonReload=yes", *reversed(UNIT), "Id=a.service"]
    two = ["ActiveState=active", "Id=b.service", *UNIT[:1], *UNIT[2:], "NeedDaemonReload=no"]

    units = seen("units", *one, "", *two).units

    assert {name: (u.active, u.needs_reload) for name, u in units.items()} == {
        "a.service": ("inactive", True),
        "b.service": ("active", False),
    }


def test_files_that_are_absent_are_not_in_it():
    """sha256sum and stat say nothing of what is not there, on standard output."""
    lines = section_of(RECORDED["web1"], "files")
    there = [line for line in lines if "guard" not in line]

    assert len(seen("files", *there).files) == 8
    assert seen("files").files == {}


def test_a_file_whose_content_could_not_be_read_is_unknown_not_fine():
    lines = section_of(RECORDED["web1"], "files")
    unread = [line for line in lines if line.startswith("=") or "guard" not in line]

    assert "selfbalance-guard" in reason("files", *unread)


def test_modes_are_octal_and_owners_are_kept():
    files = seen("files", "a" * 64 + "  /etc/a b", "=4755 1000 33 /etc/a b").files

    assert [(path, f.mode, f.uid, f.gid) for path, f in files.items()] == [
        ("/etc/a b", 0o4755, 1000, 33)
    ]


@pytest.mark.parametrize(
    ("status", "installed"),
    [("ii ", True), ("hi ", True), ("rc ", False), ("un ", False), ("iU ", False), ("iF ", False)],
)
def test_only_what_is_whole_is_installed(status, installed):
    assert ("keepalived" in seen("packages", f"keepalived 1:2.2.7 {status}").packages) is installed


@pytest.mark.parametrize(
    ("line", "listens"),
    [
        ("00000000:0050", ("0.0.0.0", 80)),
        ("0A0200C0:01BB", ("192.0.2.10", 443)),
        ("0100007F:1F90", ("127.0.0.1", 8080)),
        ("B80D012000005B000000000010000000:0050", ("2001:db8:5b::10", 80)),
        ("0000000000000000FFFF00000A0200C0:0050", ("::ffff:192.0.2.10", 80)),
    ],
)
def test_listening_sockets_are_words_in_the_nodes_byte_order(line, listens):
    address, port = listens

    assert seen("listening", line).listening == {(ip_address(address), port)}


@pytest.mark.parametrize(
    ("mac", "line"),
    [
        (
            "02:5b:00:00:00:0b",
            "2: eth0@if7: <UP> mtu 1500 qdisc fq\\    link/ether 02:5b:00:00:00:0b brd ff",
        ),
        (
            "02:5b:00:00:00:0b",
            "9: bond0: <UP> mtu 9000 qdisc fq\\    link/ether 02:5b:00:00:00:0b brd ff permaddr 0",
        ),
    ],
)
def test_the_mac_is_the_links(mac, line):
    assert seen("links", line).mac == mac


def test_other_links_are_those_that_are_up():
    state = seen(
        "links",
        "2: bond0: <UP> mtu 9000 qdisc fq\\    link/ether 02:5b:00:00:00:0b brd ff",
        "3: tunl0@NONE: <NOARP,UP,LOWER_UP> mtu 1480 qdisc noqueue\\    link/ipip 0.0.0.0",
    )

    assert (state.mtu, state.up) == (9000, {"tunl0"})


def test_filters_are_resets_that_are_dropped_and_sizes_that_are_rewritten():
    state = seen("resets", "192.0.2.10", "2001:db8::10", "192.0.2.10 1440")

    assert state.held_resets == {ip_address("192.0.2.10"), ip_address("2001:db8::10")}
    assert state.segments == {ip_address("192.0.2.10"): 1440}


def test_an_address_of_a_vlan_is_on_the_vlan():
    lines = [
        "7: eth0.5@eth0    inet 192.0.2.10/32 scope global eth0.5\\       valid_lft forever",
        "8: tun0    inet 192.0.2.99 peer 192.0.2.98/32 scope global tun0\\       valid_lft forever",
    ]

    assert seen("addresses", *lines).addresses == {
        "eth0.5": {ip_address("192.0.2.10")},
        "tun0": {ip_address("192.0.2.99")},
    }


def test_two_who_claim_a_vip_are_both_kept():
    state = seen("claims", "claim 192.0.2.10 aa", "claim 192.0.2.10 bb", "claim 2001:db8::10 aa")

    assert state.claims == {
        ip_address("192.0.2.10"): {"aa", "bb"},
        ip_address("2001:db8::10"): {"aa"},
    }


def test_a_daemon_of_each_kind_is_both():
    assert seen("sync", "master sync daemon (...)", "backup sync daemon (...)").sync == {
        "master",
        "backup",
    }
    assert seen("sync").sync == frozenset()


def test_drained_nodes_say_since_when_and_by_whom():
    state = seen("drained", "1795383051", "web3 65535 1795380591 ops@bastion", "web1 7 12 a b c")

    assert state.clock == 1_795_383_051
    assert state.drained == {
        "web3": Drain("ops@bastion", 1_795_380_591),
        "web1": Drain("a b c", 12),
    }


@pytest.mark.parametrize("line", ["web3 1", "web3  65535 ", "web3 -1", "web3 1 1795380591"])
def test_a_drain_by_hand_has_a_number_and_no_name(line):
    assert seen("drained", "1795383051", line).drained == {"web3": Drain("somebody by hand", None)}


@pytest.mark.parametrize("line", ["web3 0", "web3 0 1795380591 ops@bastion"])
def test_a_number_of_zero_drains_nobody(line):
    state = seen("drained", "1795383051", line)

    assert (state.drained, state.clock) == ({}, 1_795_383_051)


def test_sessions_are_counted_by_vip_and_port():
    state = seen("sessions", "6", "0A0200C0:0050 3", "0A0200C0:01BB 1", "0B0200C0:0050 2")

    assert state.sessions == {
        (ip_address("192.0.2.10"), 80): 3,
        (ip_address("192.0.2.10"), 443): 1,
        (ip_address("192.0.2.11"), 80): 2,
    }


def test_sessions_of_ipv4_at_a_socket_of_ipv6_are_sessions_of_ipv4():
    """A web server that listens on [::] serves IPv4 by mapped addresses."""
    state = seen(
        "sessions",
        "7",
        "0A0200C0:0050 1",
        "0000000000000000FFFF00000A0200C0:0050 2",
        "B80D012000005B000000000010000000:0050 4",
    )

    assert state.sessions == {
        (ip_address("192.0.2.10"), 80): 3,
        (ip_address("2001:db8:5b::10"), 80): 4,
    }


GARBAGE = {
    "system": ["web1", "web1 5e 6.1 ID=debian", "a=b\nc=d\ne=f\nID=g", "web1\nboot\n6.1\nOS=x"],
    "packages": [],
    "files": ["=644 0 0", "=rwx 0 0 /a", "word", "=644 root root /a", "=644 0 0 /no/digest"],
    "sysctls": ["net.ipv4.ip_forward = 1", "grep"],
    "facts": [
        "0",
        "MemTotal: 4 kB",
        "MemTotal: 4 kB\n0",
        "0-\nMemTotal: 4 kB",
        "3-0\nMemTotal: 4 kB",
        "0-1-2\nMemTotal: 4 kB",
        "0,\nMemTotal: 4 kB",
        "-1\nMemTotal: 4 kB",
        "0\nMemFree: 4 kB",
        "0\nMemTotal: 4 MB",
        "0\nMemTotal: 0 kB",
        "0\nMemTotal: -4 kB",
        "0\nMemTotal: 4",
        "0\nMemTotal: 1_0 kB",
    ],
    "recorded": [
        "web1",
        "web1 1 1",
        "web1 0 1 02:5b:00:00:00:0b",
        "web1 1 -1 02:5b:00:00:00:0b",
        "web1 one 1 02:5b:00:00:00:0b",
        "web1 1 1 02:5b:00:00:00",
        "web1 1 1 02:5B:00:00:00:0B",
        "web1 1 1 02:5b:00:00:00:0b more",
        "web1 1 1 02:5b:00:00:00:0b\nweb1 1 1 02:5b:00:00:00:0b",
    ],
    "addresses": ["Cannot find device", "1: lo    inet here/8", "2: eth0"],
    "links": [
        "",
        "2: eth0: <UP> mtu 1500",
        "2: eth0\\ link/infiniband 00",
        "x link/ether",
        "2: eth0 link/ether 02:5b:00:00:00:0b;reboot",
        "2: eth0 link/ether 02:5B:00:00:00:0B",
    ],
    "resets": ["192.0.2", "src_ip 192.0.2.10"],
    "units": ["LoadState=loaded", "Failed to connect to bus", "Id=a\nLoadState=loaded"],
    "table": [
        "Can't initialize ipvs: Permission denied\na\nb\nc",
        "\n".join((*TABLE, "FWM  one rr")),
        "\n".join((*TABLE, "FWM  1 IPv6")),
        "\n".join((*TABLE, "  -> 192.0.2.11:80   Route   1   0   0")),
        "\n".join((*TABLE, "TCP  192.0.2.10:http mh")),
        "\n".join((*TABLE, "TCP  192.0.2.10:80 mh", "  -> 192.0.2.11:80 Route x 0 0")),
        "\n".join((*TABLE, "TCP  192.0.2.10:80 mh", "  -> 192.0.2.11:80 Route 1")),
    ],
    "demotion": ["x", "1 2", "0x1", "1.5"],
    "drained": ["", "today", "1795383051\nweb1", "1795383051\nweb1 1.5", "1\nweb1 1 then ops@b"],
    "upgrade": [
        "keepalived",
        "null",
        "[]",
        "{}",
        '{"stage": "done"}',
        '{"stage": "done"}\n{"stage": "done"}',
        '{"run": "a", "by": "b", "since": 1, "component": "c", "stage": "begun", "before": {}, '
        '"target": {}, "boot": "d"}',
        '{"run": "a", "by": "b", "since": 1, "component": "c", "stage": "done", "before": [], '
        '"target": {}, "boot": "d"}',
    ],
    "sessions": ["", "1", "0\n0A0200C0:0050 1", "1\n0A0200C0:0050", "1\n0A0200C0 1", "many"],
    "drop_in": ["newer", "read\nread", "unread\nread", "Read"],
    "listening": ["sl", "0:0:0", "00000000", "000000:0050", "-0000001:0050", "zzzzzzzz:0050"],
    "keepalived": [
        "[",
        "{}",
        "5",
        "null",
        '{"vrrp": 5}',
        '["a"]',
        "[{}]",
        '[{"data":{"iname":"web"}}]',
        '[{"data":{"iname":"web","state":9,"base_priority":1,"effective_priority":1}}]',
        '[{"data":{"iname":"web","state":"MASTER","base_priority":1,"effective_priority":1}}]',
        '[{"data":{"iname":"web","state":-1,"base_priority":1,"effective_priority":1}}]',
    ],
    "claims": ["claim", "claim here aa", "peer web1", "answer 192.0.2.10 http web1 aa", "socket: "],
}


@pytest.mark.parametrize(
    ("section", "text"), [(section, text) for section, some in GARBAGE.items() for text in some]
)
def test_garbage_is_unknown_with_a_reason(section, text):
    assert reason(section, *text.splitlines())


@pytest.mark.parametrize("section", [s for s in SECTIONS if s not in {"sync", "modules"}])
def test_nested_garbage_stops_nothing(section):
    assert isinstance(seen(section, "[" * 100_000), NodeState)


@given(
    st.sampled_from(SECTIONS),
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=30)),
)
@steady(100)
def test_whatever_stands_in_a_section_only_that_section_suffers(section, lines):
    """A parser that raises would leave whoever waits for the look waiting."""
    text = with_section(RECORDED["web1"], section, [f".{line}" for line in lines])

    assert parse("web1", text).unknown.keys() <= {section}
