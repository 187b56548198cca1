"""keepalived's own word: what is made of any valid cluster passes `keepalived -t` in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from clusters import INTERFACES, PASSWORD, clusters, secrets_of, steady
from hypothesis import given
from hypothesis import strategies as st

from selfbalance import Check, Cluster, Node, Service, Vip, VrrpOptions
from selfbalance.desired import desire, places
from selfbalance.model.cluster import MAX_VIPS
from selfbalance.operations import shell
from selfbalance.plugins import Plugins
from selfbalance.plugins.builtin.kernel_schedulers import SCHEDULERS
from selfbalance.secrets import _VRRP_PASSWORD
from selfbalance.testing.keepalived import TEST, Namespace

PLUGINS = Plugins()
SHIPPED = str(shell.test_config().get_raw_value())


def confs(cluster: Cluster, password: str | None = None) -> list[str]:
    """Every node's keepalived.conf, as a deploy would stage it."""
    PLUGINS.check(cluster, "prod.toml")
    secrets = dict.fromkeys(secrets_of(cluster), password or PASSWORD)
    return [node.config.content for node in desire(cluster, PLUGINS, secrets).values()]


def judged(namespace: Namespace, conf: str, command: str = TEST) -> tuple[int, str]:
    """What keepalived says about a staged configuration: exit code and every word."""
    return namespace.judge(conf, command)


def small(**more: object) -> Cluster:
    return Cluster(
        **{
            "name": "web",
            "interface": "eth0",
            "nodes": [Node(name=f"web{n}", address=f"192.0.2.1{n}") for n in (1, 2, 3)],
            "vips": [Vip(address="192.0.2.10")],
            "services": [Service(name="http", port=80)],
            **more,
        }
    )


WIRES = st.sampled_from(INTERFACES)


@steady(250)
@given(cluster=clusters(WIRES) | clusters(WIRES, standby="source-mac"))
def test_every_configuration_of_every_valid_cluster_passes_in_silence(namespace, cluster):
    made = confs(cluster)
    paths = [f"{Path(places.CONFIG).parent}/{number}.conf" for number in range(len(made))]
    for path, conf in zip(paths, made, strict=True):
        namespace.place(path).write_text(conf, encoding="utf-8")

    tests = f'for file in {" ".join(paths)}; do keepalived -t -f "$file" || exit; done'
    assert namespace.run(tests) == (0, "")


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("flags", ["default", "none", "all"])
def test_every_scheduler_passes_with_its_flags(namespace, name, flags):
    chosen = {"default": None, "none": (), "all": SCHEDULERS[name].flags}[flags]
    service = Service(name="http", port=80, scheduler=name, scheduler_flags=chosen)

    assert judged(namespace, confs(small(services=[service]))[0]) == (0, "")


def test_a_table_apart_passes_before_its_namespace_is_there(namespace):
    assert not Path(places.NAMESPACE).exists()
    assert judged(namespace, confs(small(standby="snapshot"))[0]) == (0, "")


FAR = {
    "192.0.2.10": [("192.0.2.11", True), ("192.0.2.12", True), ("198.51.100.13", False)],
    "2001:db8::10": [("2001:db8::11", True), ("2001:db8::12", True), ("2001:db8:1::13", False)],
}


@pytest.mark.parametrize("standby", ["backup-only", "snapshot"])
@pytest.mark.parametrize("method", ["tun", "tun-gue"])
@pytest.mark.parametrize("vip", FAR)
def test_every_tunnel_passes_on_directors_and_on_a_node_that_only_serves(
    namespace, method, vip, standby
):
    nodes = [
        Node(name=f"web{n}", address=address, director=director)
        for n, (address, director) in enumerate(FAR[vip], 1)
    ]
    described = small(nodes=nodes, vips=[Vip(address=vip)], forwarding=method, standby=standby)

    for conf in confs(described):
        assert judged(namespace, conf) == (0, "")


ALLOWED = [chr(code) for code in range(32, 127) if _VRRP_PASSWORD.fullmatch(chr(code))]


@pytest.mark.parametrize("character", ALLOWED)
def test_every_character_of_a_password_passes(namespace, character):
    cluster = small(detection="calm", vrrp=VrrpOptions(version=2, password="env:A"))

    assert judged(namespace, confs(cluster, character * 8)[0]) == (0, "")


SIX = [Node(name=f"web{n}", address=f"2001:db8::1{n}") for n in (1, 2)]
FULL = [
    small(vips=[Vip(address=f"192.0.2.{n + 100}") for n in range(MAX_VIPS)]),
    small(
        nodes=SIX,
        vips=[Vip(address=f"2001:db8:{'1111:' * 5}{n + 4096:x}") for n in range(MAX_VIPS)],
    ),
    small(services=[Service(name=f"s{n}", port=n + 1) for n in range(100)]),
    small(
        name="x" * 30,
        nodes=[Node(name=f"{n:x<30}", address=f"192.0.2.{n + 11}") for n in range(16)],
        vips=[Vip(address="192.0.2.10", vrid=255)],
    ),
    small(
        services=[
            Service(
                name="http",
                port=80,
                check=Check(kind="http", path="/" + "x" * 200, host=".".join(["y" * 63] * 3)),
            )
        ]
    ),
]


@pytest.mark.parametrize(
    "cluster", FULL, ids=["IPv4 VIPs", "IPv6 VIPs", "services", "names", "url"]
)
def test_the_most_that_the_model_allows_passes(namespace, cluster):
    for conf in confs(cluster):
        assert judged(namespace, conf) == (0, "")


REFUSED = [
    # what is changed into what, what keepalived says
    ("priority ", "prioritty ", "Unknown keyword 'prioritty'"),
    ("inhibit_on_failure", "inhibit_on_failur", "Unknown keyword 'inhibit_on_failur'"),
    ("    BFD_CHECK", "    BDF_CHECK", "Unknown keyword 'BDF_CHECK'"),
    ("lvs_sync_daemon eth0", "lvs_sync_demon eth0", "Unknown keyword 'lvs_sync_demon'"),
    ("interface eth0", "interface eth9", "eth9"),
    ("idle_tx 1000", "idle_tx 999", "idle_tx"),
    ("virtual_router_id 51", "virtual_router_id 256", "VRID"),
    ("lvs_sched mh", "lvs_sched mhh", "mhh"),
    ("name web2", "name web9", "web9"),
    ("vrrp_notify_fifo", "vrrp_notify_fifu", "Unknown keyword 'vrrp_notify_fifu'"),
    ("weight 1\n", "weight 0\n", "exceeds total weight of real servers 0"),
    ("weight 1\n", "weight 2147483648\n", "outside range"),
]


@pytest.mark.parametrize(("right", "wrong", "said"), REFUSED)
def test_the_command_that_we_ship_refuses_what_keepalived_would_ignore(
    namespace, right, wrong, said
):
    good = confs(small())[0]
    bad = good.replace(right, wrong)
    assert bad != good

    code, words = judged(namespace, bad, SHIPPED)

    assert code == 1
    assert words.startswith(f"keepalived refuses {places.STAGED_CONFIG} (exit ")
    assert said in words


@pytest.mark.parametrize("wrong", ["", "}\n", '"\n'])
def test_the_command_that_we_ship_passes_what_is_right_and_stops_at_what_is_cut(namespace, wrong):
    good = confs(small())[0]

    assert judged(namespace, good, SHIPPED) == (0, "")
    if wrong:
        assert judged(namespace, good + wrong, SHIPPED)[0] == 1
    else:
        assert judged(namespace, good[: good.rindex("}")], SHIPPED)[0] == 1


def test_the_command_that_we_ship_refuses_a_file_that_is_not_there(namespace):
    namespace.place(places.STAGED_CONFIG).unlink(missing_ok=True)

    code, words = namespace.run(SHIPPED)

    assert code == 1
    assert places.STAGED_CONFIG in words


def test_this_place_notices_an_interface_that_is_missing(namespace):
    """The proof that silence above means something: the namespace is a private one."""
    code, words = judged(namespace, confs(small(interface="eth77"))[0])

    assert code != 0
    assert "eth77" in words
