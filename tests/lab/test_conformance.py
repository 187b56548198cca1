"""The built-ins go through the shipped suites on real nodes, as everybody's plugins do.

But the gates: test_status.py plants more than their suite would.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest
from deployed import VIP, Site
from modes import MODES

from selfbalance.deployment import every_plugin
from selfbalance.plugins.builtin.kernel_schedulers import SCHEDULERS
from selfbalance.testing import (
    ComponentOnNodes,
    ForwardingOnNodes,
    SchedulerOnNodes,
    StandbyOnNodes,
    StoreOnNodes,
)
from selfbalance.testing.tables import read_table

PLUGINS = every_plugin()


@pytest.mark.parametrize("named", ["snapshot"])
class TestStandbyWithoutSync(StandbyOnNodes):
    """What begins while the MASTER has no table yet may be sent elsewhere later (decision 15)."""

    may_fail = 3


@pytest.mark.parametrize("named", ["sh"])
class TestSchedulers(SchedulerOnNodes):
    """One with flags; all of them are below, and `mh` is in every other test."""


PORTS = {name: 8000 + number for number, name in enumerate(SCHEDULERS)}
LISTEN = "".join(f" listen {port};" for port in PORTS.values())
NGINX = "/etc/nginx/nginx.conf"


@pytest.fixture
def many_ports(site: Site) -> Iterator[Site]:
    """A cluster of one service for each scheduler, and web servers that listen for all."""
    services = [
        {"name": name, "port": port, "scheduler": name, "check": {"port": 80}}
        for name, port in PORTS.items()
    ]
    listen = f"cp {NGINX} {NGINX}.one; sed -i 's,location = / ,{LISTEN} &,' {NGINX}"
    for node in site.lab.nodes:
        site.lab.run(node.name, f"{listen} && nginx -t -q && nginx -s reload")
    with site.well(f"detection='calm', services={services}"):
        yield site
    # They listen for all until they start again: so the next description finds a healthy cluster.
    for node in site.lab.nodes:
        site.lab.run(node.name, f"mv {NGINX}.one {NGINX}")


def test_the_kernel_has_every_scheduler_and_each_answers(many_ports: Site) -> None:
    """All at once, in one table: a change for each would take minutes."""
    lab = many_ports.lab
    saved = [lab.run(node.name, "ipvsadm --save --numeric").stdout for node in lab.nodes]
    for name, port in PORTS.items():
        assert {read_table(each, port=port).scheduler for each in saved} == {name}
        probes = lab.requests(f"http://{VIP}:{port}/", count=10)
        assert [probe for probe in probes if not probe.ok] == [], name


@pytest.mark.parametrize("named", ["source-mac"])
class TestStandby(StandbyOnNodes):
    """`backup-only` goes through more in test_crash.py.

    With `wrr`, whose choice does not follow from the source port: `mh` would hide much.
    """

    described: ClassVar[dict[str, object]] = {
        "services": [{"name": "http", "port": 80, "scheduler": "wrr"}]
    }


@pytest.mark.parametrize("named", ["local", "controller"])
class TestStores(StoreOnNodes):
    """One of each type; `run` is `local` in another folder."""


@pytest.mark.parametrize("named", ["keepalived"])
class TestComponents(ComponentOnNodes):
    """The one that has packages and units; what only upgrades is in test_upgrade.py."""


@pytest.mark.again
@pytest.mark.parametrize("named", ["tun"])
class TestForwarding(ForwardingOnNodes):
    """`dr` is in nearly every other test, both tunnels in test_tun.py."""


def test_no_mode_is_left_out() -> None:
    assert set(MODES) == set(PLUGINS.standby_modes)
