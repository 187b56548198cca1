"""What every scheduler must hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations

from selfbalance import Cluster
from selfbalance.desired import desire
from selfbalance.desired.desire import HEAVIEST
from selfbalance.plugins import Plugins, Scheduler
from selfbalance.plugins.registry import Registry
from selfbalance.testing.examples import served
from selfbalance.testing.keepalived import Namespace
from selfbalance.testing.site import VIP, Site
from selfbalance.testing.suites.base import OnNodes, Rendered, Suite
from selfbalance.testing.tables import table_of


class _Kind(Suite[Scheduler]):
    def registry(self, plugins: Plugins) -> Registry[Scheduler]:
        return plugins.schedulers

    def asked(self, named: str) -> dict[str, object]:
        return {"services": [_service(named)]}


def _service(named: str, flags: tuple[str, ...] | None = None) -> dict[str, object]:
    return {"name": "http", "port": 80, "scheduler": named, "scheduler_flags": flags}


class SchedulerOnPaper(_Kind, Rendered[Scheduler]):
    """A scheduler's words and weights, and what keepalived says of them."""

    def test_its_kernel_name_is_one_word(self, thing: Scheduler) -> None:
        """It becomes a module's name, `ip_vs_KERNEL`, and a word of keepalived.conf."""
        assert re.fullmatch(r"[a-z0-9]+", thing.kernel)

    def test_its_default_flags_are_flags_of_it(self, thing: Scheduler) -> None:
        """A description may choose among `flags` only."""
        assert set(thing.default_flags) <= set(thing.flags)

    def test_weights_are_whole_numbers_and_the_same_twice(
        self, clusters: Mapping[str, Cluster], plugins: Plugins
    ) -> None:
        """From 1 to 65535: 0 would be a drained node, and all directors must agree."""
        for name, cluster in clusters.items():
            first, second = (_weights(cluster, plugins) for _ in range(2))
            assert first == second, name
            for weight in first:
                assert type(weight) is int, (name, weight)
                assert 1 <= weight <= HEAVIEST, (name, weight)

    def test_keepalived_accepts_every_choice_of_flags(
        self, named: str, thing: Scheduler, plugins: Plugins, keepalived: Namespace
    ) -> None:
        """Each flag alone, all together, and none."""
        for count in range(len(thing.flags) + 1):
            for flags in combinations(thing.flags, count):
                changes = {**self.changes(named), "services": [_service(named, flags)]}
                cluster = next(iter(served(plugins, changes).values()))
                conf = next(iter(desire(cluster, plugins, {}).values())).config.content
                assert keepalived.judge(conf) == (0, ""), flags


def _weights(cluster: Cluster, plugins: Plugins) -> list[int]:
    return [
        weight
        for node in desire(cluster, plugins, {}).values()
        for service in node.services
        for weight in service.weights.values()
    ]


class SchedulerOnNodes(_Kind, OnNodes[Scheduler]):
    """A scheduler in the kernel of real nodes."""

    def test_every_node_has_it_and_every_request_is_answered(
        self, deployed: Site, thing: Scheduler
    ) -> None:
        """Each node could be director this second, so each has the whole table.

        By whom a request is answered is the scheduler's own affair.
        """
        for node in deployed.lab.nodes:
            table = table_of(deployed.lab, node.name)
            assert table.scheduler == thing.kernel, node.name
            assert table.flags == frozenset(thing.default_flags), node.name
            weights = [real.weight for real in table.realservers.values()]
            assert len(weights) == len(deployed.lab.nodes), node.name
            assert all(1 <= weight <= HEAVIEST for weight in weights), (node.name, weights)
        probes = deployed.lab.requests(f"http://{VIP}/", count=100)
        assert [probe for probe in probes if not probe.ok] == []


class SchedulerSuite(SchedulerOnPaper, SchedulerOnNodes):
    """All that a scheduler must hold."""
