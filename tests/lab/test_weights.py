"""Weights by what real nodes are, and kernels that have not what is asked of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import Site, weights

BY_MAC = """\
from selfbalance.plugins import Scheduler, hook


def by_mac(node, facts):
    return int(facts.mac[-2:], 16) - 10


@hook
def register_schedulers(register):
    register("by-mac", Scheduler("wrr", "wrr, by the last byte", weigh_observed=by_mac))
"""
RECORD = "/var/lib/selfbalance/facts"


def scheduled(name: str) -> str:
    """What a description says beside the profile for a service of that scheduler."""
    return f", services=[Service(name='http', port=80, scheduler='{name}')]"


@pytest.fixture
def weighed(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Nodes that a drop-in plugin weighs by their MACs, which end with 0b, 0c and 0d."""
    (tmp_path / "by_mac.py").write_text(BY_MAC)
    monkeypatch.setenv("SELFBALANCE_PLUGINS", str(tmp_path))
    with site.well("detection='calm'" + scheduled("by-mac")):
        yield site
    site.described = "detection='calm'"  # the plugin goes; the next test's turn puts it right


def test_weights_of_all_follow_from_facts_and_outlast_a_node(weighed: Site, tmp_path: Path) -> None:
    expected = {str(node.address): n for n, node in enumerate(weighed.lab.nodes, 1)}
    for node in weighed.lab.nodes:
        assert weights(weighed, node.name) == expected
    assert len({weighed.lab.run(n, f"cat {RECORD}").stdout for n in weighed.powered()}) == 1

    again = weighed.pyinfra("cluster", "-y", "-vvv")
    assert again.code == 0, again.text
    assert {again.commands(node.name) for node in weighed.lab.nodes} == {1}, again.text

    (tmp_path / "by_mac.py").write_text(BY_MAC.replace("- 10", "- 8"))
    weighed.deploy()
    expected = {address: weight + 2 for address, weight in expected.items()}
    assert {node.name: weights(weighed, node.name) for node in weighed.lab.nodes} == {
        node.name: expected for node in weighed.lab.nodes
    }

    gone, *others = weighed.backups()[-1], *weighed.powered()
    others.remove(gone)
    weighed.lab.power_off(gone)
    status = weighed.status()
    assert not status["checks"]["nodes"]["ok"]
    assert status["checks"]["drift"]["ok"], status["checks"]["drift"]
    assert {row["node"] for row in status["nodes"] if row["observed"]} == {*others}


def test_a_module_that_one_kernel_lacks_is_refused_before_anything_changes(calm: Site) -> None:
    node = calm.backups()[0]
    before = _deployed(calm)
    calm.lab.run(
        node,
        "modprobe -q -r ip_vs_sed; file=$(modinfo -F filename ip_vs_sed) && "
        'mkdir -p /root/hidden && echo "$file" >/root/hidden/from && '
        'mv "$file" /root/hidden/ip_vs_sed.ko && depmod',
    )
    try:
        run = calm.pyinfra(
            "cluster", "-y", inventory=calm.inventory(calm.described + scheduled("sed"))
        )
    finally:
        calm.lab.run(node, 'mv /root/hidden/ip_vs_sed.ko "$(cat /root/hidden/from)" && depmod')
    assert run.code != 0, run.text
    assert re.search(rf"{node}: its kernel \S+ has no module ip_vs_sed; nothing was", run.text)
    assert "Traceback" not in run.text
    assert _deployed(calm) == before


def _deployed(site: Site) -> list[str]:
    look = (
        "find /etc/keepalived /etc/modules-load.d /etc/sysctl.d /etc/systemd/system "
        "/var/lib/selfbalance -type f -printf '%p %T@\\n' | sort; "
        "ipvsadm --save --numeric; lsmod | cut -d' ' -f1 | sort"
    )
    return [site.lab.run(node.name, look).stdout for node in site.lab.nodes]
