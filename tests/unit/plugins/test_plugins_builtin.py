"""The built-ins: what they say of the kernel is so, and is what the design wants."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

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
    assert scheduler.sysctls == {"net.ipv4.vs.sloppy_tcp": "1"}


def test_standby_is_what_the_trials_found_lossless():
    mode = Plugins().standby_modes["backup-only"]

    assert mode.sync_daemon
    assert mode.sysctls == {
        "net.ipv4.vs.backup_only": "1",
        "net.ipv4.vs.sync_threshold": "3 50",
        "net.ipv4.vs.expire_nodest_conn": "1",
        "net.ipv4.vs.expire_quiescent_template": "1",
    }


def test_direct_routing_keeps_every_node_but_the_master_silent():
    method = Plugins().forwarding_methods["dr"]

    assert (method.lvs_method, method.vip_interface) == ("DR", "lo")
    assert method.sysctls == {
        "net.ipv4.conf.all.arp_ignore": "1",
        "net.ipv4.conf.all.arp_announce": "2",
    }


def test_a_snapshot_is_kept_whole_and_read_back(tmp_path):
    store = Plugins().snapshot_stores["local"]
    save, load = (
        text.replace("/var/lib/selfbalance", str(tmp_path / "kept"))
        for text in (store.save, store.load)
    )
    script = (
        f"save() {{ {save}; }}; load() {{ {load}; }}; printf 'a\\nb' | save x.ipvs; load x.ipvs"
    )

    ran = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)

    (kept,) = (tmp_path / "kept" / "snapshots").iterdir()
    assert ran.stdout == "a\nb"
    assert kept.name == "x.ipvs"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700


def test_a_snapshot_that_is_not_there_is_a_failure_with_a_word(tmp_path):
    load = Plugins().snapshot_stores["local"].load.replace("/var/lib", str(tmp_path))

    ran = subprocess.run(
        ["sh", "-c", f"load() {{ {load}; }}; load x"], capture_output=True, text=True, check=False
    )

    assert ran.returncode != 0
    assert "No such file" in ran.stderr


def test_a_verdict_is_good_only_without_problems():
    assert Verdict("seen").good
    assert not Verdict("seen", (Problem("bad"),)).good
