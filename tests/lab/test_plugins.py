"""A stranger's file, dropped into plugins/, is used by the two everyday commands as they are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import VIP, Run, Site

from selfbalance.testing.tables import table_of

REPOSITORY = Path(__file__).parents[2]
USERS = ("inventories", "deploys", "plugins", "config.py")

GREETER = '''\
"""Every node runs our greeter, and all nodes run one kernel."""
from selfbalance.plugins import Component, Problem, Verdict, hook

@hook
def register_components(register):
    register("greeter", Component("says hello", ("greeter",), ("greeter.service",)))

@hook
def register_gates(register):
    register("kernels", kernels)

def kernels(view):
    kinds = {node.kernel for node in view.state.seen}
    wrong = [Problem(f"nodes run {len(kinds)} kernels")] if len(kinds) > 1 else []
    return Verdict(" ".join(kinds), tuple(wrong))
'''
NEVER = """\
from selfbalance.plugins import Problem, Verdict, hook

@hook
def register_gates(register):
    register("never", lambda view: Verdict("seen", (Problem("not today"),)))
"""
HALVES = '''\
"""The first node has other work to do."""
from selfbalance.plugins import Scheduler, hook

@hook
def register_schedulers(register):
    register("halves", Scheduler("wrr", "half as much for web1", weigh=weigh))

def weigh(node):
    return 1 if node.name == "web1" else 2
'''


class Folder:
    """An operator's folder: the user's files of this repository, copied."""

    def __init__(self, path: Path, site: Site) -> None:
        self.path = path
        self.site = site
        for name in USERS:
            copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
            copy(REPOSITORY / name, path / name)

    def drop_in(self, name: str, text: str) -> None:
        """Write a plugin, which is a small file."""
        assert len(text.splitlines()) <= 15
        (self.path / "plugins" / name).write_text(text)

    def pyinfra(self, *words: str) -> Run:
        """Run the command line as README has it."""
        done = subprocess.run(
            [Path(sys.executable).parent / "pyinfra", "-y", *words],
            cwd=self.path,
            env={
                **os.environ,
                "SELFBALANCE_LAB": self.site.lab.name,
                "PYINFRA_PROGRESS": "off",
                "COLUMNS": "200",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return Run(done.returncode, done.stdout, 0.0)

    def checks(self) -> dict[str, dict]:
        """What status.py says of each gate."""
        self.pyinfra("inventories/lab.py", "deploys/status.py", "--data", "output=status.json")
        return json.loads((self.path / "status.json").read_text())["checks"]


@pytest.fixture
def folder(cluster: Site, tmp_path: Path) -> Iterator[Folder]:
    yield Folder(tmp_path, cluster)
    cluster.described = ""
    cluster.deploy()


def _on(site: Site, command: str) -> list[str]:
    return [site.lab.run(node.name, command, check=False).stdout.strip() for node in site.lab.nodes]


CONTROL = """\
Package: greeter
Version: 1.0
Architecture: all
Maintainer: nobody <nobody@example.org>
Description: says hello, and is not started by its own installation
"""
UNIT = """\
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture
def packaged(cluster: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The nodes' repository has a package that a site has made itself."""
    tree = tmp_path_factory.mktemp("greeter")
    for name, text in {
        "DEBIAN/control": CONTROL,
        "lib/systemd/system/greeter.service": UNIT,
    }.items():
        (tree / name).parent.mkdir(parents=True)
        (tree / name).write_text(text)
    deb = tree.with_suffix(".deb")
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, deb], check=True)
    cluster.lab.publish(str(deb))
    yield cluster
    _on(cluster, "systemctl disable --now greeter; dpkg --purge greeter")


def test_a_component_and_a_gate_that_nothing_names_are_used(packaged: Site, folder: Folder) -> None:
    folder.drop_in("greeter.py", GREETER)

    run = folder.pyinfra("inventories/lab.py", "deploys/cluster.py")

    assert run.code == 0, run.text
    assert "kernels" in run.text
    asked = "systemctl is-enabled greeter; systemctl is-active greeter"
    assert _on(packaged, asked) == ["enabled\nactive"] * 3
    assert folder.checks()["kernels"]["ok"]
    again = folder.pyinfra("-vvv", "inventories/lab.py", "deploys/cluster.py")
    assert {again.commands(node.name) for node in packaged.lab.nodes} == {1}, again.text


def test_a_gate_of_a_strangers_stops_a_change_of_live_nodes(folder: Folder) -> None:
    """It is asked after the first node, which gets back what it had; no other is touched."""
    folder.drop_in("never.py", NEVER)
    deploy = folder.path / "deploys" / "cluster.py"
    deploy.write_text(deploy.read_text().replace("cluster()", "cluster(patience_s=1)"))
    backup, *others = folder.site.backups()
    edit = "echo '# x' >> /etc/keepalived/keepalived.conf"
    for node in (backup, *others):
        folder.site.lab.run(node, edit)

    run = folder.pyinfra("inventories/lab.py", "deploys/cluster.py")

    assert run.code == 1
    assert (
        f"after {backup}: not today; put back, and as before: {backup}; not touched: " in run.text
    )
    last = "tail -1 /etc/keepalived/keepalived.conf"
    assert {folder.site.lab.run(n, last).stdout for n in (backup, *others)} == {"# x\n"}


def test_a_scheduler_that_the_inventory_names_decides_who_serves(folder: Folder) -> None:
    folder.drop_in("halves.py", HALVES)
    inventory = folder.path / "inventories" / "lab.py"
    inventory.write_text(inventory.read_text().replace("port=80", "port=80, scheduler='halves'"))

    run = folder.pyinfra("inventories/lab.py", "deploys/cluster.py")

    assert run.code == 0, run.text
    lab = folder.site.lab
    for node in lab.nodes:
        table = table_of(lab, node.name)
        assert table.scheduler == "wrr"
        assert [real.weight for _, real in sorted(table.realservers.items())] == [1, 2, 2]
    shares = Counter(probe.node for probe in lab.requests(f"http://{VIP}/", count=100))
    assert 15 <= shares["web1"] <= 25, shares
