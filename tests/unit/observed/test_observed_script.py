"""The script that looks: a shell and Perl accept it, it asks for everything, it tells no secret."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from importlib.resources import files
from pathlib import Path

import pytest
from clusters import PASSWORD, clusters, steady
from hypothesis import given
from looks import CLUSTER, DUAL, ROUTED, SHARING, VIP, bare, described, desired, healthy
from printed import printed, sections_of, with_section

from selfbalance import Node, VrrpOptions
from selfbalance.desired import masked
from selfbalance.observed import Drain, NodeState, observation_script, parse

PERL = files("selfbalance.observed").joinpath("claims.pl").read_text(encoding="utf-8")
WITH_PASSWORD = described(
    detection="calm", vrrp=VrrpOptions(version=2, password="env:VRRP_PASSWORD")
)


def script(cluster=CLUSTER, name: str = "web1") -> str:
    return observation_script(cluster, desired(cluster)[name])


def line_of(text: str, begins: str) -> list[str]:
    """The words of the one line that begins so."""
    (line,) = (line for line in map(str.strip, text.splitlines()) if line.startswith(begins))
    return shlex.split(line)


@given(clusters(max_nodes=3) | clusters(max_nodes=4, volumes=True))
@steady(20)
def test_of_any_cluster_a_shell_accepts_it_and_everything_is_asked(cluster):
    for name, want in desired(cluster).items():
        text = observation_script(cluster, want)
        checked = subprocess.run(
            ["sh", "-n"], input=text, text=True, capture_output=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")
        assert PASSWORD not in text
        asked = set(shlex.split(text.replace("<<'PERL'", "").partition("use strict")[0], True))
        node = cluster.node(name)
        paths = {f"/proc/sys/{sysctl.replace('.', '/')}" for sysctl in want.sysctls}
        assert asked >= {*want.packages, *want.units, *paths}
        for volume in want.volumes:
            assert f"\n{volume.name} {volume.brick or '-'} {volume.mount}\n" in text
        assert asked >= {file.path for file in want.all_files}
        assert {module.rstrip(";") for module in asked} >= set(want.modules)
        assert asked >= {f"vip={vip}" for vip in want.vips if want.director}
        assert asked >= {f"port={service.port}" for service in want.services}
        assert asked >= {f"peer={peer}={address}" for peer, address in want.peers.items()}
        assert asked >= {f"self={node.address}"}
        assert want.interface in asked


FILTER = """\
filter protocol ip pref 53 flower chain 0
filter protocol ip pref 53 flower chain 0 handle 0x1
  eth_type ipv4
  ip_proto tcp
  src_ip 192.0.2.10
  tcp_flags 0x4/14
  not_in_hw
\taction order 1: gact action drop
\t random type none pass val 0
\t index 1 ref 1 bind 1

"""
"""What tc of iproute2 6.1 prints of the filter that the VIP's unit makes."""
SIX = FILTER.replace("ipv4", "ipv6").replace("192.0.2.10", "2001:db8:5b::10")
SIZE = (
    FILTER.partition("\taction")[0].replace("0x4/14", "0x12/12")
    + """\
\taction order 1:  pedit action pipe keys 1
\t index 1 ref 1 bind 1
\t key #0  at 40: val 000005a0 mask ffff0000

\taction order 2: csum (tcp) action pass
\tindex 1 ref 1 bind 1

"""
)
SIZE6 = (
    SIZE.replace("ipv4", "ipv6")
    .replace("192.0.2.10", "2001:db8:5b::10")
    .replace("at 40: val 000005a0", "at 60: val 00000578")
)
WHOLE = {
    "none": ("", []),
    "one": (FILTER, ["192.0.2.10"]),
    "both families": (FILTER + SIX, ["192.0.2.10", "2001:db8:5b::10"]),
    "another action": (FILTER.replace("action drop", "action pass"), []),
    "other flags": (FILTER.replace("0x4/14", "0x2/2"), []),
    "no flags": (FILTER.replace("  tcp_flags 0x4/14\n", ""), []),
    "a filter for all": (FILTER.replace("  src_ip 192.0.2.10\n", ""), []),
    "a size that is rewritten": (SIZE, ["192.0.2.10", "1440"]),
    "a size of IPv6": (SIZE6, ["2001:db8:5b::10", "1400"]),
    "a size of any packet": (SIZE.replace("  tcp_flags 0x12/12\n", ""), []),
    "another word": (SIZE.replace("at 40", "at 44"), []),
    "both kinds": (FILTER + SIZE, ["192.0.2.10", "192.0.2.10", "1440"]),
    "halves of two": (FILTER.replace("drop", "pass") + FILTER.replace("  src_ip 192", "x"), []),
}


@pytest.mark.parametrize(("said", "held"), WHOLE.values(), ids=WHOLE)
def test_only_a_whole_filter_holds_resets_back(said, held):
    look = script().partition("section resets\n")[2].partition("section marks")[0]

    ran = subprocess.run(
        ["sh", "-u", "-c", f'tc() {{ printf %s "$SAID"; }}\n{look}'],
        env={"SAID": said, "PATH": "/usr/bin:/bin"},
        text=True,
        capture_output=True,
        check=True,
    )

    assert (ran.stdout.split(), ran.stderr) == (held, "")


def test_each_thing_is_asked_in_its_place():
    text = script(DUAL, "web2")
    want = desired(DUAL)["web2"]
    paths = [file.path for file in want.all_files]

    assert line_of(text, "sha256sum")[1:] == [*paths, "2>/dev/null"]
    assert line_of(text, "stat")[3:] == [*paths, "2>/dev/null"]
    assert line_of(text, "for module")[3:5] == ["ip_vs", "ip_vs_mh;"]
    assert line_of(text, "ip -o link")[5] == "eth0"
    assert line_of(text, "dpkg-query")[-3:] == ["keepalived", "ipvsadm", "2>/dev/null"]
    assert line_of(text, "perl - ")[2:-4] == [
        "eth0",
        "self=192.0.2.12",
        "self=2001:db8:5b::12",
        "vip=192.0.2.10",
        "vip=2001:db8:5b::10",
        "peer=web1=192.0.2.11",
        "peer=web3=192.0.2.13",
        "port=80",
        "port=443",
    ]


def test_a_director_asks_realservers_in_a_tunnel_and_one_that_only_serves_asks_nobody():
    asked = {name: script(ROUTED, name) for name in ("web1", "web3")}

    assert line_of(asked["web1"], "perl - ")[5:-4] == [
        "vip=192.0.2.10",
        "vip=2001:db8:5b::10",
        "peer=web2=192.0.2.12",
        "port=80",
        "wrapped=ipip",
        "real=web2=192.0.2.12",
        "real=web2=2001:db8:5b::12",
        "real=web3=198.51.100.13",
        "real=web3=2001:db8:5c::13",
    ]
    assert line_of(asked["web3"], "perl - ")[5:-4] == ["port=80"]
    assert line_of(asked["web3"], "for each in tunl0")[3:5] == ["tunl0", "ip6tnl0;"]
    assert "--signum=JSON" in asked["web1"]
    assert "--signum=JSON" not in asked["web3"]


@pytest.mark.parametrize("cluster", [CLUSTER, SHARING], ids=["plain", "a volume"])
def test_the_sections_are_those_that_are_read(cluster):
    asked = re.findall(r'^ *(?:section |END \{ print "##)(\w+)', script(cluster), re.MULTILINE)

    assert asked == ["format", *sections_of(cluster), "end"]


def test_perl_accepts_the_question_and_it_stands_in_the_script_as_it_is():
    checked = subprocess.run(
        ["perl", "-c"], input=PERL, text=True, capture_output=True, check=False
    )

    assert checked.returncode == 0, checked.stderr
    assert PERL.strip() in script()
    assert "\nPERL\n" not in PERL


def test_a_secret_is_neither_asked_for_nor_printed():
    """The password stands in the configuration, of which a digest and the second line are read."""
    text = script(WITH_PASSWORD)

    assert PASSWORD in desired(WITH_PASSWORD)["web1"].config.content
    assert PASSWORD not in text
    assert "VRRP_PASSWORD" not in text
    ours = text.partition("section founding\n")[0]
    readers = [line for line in ours.splitlines() if "keepalived.conf" in line]
    assert [line.split()[0] for line in readers] == ["sha256sum", "stat", "if", "{"]
    assert readers[3].strip() == (
        "{ IFS= read -r line && IFS= read -r line; } </etc/keepalived/keepalived.conf"
    )


def test_a_password_in_keepaliveds_dump_is_hidden():
    text = script()
    (command,) = re.findall(r"sed 's.*auth_data.*'(?= \"\$dump\")", text)
    dump = '[{"data":{"iname":"web","auth_data":"s3cret","auth_type":1,"auth_data": "again"}}]'

    shown = subprocess.run(
        ["sh", "-c", command], input=dump, text=True, capture_output=True, check=True
    )

    assert shown.stdout.strip() == (
        '[{"data":{"iname":"web","auth_data": "********","auth_type":1,"auth_data": "********"}}]'
    )
    assert masked(dump) == dump


def test_on_this_machine_it_runs_to_its_end_and_what_is_not_there_is_unknown():
    """Run for real, as far as a machine that is no node allows."""
    cluster = described(interface="nosuchnic0", nodes=[Node(name="a", address="192.0.2.11")])

    ran = subprocess.run(
        ["sh"], input=script(cluster, "a"), text=True, capture_output=True, check=True
    )
    state = parse("a", ran.stdout)

    assert state.unknown["links"] == "no interface nosuchnic0"
    assert state.unknown["claims"].startswith("the question who holds the VIP could not be sent")
    missing = {"links", "claims", "units", "table", "sync", "addresses", "modules"}
    assert state.unknown.keys() <= missing
    assert (state.cores, state.memory_bytes > 0) == (os.cpu_count(), True)
    assert len(state.boot_id) == 36
    assert state.distribution


def part_of(text: str, section: str, below: Path) -> str:
    """One section of the script, whose files are those of a folder."""
    _, _, rest = text.partition(f"    section {section}\n")
    functions = text[text.index("section() {") : text.index("look() {")]
    part = functions + f"section {section}\n" + rest.partition("\n    section ")[0]
    return re.sub(r"(?<![\w./-])/(var|proc)/", rf"{below}/\1/", part)


def run_part(section: str, below: Path, cluster=CLUSTER, name: str = "web1") -> list[str]:
    """What one section prints, in `parse()`'s own words."""
    ran = subprocess.run(
        ["sh"],
        input=part_of(script(cluster, name), section, below),
        text=True,
        capture_output=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    first, *lines = ran.stdout.splitlines()
    assert first == f"##{section}"
    return lines


def parsed(section: str, lines: list[str]) -> NodeState:
    """A healthy node that printed these lines in one section."""
    text = printed(healthy()["web1"], desired()["web1"])
    state = parse("web1", with_section(text, section, lines))
    assert not state.unknown
    return state


def test_a_shell_reads_who_is_drained(tmp_path):
    folder = tmp_path / "var/lib/selfbalance"
    folder.mkdir(parents=True)
    (folder / "drained-web3").write_text("65535 1795380591 CORP\\new ops@bastion\n")
    (folder / "drained-web2").write_text("")
    (folder / "drained-web1").write_text("1")
    (folder / "drained-web2.new").write_text("1\n")
    (folder / "drained-gone").write_text("1\n")

    clock, *lines = run_part("drained", tmp_path)

    assert abs(int(clock) - time.time()) < 60
    assert lines == ["gone 1", "web1 1", "web3 65535 1795380591 CORP\\new ops@bastion"]
    assert parsed("drained", [clock, *lines]).drained == {
        "gone": Drain("somebody by hand", None),
        "web1": Drain("somebody by hand", None),
        "web3": Drain("CORP\\new ops@bastion", 1_795_380_591),
    }


_STATES = {
    "01": "ESTABLISHED",
    "04": "FIN_WAIT1",
    "08": "CLOSE_WAIT",
    "09": "LAST_ACK",
    "0B": "CLOSING",
}
_OTHERS = ("02", "03", "05", "06", "07", "0A", "0C")
_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue\n"


def _socket(local: str, state: str) -> str:
    return f"   0: {local} 0100007F:C350 {state} 00000000:00000000 00:00000000\n"


@pytest.mark.parametrize("six", [True, False], ids=["with IPv6", "without"])
def test_a_shell_counts_who_is_served_and_nobody_else(tmp_path, six):
    """Whoever waits out its end, or knocks only, has nothing to lose; nor is ssh a service."""
    folder = tmp_path / "proc/net"
    folder.mkdir(parents=True)
    vip = "0A0200C0:0050"
    lines = [_socket(vip, state) for state in (*_STATES, *_OTHERS)]
    lines += [_socket("0A0200C0:0016", "01"), _socket("0100007F:0051", "01")]
    (folder / "tcp").write_text(_HEAD + "".join(lines))
    if six:
        mapped = _socket("0000000000000000FFFF00000A0200C0:0050", "01")
        (folder / "tcp6").write_text(_HEAD + mapped)

    lines = run_part("listening", tmp_path)
    found = lines[lines.index("##sessions") + 1 :]

    assert found[0] == str(len(_STATES) + six)
    assert parsed("sessions", found).sessions == {(VIP, 80): len(_STATES) + six}


def test_a_shell_that_cannot_count_does_not_say_zero(tmp_path):
    (tmp_path / "proc/net").mkdir(parents=True)

    ran = subprocess.run(
        ["sh"],
        input=part_of(script(), "listening", tmp_path),
        text=True,
        capture_output=True,
        check=False,
    )

    assert ran.stdout.splitlines()[-2:] == ["##sessions", "!connections could not be counted"]


def test_every_service_is_counted_and_each_port_once():
    (line,) = (line for line in script(DUAL).splitlines() if "count[$2]++" in line)

    assert "/:(0050|01BB)$/" in line


@pytest.mark.parametrize("state", [healthy()["web1"], bare(CLUSTER, "web1")])
def test_a_look_asks_for_no_more_than_a_node_has(state):
    """The other way round: what a look tells of is what the script asks for."""
    text = script()

    assert all(path in text for path in state.files)
    assert all(unit in text for unit in state.units)
