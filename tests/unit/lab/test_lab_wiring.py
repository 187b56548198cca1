"""How nodes are started and reached: the words of UML's and ssh's command lines."""

from pathlib import Path

import pytest

from selfbalance.lab import model, node, ssh
from selfbalance.lab.network import Namespaces
from selfbalance.lab.state import LabState, StateFolder

WEB1, WEB2 = model.nodes(2)


@pytest.mark.parametrize(
    ("transport", "wiring"),
    [
        ("tap", "vec0:transport=tap,ifname=port-web1,mac=02:5b:00:00:00:0b,depth=128,gro=1"),
        ("raw", "vec0:transport=raw,ifname=guest-web1,mac=02:5b:00:00:00:0b,depth=128,gro=1"),
    ],
)
def test_a_node_is_told_its_disk_its_port_and_its_address(transport, wiring):
    state = LabState("lab", "trixie", "bond0", transport, 512, "/image", False, (WEB1,))
    words = node.kernel_arguments(StateFolder("lab"), state, WEB1)
    assert wiring in words
    assert f"ubd0={StateFolder('lab').path}/web1.cow,/image/base.img" in words
    assert f"ubd1={StateFolder('lab').path}/web1.data" in words
    assert {"mem=512M", "lab.interface=bond0", "lab.address=192.0.2.11/24"} <= set(words)
    assert "lab.address6=2001:db8:5b::11/64" in words
    assert "systemd.hostname=web1" in words


def test_a_node_is_told_its_gateway_only_where_there_is_a_router():
    near, far = model.nodes(2, far=1)
    state = LabState("lab", "trixie", "eth0", "tap", 512, "/image", False, (near, far))
    flat = LabState("lab", "trixie", "eth0", "tap", 512, "/image", False, (WEB1,))

    def gateways(of: LabState, one: model.LabNode) -> list[str]:
        words = node.kernel_arguments(StateFolder("lab"), of, one)
        return [word for word in words if word.startswith("lab.gateway")]

    assert gateways(state, near) == ["lab.gateway=192.0.2.1", "lab.gateway6=2001:db8:5b::1"]
    assert gateways(state, far) == ["lab.gateway=198.51.100.1", "lab.gateway6=2001:db8:5c::1"]
    assert gateways(flat, WEB1) == []


def test_root_enters_two_namespaces_and_a_user_three():
    assert Namespaces(7, 8, user=False).command("true") == [
        "nsenter",
        "--net=/proc/8/ns/net",
        "--pid=/proc/7/ns/pid",
        "--",
        "true",
    ]
    assert Namespaces(7, 7, user=True).look("true") == [
        "nsenter",
        "--user=/proc/7/ns/user",
        "--preserve-credentials",
        "--net=/proc/7/ns/net",
        "--",
        "true",
    ]


def test_ssh_is_strict_and_goes_through_the_hub():
    text = ssh.ssh_config((WEB1, WEB2), ["nsenter", "nc"], Path("/key"), Path("/known"))
    assert text.count("Host web") == 2
    assert "HostName 192.0.2.12" in text
    assert text.count("StrictHostKeyChecking yes") == 2
    assert "ProxyCommand nsenter nc\n" in text


def test_a_connection_that_is_kept_has_a_short_socket_of_the_node_s_own_and_ends_by_itself():
    words = ssh.kept(Path("/state/lab/ssh_config"), "web1", "-o", "BatchMode=yes")
    assert words[:3] == ["ssh", "-F", "/state/lab/ssh_config"]
    assert {"ControlMaster=auto", "ControlPersist=10", "ControlPath=web1.ssh"} <= set(words)
    assert words[-3:] == ["-o", "BatchMode=yes", "web1"]


def test_a_node_is_known_under_each_of_its_names():
    assert ssh.known_hosts((WEB1,), "ssh-ed25519 AAAA") == (
        "web1,192.0.2.11,2001:db8:5b::11 ssh-ed25519 AAAA\n"
    )
