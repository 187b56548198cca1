"""The founding design of 2013 on lab nodes, and upgrades as it has them: `apt`, node by node.

The VIP is on the MASTER's interface by VRRP, and on `lo` of each BACKUP; notify scripts save, clear
and restore the IPVS table, so that only the MASTER has one; there is no sync daemon.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from selfbalance.lab import Lab, LabError
from selfbalance.lab.model import LabNode
from selfbalance.testing import VIP

SIDE = "2013, apt node by node"
FILES = Path(__file__).parent / "files"
PLACES = {
    "keepalived.conf.j2": "/etc/keepalived/keepalived.conf",
    "to_master.sh.j2": "/etc/keepalived/to_master.sh",
    "to_backup.sh.j2": "/etc/keepalived/to_backup.sh",
    "sysctl.conf.j2": "/etc/sysctl.d/60-lvs.conf",
}
SNAPSHOT = "/tmp/keepalived.ipvs"  # its own choice, with all that is wrong with it
APT = "DEBIAN_FRONTEND=noninteractive apt-get -q -y"
SETTLED_WITHIN_S = 60
BOOTED_WITHIN_S = 90


@dataclass(frozen=True)
class Founding:
    """The cluster, and the person who looks after it with ssh and apt."""

    lab: Lab

    @property
    def in_turn(self) -> list[LabNode]:
        """BACKUPs first and the MASTER last, as a careful person does it.

        The other way round, reboots failed twice the probes and lost a third fewer sessions.
        """
        return list(reversed(self.lab.nodes))

    def set_up(self) -> None:
        """Install and configure it, and wait until it is as it is meant to be."""
        for node in self.lab.nodes:
            self.lab.run(node.name, f"apt-get -q update && {APT} install keepalived ipvsadm", 300)
        for node in self.lab.nodes:
            for template, path in PLACES.items():
                self.lab.run(
                    node.name, f"umask 022; cat > {path}", input=self._render(template, node)
                )
            self.lab.run(
                node.name,
                "chmod 755 /etc/keepalived/*.sh; sysctl -q --system; systemctl restart keepalived",
            )
        self.settle()

    def settle(self) -> None:
        """Bring it to its best state: the MASTER has the whole table, each BACKUP its snapshot.

        How it starts is a race between notify scripts and health checks, which it does not always
        win. A person puts that right, before it is measured; nobody does while it is.
        """
        deadline = time.monotonic() + SETTLED_WITHIN_S
        master, *backups = self.lab.nodes
        while not (self._is_master(master) and self._entries(master) == len(self.lab.nodes)):
            if time.monotonic() > deadline:
                raise LabError(f"{master.name} is no MASTER with a table: {self.state()}")
            time.sleep(1)
        whole = self.lab.run(master.name, "ipvsadm --save --numeric").stdout
        for node in backups:
            self.lab.run(node.name, "/etc/keepalived/to_backup.sh", check=False)
            self.lab.run(node.name, f"cat > {SNAPSHOT}", input=whole)

    def state(self) -> str:
        """Who holds the VIP where, and how many realservers are in each table and snapshot."""
        return "; ".join(self._state(node) for node in self.lab.nodes)

    def install(self, *packages: str) -> Callable[[], None]:
        """`apt-get install` on one node after the other, waiting for nothing but the command.

        What is to be installed is known to apt beforehand: updating the lists takes nobody's time.
        """
        for node in self.lab.nodes:
            self.lab.run(node.name, "apt-get -q update")

        def act() -> None:
            for node in self.in_turn:
                self.lab.run(node.name, f"{APT} install {' '.join(packages)}", timeout=300)

        return act

    def reboot(self) -> None:
        """Reboot one node after the other, waiting for ssh."""
        for node in self.in_turn:
            before = self._boot_id(node)
            self.lab.run(node.name, "systemctl reboot", check=False, timeout=15)
            self._wait_for_another_boot(node, before)

    def _wait_for_another_boot(self, node: LabNode, before: str) -> None:
        deadline = time.monotonic() + BOOTED_WITHIN_S
        while self._boot_id(node) in ("", before):
            if time.monotonic() > deadline:
                raise LabError(f"{node.name} did not come back from a reboot")
            time.sleep(0.5)

    def _boot_id(self, node: LabNode) -> str:
        """Which boot it is; empty while ssh does not answer."""
        look = "cat /proc/sys/kernel/random/boot_id"
        try:
            return self.lab.run(node.name, look, check=False, timeout=15).stdout
        except LabError:
            return ""

    def _render(self, template: str, node: LabNode) -> str:
        templates = Environment(
            loader=FileSystemLoader(FILES),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        number = self.lab.nodes.index(node)
        return templates.get_template(template).render(
            node=node,
            nodes=self.lab.nodes,
            first=number == 0,
            priority=150 - 50 * number,
            interface=self.lab.interface,
            vip=VIP,
        )

    def _is_master(self, node: LabNode) -> bool:
        look = f"ip -o address show dev {self.lab.interface} to {VIP}"
        return bool(self.lab.run(node.name, look).stdout.strip())

    def _entries(self, node: LabNode) -> int:
        return self.lab.run(node.name, "ipvsadm --save --numeric").stdout.count("\n-a ")

    def _state(self, node: LabNode) -> str:
        look = (
            f"ip -o address show to {VIP} | awk '{{print $2}}' | xargs echo; "
            "systemctl is-active keepalived; "
            f"ipvsadm -Sn | grep -c '^-a'; grep -c '^-a' {SNAPSHOT} || true"
        )
        said = self.lab.run(node.name, look, check=False).stdout.splitlines()
        where, active, table, *snapshot = said
        return (
            f"{node.name}: keepalived {active}, VIP on {where or 'nothing'}, table {table}, "
            f"snapshot {snapshot[0] if snapshot else 'none'}"
        )
