"""What a node must have for the volumes that it shares, and nothing of it where there is none."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import pytest
from clusters import clusters, steady
from described_twice import cluster
from hypothesis import given
from made import CASES, V4, made

from selfbalance.desired import DesiredNode, DesiredVolume, places
from selfbalance.model import Cluster

SHARED = {"name": "shared", "brick": "/data/shared", "mount": "/srv/shared"}
FOURTH = ("nodes.3", {"name": "web4", "address": "192.0.2.14", "address6": "2001:db8::14"})
FAR = ("nodes.2", {"name": "web3", "address": "198.51.100.13", "director": False})
UNIT = f"{places.UNITS}/srv-shared.mount"


def sharing(*changes: tuple[str, object], **values: object) -> Cluster:
    return cluster(V4, *changes, ("volumes", [{**SHARED, **values}]))


def volume(name: str = "web1", *changes: tuple[str, object], **values: object) -> DesiredVolume:
    (only,) = made(sharing(*changes, **values))[name].volumes
    return only


def test_every_node_has_what_a_volume_needs_beside_all_else():
    plain, node = made(CASES["three nodes"])["web2"], made(sharing())["web2"]

    assert node.packages == (*plain.packages, "glusterfs-server")
    assert node.units == (
        "selfbalance-vip.service",
        "keepalived.service",
        "glusterd.service",
        "selfbalance-watch.service",
        "srv-shared.mount",
    )
    assert node.modules == (*plain.modules, "fuse")
    assert {f.path: f.mode for f in node.files} == {
        **{f.path: f.mode for f in plain.files},
        UNIT: 0o644,
    }
    assert node.volumes == (
        DesiredVolume(
            name="shared",
            mount="/srv/shared",
            mount_unit="srv-shared.mount",
            brick="/data/shared",
            bricks=(
                "192.0.2.11:/data/shared",
                "192.0.2.12:/data/shared",
                "192.0.2.13:/data/shared",
            ),
            arbiter=False,
            options={
                "network.ping-timeout": "10",
                "cluster.heal-timeout": "60",
                "auth.allow": "127.0.0.1,192.0.2.11,192.0.2.12,192.0.2.13",
            },
            on_root=False,
        ),
    )
    assert node.volumes[0].holders == ("192.0.2.11", "192.0.2.12", "192.0.2.13")
    assert node.pool == {"web1": "192.0.2.11", "web2": "192.0.2.12", "web3": "192.0.2.13"}


def test_all_else_of_a_node_is_as_without_a_volume():
    for name, plain in made(CASES["three nodes"]).items():
        node = made(sharing())[name]
        plains = {f.path: f for f in plain.files}
        other = {places.MODULES, places.DESCRIPTION}

        assert (
            replace(
                node,
                packages=plain.packages,
                modules=plain.modules,
                units=plain.units,
                volumes=(),
                pool={},
                files=tuple(
                    plains[file.path] if file.path in other else file
                    for file in node.files
                    if file.path != UNIT
                ),
            )
            == plain
        )


@pytest.mark.parametrize("case", CASES)
def test_without_a_volume_there_is_nothing_of_it(case):
    for node in made(CASES[case]).values():
        assert (node.volumes, node.pool) == ((), {})
        said = " ".join(
            (*node.packages, *node.modules, *node.units, *(f.path for f in node.all_files))
        )
        assert not [word for word in ("gluster", "fuse", ".mount") if word in said]
        assert "gluster" not in "".join(file.content for file in node.all_files)


# --- copies ---


def test_a_node_without_a_copy_only_mounts():
    nodes = made(sharing(FOURTH, replica=3))
    three = ("192.0.2.11:/data/shared", "192.0.2.12:/data/shared", "192.0.2.13:/data/shared")

    assert {name: node.volumes[0].brick for name, node in nodes.items()} == {
        "web1": "/data/shared",
        "web2": "/data/shared",
        "web3": "/data/shared",
        "web4": None,
    }
    assert {node.volumes[0].bricks for node in nodes.values()} == {three}
    assert all("srv-shared.mount" in node.units for node in nodes.values())
    assert nodes["web4"].pool["web4"] == "192.0.2.14"


def test_a_brick_of_a_nodes_own_is_known_to_all():
    nodes = made(sharing(bricks={"web2": "/ssd/shared"}))

    assert [node.volumes[0].brick for node in nodes.values()] == [
        "/data/shared",
        "/ssd/shared",
        "/data/shared",
    ]
    assert {node.volumes[0].bricks[1] for node in nodes.values()} == {"192.0.2.12:/ssd/shared"}


@pytest.mark.parametrize("said", [True, False])
def test_arbiter_and_root_are_what_is_described(said):
    made_of = volume(arbiter=said, on_root=said)

    assert (made_of.arbiter, made_of.on_root) == (said, said)


# --- options ---


def test_an_option_of_the_description_is_preferred_to_ours():
    options = volume(options={"network.ping-timeout": "5", "storage.owner-uid": "33"}).options

    assert options["network.ping-timeout"] == "5"
    assert options["storage.owner-uid"] == "33"
    assert options["auth.allow"].startswith("127.0.0.1,192.0.2.11,")


def test_who_may_mount_are_this_machine_the_nodes_and_the_clients_that_are_named():
    options = volume("web1", FOURTH, replica=3, clients=["198.51.100.7", "2001:db8::7"]).options

    assert options["auth.allow"] == (
        "127.0.0.1,192.0.2.11,192.0.2.12,192.0.2.13,192.0.2.14,198.51.100.7,2001:db8::7"
    )


# --- the mount unit ---

TEXT = """\
[Unit]
Description=Volume shared of web
Wants=glusterd.service network-online.target
After=glusterd.service network-online.target
Before=remote-fs.target nginx.service apache2.service lighttpd.service caddy.service

[Mount]
What=localhost:/shared
Where=/srv/shared
Type=glusterfs
Options=_netdev,backup-volfile-servers=192.0.2.11:192.0.2.13
TimeoutSec=60

[Install]
WantedBy=remote-fs.target multi-user.target
"""


def unit_of(node: DesiredNode, path: str = UNIT) -> str:
    return {file.path: file.content for file in node.files}[path]


def test_the_mount_asks_the_node_itself_and_the_others_when_that_is_down():
    text = unit_of(made(sharing())["web2"])

    assert text.startswith("# Written by selfbalance.")
    told = [line for line in text.splitlines(keepends=True) if not line.startswith("#")]
    assert "".join(told) == TEXT


def test_a_node_behind_a_router_mounts_too():
    node = made(sharing(("forwarding", "tun"), FAR))["web3"]

    assert not node.director
    assert "Options=_netdev,backup-volfile-servers=192.0.2.11:192.0.2.12\n" in unit_of(node)
    assert node.modules[-1] == "fuse"
    assert node.units[-1] == "srv-shared.mount"


def test_each_volume_has_a_unit_of_its_own_name():
    other = {"name": "other", "brick": "/data/other", "mount": "/srv/my-files.d"}
    node = made(cluster(V4, ("volumes", [SHARED, other])))["web1"]

    assert [each.name for each in node.volumes] == ["shared", "other"]
    assert node.units[-2:] == ("srv-shared.mount", r"srv-my\x2dfiles.d.mount")
    text = unit_of(node, rf"{places.UNITS}/srv-my\x2dfiles.d.mount")
    assert "What=localhost:/other\nWhere=/srv/my-files.d\n" in text


@given(clusters(max_nodes=4, volumes=True))
@steady(20)
def test_of_any_cluster_each_mount_has_its_unit_and_each_copy_is_known_to_all(described):
    nodes = made(described)

    assert len({tuple(v.bricks for v in node.volumes) for node in nodes.values()}) == 1
    for node in nodes.values():
        paths = {file.path for file in node.files}
        for each in node.volumes:
            assert each.mount_unit in node.units
            assert f"{places.UNITS}/{each.mount_unit}" in paths
            own = f"{node.pool[node.name]}:{each.brick}"
            assert (own in each.bricks) is (each.brick is not None)
            assert len({*each.bricks}) == len(each.bricks) >= 3


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
@pytest.mark.parametrize("mount", ["/srv/shared", "/srv/my-files.d", "/.x/-y"])
def test_systemd_accepts_the_unit_under_its_name(tmp_path, mount):
    """A unit whose name is not that of its mount point is refused when it is loaded."""
    (unit,) = made(sharing(mount=mount))["web1"].files[-4:-3]
    file = tmp_path / unit.path.rpartition("/")[2]
    file.write_text(unit.content)
    daemon = "[Service]\nExecStart=/bin/true\n"
    (tmp_path / "glusterd.service").write_text(daemon)

    said = subprocess.run(
        ["systemd-analyze", "verify", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:/lib/systemd/system", "SYSTEMD_LOG_LEVEL": "notice"},
    )

    assert said.returncode == 0, said.stderr
    assert file.name not in said.stderr
