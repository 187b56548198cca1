"""From a description in code or in a file to what a run works with: read, checked, kept secret."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from selfbalance import Cluster, Node, Service, Vip, VrrpOptions
from selfbalance.deployment import Deployment, deployment
from selfbalance.errors import DescriptionError, ObservationError, PluginError, SelfbalanceError
from selfbalance.inventory import DATA_KEY, hosts
from selfbalance.loading import FOLDER
from selfbalance.observed import ClusterState, NodeState, Unobserved
from selfbalance.plugins import Facts, Scheduler, hook

TOML = """
name = "web"
interface = "bond0"
nodes = [{name = "web1", address = "192.0.2.11"}, {name = "web2", address = "192.0.2.12"}]
vips = [{address = "192.0.2.10"}]
services = [{name = "http", port = 80}]
"""
V2 = 'detection = "calm"\nvrrp = {version = 2, password = "file:vrrp"}\n'


def code(**more: object) -> Cluster:
    return Cluster(
        name="web",
        interface="bond0",
        nodes=[Node(name="web1", address="192.0.2.11"), Node(name="web2", address="192.0.2.12")],
        vips=[Vip(address="192.0.2.10")],
        services=[Service(name="http", port=80)],
        **more,
    )


def refused(description: Cluster | Path, base: Path) -> str:
    with pytest.raises(DescriptionError) as caught:
        deployment(description, "prod.py", base)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    return said


def test_code_and_file_make_the_same_of_the_same(tmp_path):
    (tmp_path / "prod.toml").write_text(TOML, encoding="utf-8")

    in_file = deployment(Path("prod.toml"), "prod.py", tmp_path)
    in_code = deployment(code(), "prod.py", tmp_path)

    assert in_file.cluster == in_code.cluster
    assert in_file.desired == in_code.desired
    assert list(in_file.desired) == ["web1", "web2"]


def test_the_built_in_gates_are_there():
    assert list(deployment(code(), "prod.py", Path()).plugins.gates)


def _missing(_path: Path) -> None:
    pass


def _folder(path: Path) -> None:
    path.mkdir()


def _latin_1(path: Path) -> None:
    path.write_bytes(b"# caf\xe9\n" + TOML.encode())


def _utf_16(path: Path) -> None:
    path.write_text(TOML, encoding="utf-16")


def _broken(path: Path) -> None:
    path.write_text("name = web", encoding="utf-8")


def _wrong(path: Path) -> None:
    path.write_text(TOML.replace("port = 80", "port = 0"), encoding="utf-8")


def _empty(path: Path) -> None:
    path.touch()


FILES = [
    (_missing, "cannot be read: No such file or directory"),
    (_folder, "cannot be read: Is a directory"),
    (_latin_1, "is not UTF-8 text, so it is no TOML"),
    (_utf_16, "is not UTF-8 text, so it is no TOML"),
    (_broken, "not readable as TOML: Invalid value (at line 1, column 8)"),
    (_wrong, "services[0].port: 0: input should be greater than or equal to 1"),
    (_empty, "name: is missing; it has to be given (and 4 more)"),
]


@pytest.mark.parametrize(("make", "reason"), FILES)
def test_a_file_that_is_no_description_says_why(make, reason, tmp_path):
    make(tmp_path / "prod.toml")

    assert refused(Path("prod.toml"), tmp_path) == f"{tmp_path / 'prod.toml'}: {reason}"


@pytest.mark.parametrize("place", ["code", "file"])
def test_what_no_plugin_provides_names_the_description(place, tmp_path):
    (tmp_path / "prod.toml").write_text(TOML + 'forwarding = "nat"', encoding="utf-8")
    description = code(forwarding="nat") if place == "code" else Path("prod.toml")

    said = refused(description, tmp_path)

    named = "prod.py" if place == "code" else "prod.toml"
    assert said == (
        f"{named}: forwarding: forwarding method 'nat' is not known; known are: dr, tun, tun-gue"
    )


@pytest.fixture
def secretive(tmp_path):
    """A deployment with a password, read from a file."""
    (tmp_path / "prod.toml").write_text(TOML + V2, encoding="utf-8")
    (tmp_path / "vrrp").write_text("s3same\n", encoding="utf-8")
    return deployment(Path("prod.toml"), "prod.py", tmp_path)


def test_the_secret_is_in_the_configuration_and_shown_nowhere(secretive):
    assert "auth_pass s3same\n" in secretive.desired["web2"].config.content
    shown = (
        repr(secretive),
        str(secretive),
        repr(secretive.cluster),
        repr(dict(secretive.desired)),
        json.dumps(secretive.to_json()),
    )
    assert not [text for text in shown if "s3same" in text]
    assert secretive.to_json()["vrrp"]["password"] == "file:vrrp"


def test_a_secret_of_no_use_is_refused_before_anything_is_made(tmp_path):
    (tmp_path / "vrrp").write_text("open sesame", encoding="utf-8")
    described = code(detection="calm", vrrp=VrrpOptions(version=2, password="file:vrrp"))

    said = refused(described, tmp_path)

    assert said.startswith("prod.py: vrrp.password: the value of 'file:vrrp' is not usable")
    assert "sesame" not in said


def test_hosts_are_the_nodes_with_one_deployment_and_the_callers_data(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))  # Beside this file is no folder of plugins.
    group = hosts(code(), ssh_user="root", _sudo=True)

    assert [name for name, _ in group] == ["web1", "web2"]
    assert all(data["ssh_user"] == "root" and data["_sudo"] is True for _, data in group)
    assert group[0][1][DATA_KEY] is group[1][1][DATA_KEY]


def _call(path: Path, source: str) -> dict[str, object]:
    variables: dict[str, object] = {"__name__": "prod"}
    exec(compile(source, str(path), "exec"), variables)
    return variables


def test_a_path_starts_from_the_folder_of_the_inventory(tmp_path):
    (tmp_path / "prod.toml").write_text(TOML, encoding="utf-8")
    source = "from selfbalance.inventory import hosts\nweb = hosts('prod.toml')\n"

    assert Path.cwd() != tmp_path
    assert len(_call(tmp_path / "prod.py", source)["web"]) == 2


WRONG_INVENTORIES = [
    ("hosts('other.toml')", "{folder}/other.toml: cannot be read: No such file or directory"),
    ("hosts(Cluster(name='web'))", "{file} line 3: Cluster.interface: is missing; "),
    ("hosts(Cluster(**GOOD, standby='x'))", "{folder}/prod.py: standby: standby mode 'x' is not "),
]


@pytest.mark.parametrize(("call", "said"), WRONG_INVENTORIES)
def test_an_inventory_that_is_wrong_is_named(call, said, tmp_path):
    file = tmp_path / "prod.py"
    good = {
        "name": "web",
        "interface": "bond0",
        "nodes": [{"name": "web1", "address": "192.0.2.11"}],
        "vips": [{"address": "192.0.2.10"}],
        "services": [{"name": "http", "port": 80}],
    }
    source = (
        f"from selfbalance import Cluster; GOOD = {good!r}\n"
        f"from selfbalance.inventory import hosts\nweb = {call}\n"
    )

    with pytest.raises(SelfbalanceError) as caught:
        _call(file, source)

    assert str(caught.value).startswith(said.format(file=file, folder=tmp_path))
    assert os.linesep not in str(caught.value)


ODD = {8: Facts(8, 2**33, "02:5b:00:00:00:08"), 9: Facts(9, 2**33, "02:5b:00:00:00:09")}


def weighing(weigh) -> Deployment:
    """A deployment whose service's weights follow from facts."""
    site = ModuleType("site_a")
    site.register_schedulers = hook(
        lambda register: register("mine", Scheduler("wrr", "mine", weigh_observed=weigh))
    )
    services = [Service(name="http", port=80, scheduler="mine")]
    described = code().model_copy(update={"services": services})
    return deployment(described, "prod.py", Path(), (site,))


BY_CORES = weighing(lambda _node, facts: facts.cores)


def seen(name: str, cores: int, **recorded: Facts) -> NodeState:
    return NodeState(
        name, cores=cores, memory_bytes=2**30, mac="02:5b:00:00:00:01", recorded=recorded
    )


def weights(ready: Deployment, node: str = "web1") -> list[int]:
    return list(ready.desired[node].services[0].weights.values())


def test_a_deployment_that_asks_no_facts_stays_what_it_is():
    ready = deployment(code(), "prod.py", Path())

    assert ready.informed(ClusterState((Unobserved("web1", "gone"),))) is ready


def test_what_was_observed_makes_weights_and_nothing_else_new():
    informed = BY_CORES.informed(ClusterState((seen("web1", 2), seen("web2", 4))))

    assert (weights(BY_CORES), weights(informed), weights(informed, "web2")) == (
        [1, 1],
        [2, 4],
        [2, 4],
    )
    assert replace(informed, desired=BY_CORES.desired) == BY_CORES


def test_a_node_that_is_gone_keeps_the_weight_it_had():
    state = ClusterState((seen("web1", 2, web2=ODD[8]), Unobserved("web2", "gone")))

    assert weights(BY_CORES.informed(state)) == [2, 8]


def test_the_order_of_a_look_changes_nothing():
    one, two = seen("web1", 2), seen("web2", 4)

    assert (
        BY_CORES.informed(ClusterState((two, one))).desired
        == BY_CORES.informed(ClusterState((one, two))).desired
    )


@pytest.mark.parametrize(
    "nodes",
    [
        (seen("web1", 2), Unobserved("web2", "gone")),
        (seen("web1", 2, web1=ODD[8]), Unobserved("web2", "gone")),
        (seen("web1", 2), replace(seen("web2", 4), unknown={"facts": "no list of CPUs"})),
        (
            seen("web1", 2, web2=ODD[8]),
            replace(seen("web2", 4, web2=ODD[9]), unknown={"links": "no interface"}),
        ),
    ],
    ids=["no record", "no record of it", "it did not tell", "records that disagree"],
)
def test_a_node_of_which_nothing_is_known_is_said_in_one_line(nodes):
    with pytest.raises(ObservationError) as caught:
        BY_CORES.informed(ClusterState(nodes))

    assert str(caught.value) == (
        "what every node should have follows from facts of web2, which could not be seen; "
        "the others have no record of them, or differing ones; try: ssh web2"
    )


def test_a_plugin_that_cannot_weigh_is_said_once_there_are_facts():
    ready = weighing(lambda _node, _facts: 1 // 0)

    with pytest.raises(PluginError, match="scheduler 'mine' cannot weigh web1: ZeroDivisionError"):
        ready.informed(ClusterState((seen("web1", 2), seen("web2", 4))))


def test_an_informed_deployment_tells_no_secret_either(secretive):
    assert "s3same" not in repr(secretive)
    assert "s3same" in secretive.secrets.values()
