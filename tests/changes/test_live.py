"""Each change of a live cluster, as its operator makes it: nothing is lost, or it says why.

Every test begins with the cluster as usual and can run alone (`-k`). How long each lasts: about
10 s, and 25 s for each of its changes.
"""

from __future__ import annotations

import time

import pytest
from changing import Changes, Step, keepalived_of
from described import OTHER_VIP, SPARE, USUAL, described, http, nodes, vips

from selfbalance.lab import LabError
from selfbalance.testing import VIP, Site

pytestmark = pytest.mark.timeout(600)

GUARD = "/etc/keepalived/selfbalance-guard"
CONFIG = "/etc/keepalived/keepalived.conf"
ENDS = "its sessions end with the address that they were made to"
UNKNOWN = "the first MASTER of the new mode knows no connections, and its hash sends some elsewhere"
ANEW = "keepalived begins the instance anew: for about a second nobody is MASTER"


def test_nothing(change: Changes) -> None:
    (row,) = change(Step("nothing", USUAL))
    assert row.keepalived == "untouched"


def test_a_harmless_change(change: Changes) -> None:
    """A file that keepalived does not read: here the guard, as an older release had written it."""

    def older() -> None:
        for node in change.site.lab.nodes[:3]:
            change.site.lab.run(node.name, f"echo '# As it was before.' >>{GUARD}")

    (row,) = change(Step("a file that keepalived does not read", USUAL, older))
    assert row.keepalived == "untouched"


def test_the_scheduler(change: Changes) -> None:
    change(
        Step("scheduler, mh to wrr", described(services=f"[{http(scheduler=repr('wrr'))}]")),
        Step("scheduler, wrr to mh", USUAL),
    )


def test_a_weight(change: Changes) -> None:
    """By a plugin of the site's own, which gives web1 three times the weight."""
    heavier = described(services=f"[{http(scheduler=repr('mh-heavier'))}]")
    change(
        Step("a realserver's weight, 1 to 3", heavier),
        Step("a realserver's weight, 3 to 1", USUAL),
    )


def test_a_port(change: Changes) -> None:
    two = described(services=f"[{http()}, Service(name='ssh', port=22)]")
    change(Step("a port added", two), Step("a port taken away", USUAL))


def test_the_check(change: Changes) -> None:
    by_http = described(services=f"[{http(check='Check(kind=' + repr('http') + ')')}]")
    change(Step("check, TCP to HTTP", by_http), Step("check, HTTP to TCP", USUAL))


def test_a_node(change: Changes) -> None:
    """It is drained before it is taken out; that time is the sessions' own, and counts."""
    four = described(nodes=nodes(4))

    def leave() -> None:
        site = change.site
        drain = site.pyinfra(
            "drain", "-y", "--data", f"node={SPARE}", inventory=site.inventory(four)
        )
        assert drain.code == 0, drain.text
        site.lab.run(SPARE, "systemctl disable --now keepalived")

    change(
        Step("a node added", four),
        Step("a node drained, stopped, and taken out", USUAL, leave),
    )


def test_a_second_vip(change: Changes) -> None:
    change(
        Step("a second VIP added", described(vips=vips(VIP, OTHER_VIP))),
        Step("the second VIP taken away", USUAL),
    )


def test_another_vip_in_two_steps(change: Changes) -> None:
    """The clients of the new one lose nothing while the old one goes."""
    both = described(vips=vips(VIP, OTHER_VIP))
    change.site.deploy(both)
    change(Step("the first of two VIPs taken away", described(vips=vips(OTHER_VIP))), vip=OTHER_VIP)


def test_another_vip_at_once(change: Changes) -> None:
    other = described(vips=vips(OTHER_VIP))
    (row,) = change(Step("a VIP replaced by another one", other, why=ENDS))
    assert {probe.ok for probe in change.site.lab.requests(f"http://{OTHER_VIP}/", 30)} == {True}
    assert row.met.lost


def test_the_vrrp_version_and_its_secret(change: Changes) -> None:
    for name, word in (("old", "s3same"), ("new", "s3same2")):
        (change.site.folder / name).write_text(f"{word}\n")
    change(
        Step("VRRP version 3 to 2", _vrrp("version=2")),
        Step("a VRRP password set", _vrrp("version=2, password='file:old'")),
        Step("the VRRP password changed", _vrrp("version=2, password='file:new'")),
        Step("VRRP version 2 with password to 3", USUAL),
    )


def _vrrp(options: str) -> str:
    return described(vrrp=f"VrrpOptions({options})")


def test_multicast(change: Changes) -> None:
    change(
        Step("VRRP, unicast to multicast", _vrrp("unicast=False"), why=ANEW),
        Step("VRRP, multicast to unicast", USUAL, why=ANEW),
    )


def test_detection(change: Changes) -> None:
    change(
        Step("detection, calm to fast", described(detection="'fast'")),
        Step("detection, fast to calm", USUAL),
    )


def test_the_standby_mode(change: Changes) -> None:
    change(
        Step("standby, backup-only to snapshot", described(standby="'snapshot'"), why=UNKNOWN),
        Step("standby, snapshot to source-mac", described(standby="'source-mac'"), why=UNKNOWN),
        Step("standby, source-mac to backup-only", USUAL),
    )


def test_the_forwarding_method(change: Changes) -> None:
    change(
        Step("forwarding, dr to tun", described(forwarding="'tun'")),
        Step("forwarding, tun to dr", USUAL),
    )


NEW_NAME = "lan0"


def test_the_name_of_an_interface(change: Changes) -> None:
    """On the MASTER: keepalived is stopped there, which hands over, before the name goes."""
    site = change.site
    master, old = site.master(), site.lab.interface
    renamed = described(nodes=nodes(**{master: f"interface={NEW_NAME!r}"}))
    try:
        change(
            Step(
                "an interface renamed, on the MASTER",
                renamed,
                lambda: _rename(site, master, old, NEW_NAME),
            ),
            Step(
                "an interface renamed, on a BACKUP",
                USUAL,
                lambda: _rename(site, master, NEW_NAME, old),
            ),
        )
    finally:
        _rename(site, master, NEW_NAME, old)


def _rename(site: Site, node: str, old: str, new: str) -> None:
    """Stop keepalived and give the interface another name, if it has still the old one."""
    look = f"test -e /sys/class/net/{old}"
    if site.lab.run(node, look, check=False).returncode:
        return
    address6 = site.lab.node(node).address6
    rename = (
        f"ip link set {old} down; ip link set {old} name {new}; ip link set {new} up; "
        f"ip -6 address replace {address6}/64 dev {new} nodad"
    )
    site.lab.run(node, "systemctl stop keepalived", timeout=90)
    site.lab.run(node, f"systemd-run -q --collect sh -c '{rename}'")
    deadline = time.monotonic() + 20
    while not _there(site, node, new):
        assert time.monotonic() < deadline, f"{node} has no {new}"
        time.sleep(0.2)


def _there(site: Site, node: str, interface: str) -> bool:
    look = f"ip -o link show dev {interface} up"
    try:
        return bool(site.lab.run(node, look, timeout=5, check=False).stdout)
    except LabError:
        return False


NEW_ADDRESS = "192.0.2.33"


def test_the_address_of_a_node(change: Changes) -> None:
    """Drained and stopped, with both addresses for a while: described anew, and put back."""
    site = change.site
    node = next(each for each in reversed(site.backups()) if each != SPARE)
    moved = described(nodes=nodes(**{node: f"address={NEW_ADDRESS!r}"}))

    def move() -> None:
        _act(site, "drain", node, USUAL)
        add = f"ip address replace {NEW_ADDRESS}/24 dev {site.lab.interface}"
        site.lab.run(node, f"systemctl stop keepalived; {add}", timeout=90)

    try:
        change(Step("a node's address, drained and stopped meanwhile", moved, move))
        _act(site, "undrain", node, moved)
        assert node in {probe.node for probe in site.lab.requests(f"http://{VIP}/", 60)}
    finally:
        site.lab.run(node, "systemctl stop keepalived", timeout=90, check=False)
        site.lab.run(node, f"ip address del {NEW_ADDRESS}/24 dev {site.lab.interface}", check=False)


def _act(site: Site, deploy: str, node: str, about: str) -> None:
    run = site.pyinfra(deploy, "-y", "--data", f"node={node}", inventory=site.inventory(about))
    assert run.code == 0, run.text


def test_drift(change: Changes) -> None:
    """Somebody has changed keepalived.conf on the MASTER, and a sysctl on each BACKUP."""
    site = change.site

    def by_hand() -> None:
        master = site.master()
        site.lab.run(
            master, f"sed -i 's/weight 1$/weight 2/' {CONFIG}; systemctl reload keepalived"
        )
        for node in site.backups():
            if node != SPARE:
                site.lab.run(node, "sysctl -qw net.ipv4.vs.sloppy_tcp=0")
        time.sleep(1)

    before = keepalived_of(site)
    change(Step("drift put right", USUAL, by_hand))
    assert {name: each.pid for name, each in keepalived_of(site).items()} == {
        name: each.pid for name, each in before.items()
    }
