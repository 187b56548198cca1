"""The built-ins: what they say of the kernel is so, and is what the design wants."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from described_twice import cluster

from selfbalance import Cluster, Node, Service, Vip
from selfbalance.errors import DescriptionError
from selfbalance.plugins import Plugins, Problem, Verdict
from selfbalance.plugins.builtin.kernel_schedulers import SCHEDULERS

_FOLDERS = sorted(Path("/usr/lib/uml/modules").glob("*/kernel/net/netfilter/ipvs"))
NOT_SCHEDULERS = {"ip_vs", "ip_vs_ftp", "ip_vs_pe_sip"}

with_uml_modules = pytest.mark.skipif(
    not _FOLDERS, reason="Debian's package user-mode-linux is not installed"
)


@with_uml_modules
def test_every_scheduler_is_a_module_of_a_real_kernel_and_none_is_forgotten():
    modules = {path.name.split(".")[0] for path in _FOLDERS[-1].glob("ip_vs*.ko*")}

    assert {scheduler.module for scheduler in SCHEDULERS.values()} == modules - NOT_SCHEDULERS


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_of_the_kernel_is_called_as_the_kernel_calls_it(name):
    scheduler = SCHEDULERS[name]

    assert scheduler.kernel == name
    assert scheduler.module == f"ip_vs_{name}"
    assert set(scheduler.default_flags) <= set(scheduler.flags)
    assert scheduler.description


@pytest.mark.parametrize("name", ["mh", "sh"])
def test_hashing_falls_back_from_a_drained_server_and_goes_on_after_a_change_of_master(name):
    scheduler = SCHEDULERS[name]

    assert scheduler.default_flags == (f"{name}-port", f"{name}-fallback")
    assert [name for name, each in SCHEDULERS.items() if each.consistent] == ["sh", "mh"]


def test_an_overflow_is_no_trickle():
    """A weight of 1 lets a node have two sessions: what real nodes refused then, all saw."""
    assert SCHEDULERS["ovf"].weigh(Node(name="web1", address="192.0.2.11")) == 1000


def test_standby_is_what_the_trials_found_lossless():
    mode = Plugins().standby_modes["backup-only"]

    assert mode.sync_daemon
    assert mode.sysctls == {
        "net.ipv4.vs.backup_only": "1",
        "net.ipv4.vs.conn_reuse_mode": "3",
        "net.ipv4.vs.sync_threshold": "3 0",
        "net.ipv4.vs.sync_refresh_period": "10",
        "net.ipv4.vs.sync_retries": "2",
        "net.ipv4.vs.expire_nodest_conn": "1",
        "net.ipv4.vs.expire_quiescent_template": "1",
    }


def test_a_backup_without_a_table_forgets_whom_it_sent_packets_to_as_a_master():
    mode = Plugins().standby_modes["snapshot"]

    assert (mode.apart, mode.sync_daemon) == (True, False)
    assert mode.sysctls == {
        "net.ipv4.vs.conn_reuse_mode": "3",
        "net.ipv4.vs.expire_nodest_conn": "1",
        "net.ipv4.vs.expire_quiescent_template": "1",
    }


def test_where_every_node_directs_ipvs_is_switched_off_nowhere():
    mode = Plugins().standby_modes["source-mac"]

    assert (mode.sync_daemon, mode.marks_clients) == (True, True)
    assert mode.sysctls == {
        **Plugins().standby_modes["backup-only"].sysctls,
        "net.ipv4.vs.backup_only": "0",
    }


def test_source_mac_takes_several_instances_and_direct_routing_only():
    apart = [{"address": "192.0.2.10", "vrid": 7}, {"address": "192.0.2.20"}]
    Plugins().check(cluster(("standby", "source-mac"), ("vips", apart)), "prod.toml")
    objection = Plugins().standby_modes["source-mac"].objection

    assert "which 'tun' does not carry" in str(objection(cluster(("forwarding", "tun"))))


def test_direct_routing_keeps_every_node_but_the_master_silent():
    method = Plugins().forwarding_methods["dr"]

    assert (method.lvs_method, method.vip_interface) == ("DR", "lo")
    assert method.sysctls == {
        "net.ipv4.conf.all.arp_ignore": "1",
        "net.ipv4.conf.all.arp_announce": "2",
    }


@with_uml_modules
@pytest.mark.parametrize("name", ["tun", "tun-gue"])
def test_every_module_of_a_tunnel_is_one_of_a_real_kernel(name):
    method = Plugins().forwarding_methods[name]
    known = {path.name.split(".")[0] for path in _FOLDERS[-1].parents[2].rglob("*.ko*")}

    assert {*method.modules, *(m for t in method.tunnels.values() for m in t.modules)} <= known


def test_a_tunnel_fragments_what_does_not_fit_and_is_not_balanced_again():
    methods = Plugins().forwarding_methods

    assert methods["tun"].sysctls == {
        **methods["dr"].sysctls,
        "net.ipv4.conf.tunl0.rp_filter": "2",
        "net.ipv4.vs.pmtu_disc": "0",
        "net.ipv4.vs.ignore_tunneled": "1",
    }
    assert {v: t.overhead for v, t in methods["tun"].tunnels.items()} == {4: 20, 6: 40}
    assert {v: t.overhead for v, t in methods["tun-gue"].tunnels.items()} == {4: 32, 6: 52}


def test_direct_routing_refuses_a_node_that_is_no_director():
    far = Node(name="web3", address="198.51.100.13", director=False)
    described = small(nodes=[Node(name="web1", address="192.0.2.11"), far])

    with pytest.raises(DescriptionError) as refused:
        Plugins().check(described, "prod.toml")

    assert str(refused.value) == (
        "prod.toml: forwarding 'dr': it reaches only nodes on the network of the VIPs, and web3 "
        "has director = false; write forwarding = 'tun', or leave director out"
    )
    Plugins().check(small(nodes=described.nodes, forwarding="tun"), "prod.toml")


def small(**more: object) -> Cluster:
    vips, services = [Vip(address="192.0.2.10")], [Service(name="http", port=80)]
    return Cluster(
        **{"name": "web", "interface": "eth0", "vips": vips, "services": services, **more}
    )


STORES = pytest.mark.parametrize("name", ["local", "run"])


class Kept:
    """A store whose folder is one of the test's; `run` runs shell lines that save and load."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder / "snapshots"
        store = Plugins().snapshot_stores[name]
        real = store.description.split(", ")[-1]
        self._functions = "".join(
            f"{act}() {{ {text.replace(real, str(self.folder))}; }}\n"
            for act, text in (("save", store.save), ("load", store.load))
        )

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line of shell."""
        return subprocess.run(
            ["sh", "-c", self._functions + line], capture_output=True, text=True, check=False
        )

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a kept file behind the store's back."""
        file = self.folder / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))


@STORES
def test_a_snapshot_is_kept_whole_and_read_back(name, tmp_path):
    kept = Kept(name, tmp_path)

    ran = kept.run("printf 'a\\nb' | save x.ipvs; load x.ipvs")

    (file,) = kept.folder.iterdir()
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "a\nb", "")
    assert file.name == "x.ipvs"
    assert file.stat().st_mode & 0o777 == 0o600
    assert kept.folder.stat().st_mode & 0o777 == 0o700


@STORES
def test_the_last_five_are_kept_and_each_is_read_back(name, tmp_path):
    kept = Kept(name, tmp_path)

    kept.run("for n in 1 2 3 4 5 6 7; do echo $n | save x; done")

    assert {file.name for file in kept.folder.iterdir()} == {"x", "x.1", "x.2", "x.3", "x.4"}
    assert kept.run("load x; load x 1; load x 4").stdout.split() == ["7", "6", "3"]


@STORES
def test_a_snapshot_that_is_not_there_is_a_failure_with_a_word(name, tmp_path):
    ran = Kept(name, tmp_path).run("load x")

    assert ran.returncode != 0
    assert "No such file" in ran.stderr or "cannot open" in ran.stderr


REFUSED = {
    "torn": ("two", "tw", "is torn: its checksum is another"),
    "of another node": (f" {os.uname().nodename} ", " web9 ", "is a snapshot of web9, not ours"),
    "no snapshot": ("selfbalance-snapshot 1", "-A -t 192.0.2.10:80", "is no snapshot"),
    "of a later form": ("selfbalance-snapshot 1", "selfbalance-snapshot 2", "is no snapshot"),
}


@pytest.mark.parametrize(("old", "new", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_torn_or_foreign_is_refused_with_a_word(old, new, words, tmp_path):
    kept = Kept("local", tmp_path)
    kept.run("printf 'one\\ntwo\\n' | save x")
    kept.edit("x", old, new)

    ran = kept.run("load x")

    assert (ran.returncode, ran.stdout) == (1, "")
    assert words in ran.stderr


def test_a_verdict_is_good_only_without_problems():
    assert Verdict("seen").good
    assert not Verdict("seen", (Problem("bad"),)).good
