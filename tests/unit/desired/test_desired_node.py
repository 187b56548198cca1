"""What a node must have beside keepalived.conf: files, kernel, packages, units."""

from __future__ import annotations

import hashlib
import os
import subprocess
from ipaddress import ip_address
from pathlib import Path

import pytest
from clusters import PASSWORD
from described_twice import cluster
from made import ACTIVE, CASES, V4, made, made_afresh

from selfbalance.desired import File, masked, places
from selfbalance.model import Cluster
from selfbalance.model.standing import Standing, demotion, priority

EVERY = pytest.mark.parametrize("case", CASES)
MODES = {
    "/etc/modules-load.d/selfbalance.conf": 0o644,
    "/etc/sysctl.d/60-selfbalance.conf": 0o644,
    "/etc/systemd/system/selfbalance-vip.service": 0o644,
    "/etc/systemd/system/selfbalance-watch.service": 0o644,
    "/etc/systemd/system/keepalived.service.d/selfbalance.conf": 0o644,
    "/etc/keepalived/selfbalance-guard": 0o700,
    "/etc/keepalived/selfbalance-watch": 0o700,
    "/var/lib/selfbalance/description": 0o644,
    "/etc/keepalived/keepalived.conf": 0o600,
}


def _content(case: str, path: str, name: str = "web1") -> str:
    return {file.path: file.content for file in made(CASES[case])[name].all_files}[path]


def _lines(case: str, path: str, name: str = "web1") -> list[str]:
    lines = _content(case, path, name).splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@EVERY
def test_files_are_roots_alone_and_none_lies_in_tmp(case):
    for node in made(CASES[case]).values():
        assert {file.path: file.mode for file in node.all_files} == MODES
        assert node.all_files[-1] is node.config
        for file in node.all_files:
            told = [line for line in file.content.splitlines() if not line.startswith("#")]
            # What keepalived takes for /tmp is a folder of its own.
            told = [line for line in told if line != f"BindPaths={places.DUMPS}:/tmp"]
            assert "/tmp" not in "\n".join(told)
            assert file.content.endswith("\n")
            if file.path != places.DESCRIPTION:  # JSON has no comments.
                assert file.content.startswith(
                    ("# Written by selfbalance", "#!/bin/sh\n# W", "#!/usr/bin/perl\n# W")
                )


ROOTS_OWN = (
    "/etc/",
    "/var/lib/selfbalance",
    "/var/lib/dpkg/",
    "/var/lib/glusterd",
    "/var/log/",
    "/run/",
)


def test_no_place_of_a_node_is_in_tmp():
    paths = [value for name, value in vars(places).items() if name.isupper()]

    assert len(paths) >= 10
    assert all(path.startswith(ROOTS_OWN) for path in paths)


@EVERY
def test_the_same_description_gives_the_same_node(case):
    assert made_afresh(CASES[case]) == made_afresh(CASES[case])


def test_only_a_file_with_a_password_is_secret_and_shows_it_to_nobody():
    node = made(CASES["version 2 with a password"])["web1"]

    assert PASSWORD in node.config.content
    assert [file.path for file in node.all_files if file.secret] == [places.CONFIG]
    assert node.config.mode == 0o600
    assert PASSWORD not in repr(node)
    assert PASSWORD not in repr(node.config)
    assert PASSWORD not in masked(node.config.content)
    assert "auth_pass ********\n" in masked(node.config.content)
    assert not made(CASES["version 2"])["web1"].config.secret


@EVERY
def test_masking_changes_nothing_but_the_password(case):
    text = made(CASES[case])["web1"].config.content

    assert masked(text) == text.replace(PASSWORD, "********")


def test_a_digest_is_what_sha256sum_prints():
    assert File("/a", "ä\n", 0o644).sha256 == hashlib.sha256("ä\n".encode()).hexdigest()


SYSCTLS = {
    "net.ipv4.conf.all.arp_announce": "2",
    "net.ipv4.conf.all.arp_ignore": "1",
    "net.ipv4.vs.backup_only": "1",
    "net.ipv4.vs.expire_nodest_conn": "1",
    "net.ipv4.vs.expire_quiescent_template": "1",
    "net.ipv4.vs.conn_reuse_mode": "3",
    "net.ipv4.vs.sync_refresh_period": "10",
    "net.ipv4.vs.sync_retries": "2",
    "net.ipv4.vs.sync_threshold": "3 0",
}
SLOPPY, STRICT = {"net.ipv4.vs.sloppy_tcp": "1"}, {"net.ipv4.vs.sloppy_tcp": "0"}


@pytest.mark.parametrize(
    ("schedulers", "more"),
    [(("mh", "mh"), SLOPPY), (("wrr", "sh"), SLOPPY), (("wrr", "lc"), STRICT)],
)
def test_sysctls_are_those_of_the_parts_in_use(schedulers, more):
    first, second = schedulers
    described = cluster(("services.0.scheduler", first), ("services.1.scheduler", second))
    node = made(described)["web2"]

    assert node.sysctls == SYSCTLS | more
    assert list(node.sysctls) == sorted(node.sysctls)
    written = {file.path: file.content for file in node.files}[places.SYSCTLS]
    assert written.splitlines()[1:] == [f"{k} = {v}" for k, v in node.sysctls.items()]


@pytest.mark.parametrize(
    ("schedulers", "modules"),
    [
        (("mh", "mh"), ("ip_vs", "ip_vs_mh")),
        (("wrr", "mh"), ("ip_vs", "ip_vs_wrr", "ip_vs_mh")),
    ],
)
def test_modules_are_loaded_once_each_ip_vs_first(schedulers, modules):
    first, second = schedulers
    described = cluster(("services.0.scheduler", first), ("services.1.scheduler", second))
    node = made(described)["web1"]

    assert node.modules == modules
    written = {file.path: file.content for file in node.files}[places.MODULES]
    assert tuple(written.splitlines()[1:]) == modules


def test_a_node_as_plain_data():
    node = made(CASES["both families"])["web2"]

    assert node.name == "web2"
    assert node.interface == "bond0"
    assert node.priority == priority(1)
    assert node.standings == {demotion(1, standing): standing for standing in Standing}
    assert node.packages == ("keepalived", "ipvsadm")
    assert node.units == (
        "selfbalance-vip.service",
        "keepalived.service",
        "selfbalance-watch.service",
    )
    assert node.vips == (ip_address("192.0.2.10"), ip_address("2001:db8::10"))
    assert node.vip_interface == "lo"
    assert node.sync_daemon
    assert node.peers == {"web1": ip_address("192.0.2.11"), "web3": ip_address("192.0.2.13")}
    assert [(str(s.vip), s.port) for s in node.services] == [
        ("192.0.2.10", 80),
        ("192.0.2.10", 443),
        ("2001:db8::10", 80),
        ("2001:db8::10", 443),
    ]
    assert [list(map(str, s.weights)) for s in node.services[1:3]] == [
        ["192.0.2.11", "192.0.2.12", "192.0.2.13"],
        ["2001:db8::11", "2001:db8::12", "2001:db8::13"],
    ]


def test_every_node_has_the_same_table():
    nodes = made(CASES["sixteen nodes"]).values()

    assert len(nodes) == 16
    assert all(node.services == next(iter(nodes)).services for node in nodes)


def test_the_vips_stand_on_lo_before_keepalived_starts():
    unit = _lines("both families", places.VIP_UNIT)

    assert [line for line in unit if line.startswith("ExecStart=")] == [
        "ExecStart=/bin/ip addr replace 192.0.2.10/32 dev lo scope host",
        "ExecStart=/bin/ip -6 addr replace 2001:db8::10/128 dev lo nodad preferred_lft 0",
        "ExecStart=-/sbin/tc qdisc add dev bond0 clsact",
        "ExecStart=/sbin/tc filter replace dev bond0 egress pref 53 protocol ip handle 1 "
        "flower ip_proto tcp src_ip 192.0.2.10 tcp_flags 0x4/0x14 action drop",
        "ExecStart=/sbin/tc filter replace dev bond0 egress pref 54 protocol ipv6 handle 2 "
        "flower ip_proto tcp src_ip 2001:db8::10 tcp_flags 0x4/0x14 action drop",
        # What a tunnel has left, if the cluster had one.
        "ExecStart=-/sbin/tc filter del dev bond0 egress pref 55",
        "ExecStart=-/sbin/tc filter del dev bond0 egress pref 56",
    ]
    assert "Before=keepalived.service" in unit
    assert "After=systemd-modules-load.service systemd-sysctl.service network-online.target" in unit
    assert "WantedBy=multi-user.target" in unit
    assert not [line for line in unit if line.startswith("ExecStop")]


def test_a_keepalived_that_hangs_is_watched():
    unit = _lines("both families", places.WATCH_UNIT)

    assert f"ExecStart={places.WATCH}" in unit
    assert "Restart=always" in unit
    assert "WantedBy=multi-user.target" in unit


@pytest.mark.parametrize("case", CASES)
def test_a_stop_of_keepalived_by_whomever_hands_over_first(case):
    drop_in = _lines(case, places.DROP_IN)

    assert f"ExecStartPre={places.GUARD} fresh" in drop_in
    assert f"ExecStop={places.GUARD} stop" in drop_in
    assert f"ExecStopPost={places.GUARD} clean-up" in drop_in
    assert f"BindPaths={places.DUMPS}:/tmp" in drop_in
    assert "RuntimeDirectoryMode=0700" in drop_in


def test_keepalived_does_not_start_without_a_place_for_its_own_table():
    drop_in = _lines("snapshot", places.DROP_IN)
    unit = "\n".join(_lines("snapshot", places.WATCH_UNIT))

    assert drop_in.index(f"ExecStartPre={places.GUARD} apart") < drop_in.index(
        f"ExecStartPre={places.GUARD} fresh"
    )
    assert "ip netns add selfbalance" in unit
    assert "ip -n selfbalance link set lo up" in unit
    assert f"ExecStartPre={places.GUARD} apart" not in _lines("three nodes", places.DROP_IN)


@pytest.mark.parametrize(
    ("case", "name", "interface", "seconds"),
    [
        ("both families", "web1", "bond0", 4),
        ("calm", "web1", "bond0", 5),
        ("version 2", "web1", "bond0", 7),
        ("own interface", "web2", "eth1", 4),
    ],
)
def test_the_guard_knows_its_node(case, name, interface, seconds):
    guard = _lines(case, places.GUARD, name)
    (stop,) = [line for line in _lines(case, places.DROP_IN) if line.startswith("TimeoutStopSec=")]

    assert f"interface={interface}" in guard
    assert 'vips="192.0.2.10 2001:db8::10"' in guard
    assert f"patience_s={seconds}" in guard
    assert int(stop.split("=")[1]) > seconds + 2


def _guard(folder: Path, described: Cluster = CASES["three nodes"], name: str = "web1") -> Path:
    """The guard as a node has it, but lo its interface and its demotion in a folder of the test."""
    text = {f.path: f.content for f in made(described)[name].all_files}[places.GUARD]
    for real, here in (("/var/lib/selfbalance", f"{folder}/lib"), ("=bond0", "=lo")):
        assert real in text
        text = text.replace(real, here)
    script = folder / "guard"
    script.write_text(text, encoding="utf-8")
    return script


def _run(
    script: Path, *words: str, path: str = "/usr/sbin:/usr/bin:/sbin:/bin"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(script), *words], env={"PATH": path}, capture_output=True, text=True, check=False
    )


def test_a_node_that_starts_stands_back(tmp_path):
    ran = _run(_guard(tmp_path), "fresh")

    written = tmp_path / "lib" / "demotion"
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert written.read_text(encoding="utf-8") == f"{demotion(0, Standing.FRESH)}\n"
    assert written.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("answer", "unpacked_at", "written"),
    [("echo 36", 2, "36\n"), ("echo 36", 0, "1\n"), ("exit 1", 2, "")],
    ids=["another one is installed", "the same one is", "one that cannot say"],
)
def test_a_node_that_starts_writes_down_how_its_keepalived_is_asked(
    tmp_path, answer, unpacked_at, written
):
    unpacked, number = tmp_path / "keepalived.list", tmp_path / "lib" / "json-signal"
    guard = _guard(tmp_path)
    guard.write_text(guard.read_text().replace(places.UNPACKED, str(unpacked)))
    (tmp_path / "keepalived").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "keepalived").chmod(0o700)
    number.parent.mkdir()
    number.write_text("1\n")
    unpacked.touch()
    os.utime(number, (1, 1))
    os.utime(unpacked, (unpacked_at, unpacked_at))

    ran = _run(guard, "fresh", path=f"{tmp_path}:/usr/bin:/bin")

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert (number.read_text() if number.exists() else "") == written


def test_a_node_that_serves_stands_back_no_longer(tmp_path):
    _run(_guard(tmp_path), "serving")

    assert (tmp_path / "lib" / "demotion").read_text(encoding="utf-8") == "0\n"


def _demotions(folder: Path) -> dict[str, int]:
    return {file.name: int(file.read_text()) for file in (folder / "lib").glob("demotion*")}


def test_a_node_stands_back_in_each_instance_by_its_place_there(tmp_path):
    _run(_guard(tmp_path, ACTIVE, "web2"), "fresh")

    assert _demotions(tmp_path) == {
        "demotion": demotion(1, Standing.FRESH),
        "demotion-52": demotion(0, Standing.FRESH),
    }


def test_a_node_that_serves_one_instance_stands_back_in_the_other(tmp_path):
    guard = _guard(tmp_path, ACTIVE, "web2")
    _run(guard, "fresh")
    _run(guard, "serving", "web-52")

    assert _demotions(tmp_path) == {"demotion": demotion(1, Standing.FRESH), "demotion-52": 0}


def test_the_guard_refuses_what_it_does_not_know(tmp_path):
    ran = _run(_guard(tmp_path), "dance")

    assert (ran.returncode, ran.stderr) == (2, "unknown: dance\n")


def test_a_hand_over_without_a_running_keepalived_is_over_at_once(tmp_path):
    ran = _run(_guard(tmp_path), "stop")

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert not (tmp_path / "lib").exists()


def test_each_instance_is_the_own_of_one_node_where_there_are_several():
    assert {name: node.own_instances for name, node in made(ACTIVE).items()} == {
        "web1": ("web",),
        "web2": ("web-52",),
        "web3": (),
    }
    assert all(not node.own_instances for node in made(CASES["both families"]).values())


def test_one_service_less_is_one_table_row_less_for_each_vip():
    described = cluster(V4)
    fewer = described.model_copy(update={"services": described.services[:1]})

    assert len(made(described)["web1"].services) - len(made(fewer)["web1"].services) == 1
