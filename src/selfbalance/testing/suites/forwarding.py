"""What every forwarding method must hold."""

from __future__ import annotations

import re

from selfbalance.plugins import ForwardingMethod, Plugins
from selfbalance.plugins.registry import Registry
from selfbalance.testing.site import VIP, Site
from selfbalance.testing.suites.base import OnNodes, Rendered, Suite
from selfbalance.testing.tables import table_of

_OPTIONS = {"DR": "-g", "TUN": "-i", "NAT": "-m"}
"""keepalived's word for a method, and ipvsadm's (keepalived.conf(5), lvs_method; ipvsadm(8))."""

_MORE_THAN_A_PACKET = 100_000


class _Kind(Suite[ForwardingMethod]):
    def registry(self, plugins: Plugins) -> Registry[ForwardingMethod]:
        return plugins.forwarding_methods

    def asked(self, named: str) -> dict[str, object]:
        return {"forwarding": named}


class ForwardingOnPaper(_Kind, Rendered[ForwardingMethod]):
    """A forwarding method's words, and what keepalived says of them."""

    def test_its_words_are_those_of_keepalived_and_the_kernel(
        self, thing: ForwardingMethod
    ) -> None:
        """A method that keepalived knows, an interface name that Linux takes (IFNAMSIZ)."""
        assert thing.ipvsadm.split()[0] == _OPTIONS.get(thing.lvs_method.split()[0])
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}", thing.vip_interface)


class ForwardingOnNodes(_Kind, OnNodes[ForwardingMethod]):
    """A forwarding method in the kernel of real nodes."""

    def test_every_node_forwards_so_and_holds_the_vip_where_it_says(
        self, deployed: Site, thing: ForwardingMethod
    ) -> None:
        """Each is realserver and could be director."""
        for node in deployed.lab.nodes:
            table = table_of(deployed.lab, node.name)
            methods = {real.method for real in table.realservers.values()}
            assert methods == {thing.ipvsadm.split()[0]}, node.name
            shown = deployed.lab.run(node.name, f"ip -o addr show dev {thing.vip_interface}")
            assert f" {VIP}/" in shown.stdout, node.name

    def test_every_node_answers_clients(self, deployed: Site) -> None:
        """Each request on a connection of its own."""
        probes = deployed.lab.requests(f"http://{VIP}/", count=100)
        assert [probe for probe in probes if not probe.ok] == []
        assert {probe.node for probe in probes} == {node.name for node in deployed.lab.nodes}

    def test_packets_of_full_size_arrive(self, deployed: Site) -> None:
        """What is put around a packet on its way makes it longer than the network takes."""
        upload = ["curl", "--silent", "--show-error", "--max-time", "5", "--data-binary", "@-"]
        for _ in range(4 * len(deployed.lab.nodes)):
            ran = deployed.lab.client([*upload, f"http://{VIP}/"], input="x" * _MORE_THAN_A_PACKET)
            assert (ran.returncode, ran.stderr) == (0, "")


class ForwardingSuite(ForwardingOnPaper, ForwardingOnNodes):
    """All that a forwarding method must hold."""
