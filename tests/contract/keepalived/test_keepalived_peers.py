"""What a change does to VRRP itself: what a running node takes, and what makes it deaf.

docs/changes.md has the kinds. Only VRRP runs here (`-P`): not every machine has IPVS.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from selfbalance.testing.keepalived import PATH
from selfbalance.testing.nodes import missing

PROGRAM = Path(__file__).with_name("peers_program.py")
TAKEN_FOR_S = 2.5
DEAF_WITHIN_S = 15.0
ANEW = "Entering BACKUP STATE (init)"
SECOND = "Entering MASTER STATE"
SLOW = {"version": 2, "interval": 1}
SECRET = {**SLOW, "password": "s3same"}
TWO = ("192.0.2.10/32", "192.0.2.20/32")

TAKEN = {
    "a VIP more": ({}, {"vips": TWO}),
    "another VIP": ({}, {"vips": TWO[1:]}),
    "an IPv6 VIP besides": ({}, {"excluded": ("2001:db8:5b::10/128",)}),
    "version 2": ({}, SLOW),
    "version 3": (SLOW, {}),
    "a password": (SLOW, SECRET),
    "another password": (SECRET, {**SECRET, "password": "other"}),
    "adverts more often": ({}, {"interval": 0.1}),
    "a peer more": ({}, {"peers": ("192.0.2.12", "192.0.2.13")}),
    "another name": ({}, {"name": "shop"}),
}
DEAF = ("a VIP more", "another VIP", "version 2", "a password", "another password")
HEARS = ("an IPv6 VIP besides", "adverts more often", "a peer more", "another name")
MADE_ANEW = {
    "another VRID": {"vrid": 77},
    "multicast": {"unicast": False},
    "its own address": {"own": "192.0.2.31"},
}


def conf(
    node: str,
    *,
    version: int = 3,
    interval: float = 0.3,
    vrid: int = 51,
    name: str = "web",
    vips: tuple[str, ...] = TWO[:1],
    excluded: tuple[str, ...] = (),
    password: str = "",
    unicast: bool = True,
    own: str = "",
    peers: tuple[str, ...] = (),
) -> str:
    """A node's configuration, as plain as can be; `a` is the first."""
    mine, theirs = ("192.0.2.11", "192.0.2.12") if node == "a" else ("192.0.2.12", "192.0.2.11")
    lines = [
        f"global_defs {{\nvrrp_version {version}\nmax_auto_priority -1\n}}",
        f"vrrp_instance {name} {{\nstate BACKUP\ninterface eth0\nvirtual_router_id {vrid}",
        f"priority {230 if node == 'a' else 160}\nadvert_int {interval}",
        _block("virtual_ipaddress", *(f"{vip} dev eth0" for vip in vips)),
    ]
    if excluded:
        lines.append(_block("virtual_ipaddress_excluded", *(f"{v} dev eth0" for v in excluded)))
    if unicast:
        lines.append(f"unicast_src_ip {own or mine}")
        lines.append(_block("unicast_peer", *(peers or (theirs,))))
    if password:
        lines.append(_block("authentication", "auth_type PASS", f"auth_pass {password}"))
    return "\n".join([*lines, "}", ""])


def _block(word: str, *lines: str) -> str:
    return "\n".join([f"{word} {{", *lines, "}"])


def reloaded(folder: Path, who: str, old: dict, new: dict, seconds: float) -> str:
    """What one of two says once it reads other words, until it is MASTER, for so long at most."""
    lacking = [t for t in ("keepalived", "unshare", "ip") if not shutil.which(t, path=PATH)]
    if lacking:
        missing(f"not installed here: {', '.join(lacking)}")
    for node in "ab":
        (folder / f"{node}.conf").write_text(conf(node, **old), encoding="utf-8")
    (folder / f"{who}.new").write_text(conf(who, **new), encoding="utf-8")
    mine = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    spaces = ["unshare", *mine, "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
    done = subprocess.run(
        [*spaces, sys.executable, str(PROGRAM), str(folder), str(seconds)],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": PATH},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Reloading" in done.stdout
    return done.stdout


@pytest.mark.parametrize("what", TAKEN)
def test_a_master_takes_it_and_stays_master(tmp_path: Path, what: str) -> None:
    said = reloaded(tmp_path, "a", *TAKEN[what], TAKEN_FOR_S)
    assert ANEW not in said


@pytest.mark.parametrize("what", DEAF)
def test_a_backup_that_has_it_first_hears_the_master_no_more(tmp_path: Path, what: str) -> None:
    """So all nodes have to have it before a BACKUP gives the MASTER up."""
    assert SECOND in reloaded(tmp_path, "b", *TAKEN[what], DEAF_WITHIN_S)


@pytest.mark.parametrize("what", HEARS)
def test_a_backup_that_has_it_first_goes_on_hearing_the_master(tmp_path: Path, what: str) -> None:
    assert SECOND not in reloaded(tmp_path, "b", *TAKEN[what], TAKEN_FOR_S)


@pytest.mark.parametrize("what", MADE_ANEW)
def test_a_master_gives_its_vips_up_and_begins_anew(tmp_path: Path, what: str) -> None:
    """So nodes that all do it at the same second leave nobody with the VIPs."""
    said = reloaded(tmp_path, "a", {}, MADE_ANEW[what], TAKEN_FOR_S)
    assert "removing VIPs." in said
    assert ANEW in said
