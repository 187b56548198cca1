"""What there is on a node, to compare it with what was there before: by our look, and beyond it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from selfbalance import Cluster, Node, Service, Vip
from selfbalance.deployment import deployment
from selfbalance.lab import Lab
from selfbalance.observed import NodeState, observation_script, parse
from selfbalance.testing import VIP

LISTING = r"""
section() { echo "## $1"; }
section packages
dpkg-query -W -f '${Package} ${db:Status-Abbrev} ${Version}\n'
section manual
apt-mark showmanual
section files
find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp \
    -o -path /var/tmp -o -path /var/cache -o -path /var/log -o -path /var/lib/apt \
    -o -path /var/lib/dpkg -o -path /var/lib/ucf -o -path /var/lib/systemd -o -path /data \
    -o -path /lib/modules -o -path /usr/lib/modules \) -prune \
    -o -printf '%y %m %u:%g %p %l\n' | sort
section etc
find /etc /usr/local -xdev -type f ! -name ld.so.cache ! -path '/etc/*-' -exec sha256sum {} + |
    sort -k 2
section logs
find /var/log -printf '%p\n' | grep -v -e log/apt/ -e log/dpkg.log -e log/journal | sort
section run
ls -A /run | grep -vx adduser | sort
section data
ls -AR /data
section sysctls
grep -r '' /proc/sys/net 2>/dev/null | sort
section addresses
ip -o addr show | sed 's/valid_lft.*//'
section links
ip -o link show | sed 's/ qlen .*//'
section qdiscs
tc qdisc show
section filters
for way in ingress egress; do tc filter show dev eth0 $way 2>/dev/null; done
section modules
cut -d' ' -f1 /proc/modules | sort
section units
systemctl list-unit-files --no-legend --no-pager | awk '{ print $1, $2, $3 }' | sort
section active
systemctl list-units --type=service,mount,socket --state=active --no-legend --no-pager --plain |
    awk '{ print $1 }' | grep -v -e '^session-' -e '^user' -e logind | sort
section mounts
cut -d' ' -f2,3 /proc/mounts | sort
section table
[ ! -e /proc/net/ip_vs ] || cat /proc/net/ip_vs
section namespaces
ip netns list
"""
"""What changes by itself is left out: caches, contents of logs, what apt and dpkg keep.

So are /etc/passwd- and its like, where useradd and userdel keep what was there before their last
change, and adduser's lock: glusterfs-server's scripts make a user, and remove it.
"""


def listing(lab: Lab, node: str) -> dict[str, list[str]]:
    """Everything there is on a node that outlasts a look, by section."""
    said = lab.run(node, "sh -s", input=LISTING, timeout=120).stdout
    found: dict[str, list[str]] = {}
    for line in said.splitlines():
        if line.startswith("## "):
            lines = found.setdefault(line[3:], [])
        else:
            lines.append(line)
    return found


def differences(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str]]:
    """What is there and was not, and the other way round, by section."""
    return {
        section: lines
        for section in before.keys() | after.keys()
        if (
            lines := [
                *(f"+ {line}" for line in after[section] if line not in before[section]),
                *(f"- {line}" for line in before[section] if line not in after[section]),
            ]
        )
    }


def look(lab: Lab, node: str) -> NodeState:
    """One look at a node, without what time or others change."""
    cluster = Cluster(
        name="web",
        interface=lab.interface,
        nodes=[Node(name=n.name, address=n.address, address6=n.address6) for n in lab.nodes],
        vips=[Vip(address=VIP)],
        services=[Service(name="http", port=80)],
        detection="calm",
    )
    want = deployment(cluster, "here", Path.cwd()).desired[node]
    said = lab.run(node, "sh -s", input=observation_script(cluster, want)).stdout
    seen = parse(node, said)
    return replace(seen, clock=0, sessions={}, claims={}, peer_macs={}, answers={})
