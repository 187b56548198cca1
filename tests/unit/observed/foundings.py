"""The design of 2013 as it is seen: the very files that tests on nodes set up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from jinja2 import Environment, FileSystemLoader

from selfbalance.desired import places

TO_BACKUP = "/etc/keepalived/to_backup.sh"
FILES = {
    places.CONFIG: "keepalived.conf.j2",
    "/etc/keepalived/to_master.sh": "to_master.sh.j2",
    TO_BACKUP: "to_backup.sh.j2",
    "/etc/sysctl.d/60-lvs.conf": "sysctl.conf.j2",
}
_FOLDER = Path(__file__).parents[2] / "founding" / "files"
_NODES = [SimpleNamespace(name=f"web{n}", address=f"192.0.2.1{n}") for n in (1, 2, 3)]


def rendered(template: str, number: int = 0) -> str:
    """A file of the design, as the first, second or third node has it."""
    templates = Environment(
        loader=FileSystemLoader(_FOLDER),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return templates.get_template(template).render(
        node=_NODES[number],
        nodes=_NODES,
        first=number == 0,
        priority=150 - 50 * number,
        interface="eth0",
        vip="192.0.2.10",
    )


CONF = rendered("keepalived.conf.j2")
LINES = (
    *("script /etc/keepalived/to_backup.sh", "script /etc/keepalived/to_master.sh"),
    "script /etc/keepalived/to_backup.sh ipvsadm --save --numeric > /tmp/keepalived.ipvs",
    "script /etc/keepalived/to_backup.sh ipvsadm --clear",
    "script /etc/keepalived/to_master.sh ipvsadm --restore < /tmp/keepalived.ipvs",
    "snapshot /tmp/keepalived.ipvs",
    "sysctl /etc/sysctl.d/60-lvs.conf",
)
"""What the script tells besides its configuration."""


def lines(conf: str) -> list[str]:
    """A configuration as the script tells it."""
    return ["by another", *(f"conf {line}" for line in conf.splitlines() if line.strip())]
