"""What is done to a node that is taken over, and how it is put back, for real below a folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from foundings import CONF, FILES, rendered
from looks import described, desired
from rooted import Rooted

from selfbalance import VrrpOptions
from selfbalance.desired import places
from selfbalance.operations import shell_adoption
from selfbalance.plan import AdoptionTurn

WANT = desired(described(detection="calm", vrrp=VrrpOptions(version=2, unicast=False)))["web1"]
TURN = AdoptionTurn("web1", False, 190, tuple(FILES), config=True)
NEW = "# Written by selfbalance\nvrrp_instance web {}\n"
SYSCTL = "/etc/sysctl.d/60-lvs.conf"


@pytest.fixture
def node(tmp_path: Path) -> Rooted:
    rooted = Rooted(tmp_path)
    for path, template in FILES.items():
        rooted.write(path, rendered(template))
    rooted.write(places.STAGED_CONFIG, NEW)
    rooted.path(places.ADOPTING).parent.mkdir(parents=True)
    rooted.path(places.DROP_IN).parent.mkdir(parents=True)
    for quiet in ("ip", "sync", "sleep"):
        rooted.program(quiet, "true")
    return rooted


def take_over(node: Rooted, *failing: str) -> subprocess.CompletedProcess[str]:
    return node.run(shell_adoption.take_over_backup(TURN, WANT), *failing)


def kept(node: Rooted, path: str) -> Path:
    """Where a file is kept: below its path on this machine, as a node's root is a folder here."""
    return Path(f"{node.path(places.ADOPTED)}{node.root}{path}")


def test_a_backup_starts_anew_and_what_was_replaced_is_kept(node: Rooted):
    ran = take_over(node)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert node.path(places.CONFIG).read_text() == NEW
    assert node.path(places.ADOPTING).read_text() == "190\n"
    assert node.files[places.DROP_IN] == 0o644
    assert kept(node, places.CONFIG).read_text() == CONF
    assert [path for path in FILES if node.path(path).exists()] == [places.CONFIG]
    assert all(kept(node, path).exists() for path in FILES)
    acts = [line for line in node.ran if line.startswith("systemctl")]
    assert acts == [
        "systemctl daemon-reload",
        "systemctl restart selfbalance-watch.service",
        "systemctl restart keepalived.service",
    ]


def test_of_a_file_that_sets_more_only_our_part_goes(node: Rooted):
    node.write(SYSCTL, "vm.swappiness = 1\nnet.ipv4.conf.lo.arp_ignore=1\n# net.x\n")
    node.path(SYSCTL).chmod(0o640)
    take_over(node)

    assert node.path(SYSCTL).read_text() == "vm.swappiness = 1\n# net.x\n"
    assert node.files[SYSCTL] == 0o640


def test_what_was_kept_once_is_not_overwritten_by_a_second_attempt(node: Rooted):
    assert take_over(node, "systemctl").returncode != 0
    node.write(places.STAGED_CONFIG, NEW)
    ran = take_over(node)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert kept(node, places.CONFIG).read_text() == CONF


def test_what_an_earlier_migration_has_kept_is_set_aside(node: Rooted):
    node.write(f"{places.ADOPTED}/files", "/etc/former\n")
    take_over(node)

    assert kept(node, places.CONFIG).read_text() == CONF
    (former,) = node.path(places.ADOPTED).parent.glob("adopted-*")
    assert (former / "files").read_text() == "/etc/former\n"


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        ("sesame", "sesame", False),
        ('"sesame"', "sesame", False),
        ("sesame42more", "sesame42", False),
        ("sesame", "sesame1", True),
        ("sesame", "", True),
        ("", "sesame", True),
    ],
)
def test_another_password_is_refused_before_anything_is_changed(node, old, new, refused):
    node.write(places.CONFIG, CONF + (f"  auth_pass {old}\n" if old else ""))
    node.write(places.STAGED_CONFIG, NEW + (f"auth_pass {new}\n" if new else ""))
    before = node.files
    ran = take_over(node)

    assert (ran.returncode != 0) is refused
    if refused:
        assert ran.stderr.strip() == ("its VRRP password is another than the description refers to")
        assert (node.files, node.ran) == (before, [])


@pytest.mark.parametrize(
    "back",
    [shell_adoption.put_backup_back(WANT, 51), shell_adoption.put_master_back(WANT)],
    ids=["BACKUP", "MASTER"],
)
def test_who_was_refused_was_not_changed_and_is_not_put_back(node: Rooted, back: str):
    node.write(places.CONFIG, CONF + "  auth_pass sesame\n")
    assert take_over(node).returncode != 0
    before = node.files
    ran = node.run(back)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert (node.files, node.ran) == (before, [])


def test_where_nothing_is_prepared_nothing_is_changed(node: Rooted):
    node.path(places.STAGED_CONFIG).unlink()
    ran = take_over(node)

    assert ran.returncode != 0
    assert "nothing is prepared" in ran.stderr
    assert node.ran == []


def test_it_is_put_back_as_it_was(node: Rooted):
    before = {path: (node.path(path).read_text(), node.files[path]) for path in FILES}
    take_over(node)
    ran = node.run(shell_adoption.put_backup_back(WANT, 51))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert {p: (node.path(p).read_text(), node.files[p]) for p in FILES} == before
    for gone in (places.DROP_IN, places.ADOPTING, f"{places.ADOPTED}/files"):
        assert not node.path(gone).exists()
    acts = [line for line in node.ran if line.startswith(("systemctl", "ipvsadm --st"))][3:]
    assert acts == [
        "systemctl stop keepalived.service",
        "systemctl daemon-reload",
        "ipvsadm --start-daemon backup --mcast-interface eth0 --syncid 51",
        "systemctl start keepalived.service",
        "ipvsadm --stop-daemon backup",
    ]


def test_a_master_reads_its_old_configuration_again(node: Rooted):
    take_over(node)
    ran = node.run(shell_adoption.put_master_back(WANT))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert node.path(places.CONFIG).read_text() == CONF
    assert node.ran[-2:] == [
        "systemctl reload-or-restart keepalived.service",
        "ipvsadm --stop-daemon master",
    ]


def test_every_command_is_one_that_a_shell_accepts():
    commands = [
        shell_adoption.convert_master(TURN, WANT, 51, 2),
        shell_adoption.hand_over(WANT),
        shell_adoption.restart(WANT),
        shell_adoption.settle(WANT),
        shell_adoption.keep(["/etc/a b"]),
    ]
    for command in commands:
        ran = subprocess.run(
            ["sh", "-n"], input=command, text=True, capture_output=True, check=False
        )
        assert (ran.returncode, ran.stderr) == (0, ""), command
