"""What records a node and makes it so again, run by a real shell below a folder."""

from __future__ import annotations

import re

import pytest
from looks import CLUSTER, desired
from rooted import Rooted

from selfbalance.desired import places
from selfbalance.operations import shell, shell_teardown

WANT = desired(CLUSTER)["web1"]
BEFORE = places.BEFORE
KNOB = "/proc/sys/net/ipv4/conf/all/arp_ignore"
INSTALLED = "bash installed\nlibc6 installed\n"


class Node(Rooted):
    """A node whose kernel is below the folder too."""

    PROGRAMS = (*Rooted.PROGRAMS, "ip", "tc", "nft", "rmmod", "apt-get")

    def _below(self, command: str) -> str:
        top = r"(?<![\w./-])/(etc|var|run|proc|sys)\b"
        return re.sub(top, lambda found: f"{self.root}{found[0]}", command)


@pytest.fixture
def bare(tmp_path):
    """A node with a keepalived.conf of its own, and nothing of ours."""
    node = Node(tmp_path)
    node.program("dpkg-query", f"printf '%s' '{INSTALLED}'\n")
    node.write("/proc/modules", "ext4 1 2 - Live 0x0\n")
    node.write(KNOB, "0\n")
    node.write("/proc/sys/net/ipv4/ip_forward", "1\n")
    node.write(places.CONFIG, "# its own\n")
    node.path("/etc/systemd/system").mkdir(parents=True)
    node.path("/etc/sysctl.d").mkdir()
    node.write("/etc/sysctl.d/10-own.conf", "")
    return node


def everything(node: Node) -> dict[str, str]:
    """Every file of the node but the kernel's."""
    return {
        path: node.path(path).read_text()
        for path in node.files
        if not path.startswith(("/proc", "/sys"))
    }


def folders(node: Node) -> set[str]:
    found = (path.relative_to(node.root) for path in node.root.rglob("*") if path.is_dir())
    return {str(path) for path in found if not str(path).startswith((".", "var", "run"))}


def test_what_was_there_is_recorded_whole_and_for_root_only(bare):
    ran = bare.run(shell_teardown.record(WANT))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert bare.path(f"{BEFORE}/packages").read_text() == INSTALLED
    assert bare.path(f"{BEFORE}/modules").read_text() == "ext4\n"
    assert f"{bare.root}{KNOB}:0\n" in bare.path(f"{BEFORE}/sysctls").read_text()
    assert bare.path(f"{BEFORE}/files{bare.root}{places.CONFIG}").read_text() == "# its own\n"
    assert bare.path(BEFORE).stat().st_mode & 0o777 == 0o700
    assert not bare.path(f"{BEFORE}.new").exists()


def test_it_is_recorded_once(bare):
    bare.run(shell_teardown.record(WANT))
    bare.write(places.CONFIG, "# of the cluster\n")

    ran = bare.run(shell_teardown.record(WANT))

    assert ran.returncode == 0
    assert bare.path(f"{BEFORE}/files{bare.root}{places.CONFIG}").read_text() == "# its own\n"


def test_what_a_run_that_was_killed_has_begun_is_begun_anew(bare):
    bare.write(f"{BEFORE}.new/packages", "half")

    bare.run(shell_teardown.record(WANT))

    assert bare.path(f"{BEFORE}/packages").read_text() == INSTALLED


@pytest.fixture
def installed(bare):
    """The same node with everything that a description puts there, and what was there before."""
    before = everything(bare), folders(bare)
    assert bare.run(shell_teardown.record(WANT)).returncode == 0
    assert bare.run(shell.write_files(WANT.all_files)).returncode == 0
    bare.write(KNOB, "1\n")
    bare.write(f"{places.DRAINED}-web3", "65535\n")
    bare.write(places.MARKER, "nft\n")
    bare.write("/proc/modules", "ext4 1\nip_vs_mh 1\nip_vs 1\nnot_ours 1\n")
    bare.program("rmmod", 'grep -v "^$1 " /proc/modules >/proc/m; mv /proc/m /proc/modules\n')
    program = bare.root / ".bin" / "rmmod"
    program.write_text(program.read_text().replace("/proc/", f"{bare.root}/proc/"))
    return bare, before


def test_all_is_as_it_was(installed):
    node, before = installed

    ran = node.run(shell_teardown.clear(WANT))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert (everything(node), folders(node)) == before
    assert node.path(KNOB).read_text() == "0\n"
    assert node.path("/proc/modules").read_text() == "ext4 1\nnot_ours 1\n"
    assert not node.path("/var/lib/selfbalance").exists()


def test_it_may_be_done_again(installed):
    node, before = installed
    node.run(shell_teardown.clear(WANT))

    ran = node.run(shell_teardown.clear(WANT))

    assert ran.returncode == 0
    assert {**everything(node), places.CONFIG: "# its own\n"} == before[0]


def test_its_own_keepalived_that_names_a_vip_is_left_disabled(bare):
    bare.write(places.CONFIG, f"vip {WANT.vips[0]}\n")
    bare.program("systemctl", "case $1 in is-enabled) echo enabled;; is-active) echo active;; esac")
    bare.run(shell_teardown.record(WANT))
    bare.run(shell.write_files(WANT.all_files))

    ran = bare.run(shell_teardown.clear(WANT))

    assert "names a VIP of this cluster: keepalived is left disabled" in ran.stdout
    assert "systemctl start keepalived.service" not in bare.ran
    assert "systemctl -q enable keepalived.service" not in bare.ran


def test_its_own_keepalived_runs_as_it_did(bare):
    bare.program("systemctl", "case $1 in is-enabled) echo enabled;; is-active) echo active;; esac")
    bare.run(shell_teardown.record(WANT))
    bare.run(shell.write_files(WANT.all_files))

    bare.run(shell_teardown.clear(WANT))

    assert "systemctl start keepalived.service" in bare.ran
    assert "systemctl -q enable keepalived.service" in bare.ran


APT = """
case "$*" in
*autoremove*) echo 'Remv orphan [1]' ;;
*'purge --auto-remove'*psmisc+) printf 'Purg %s [1]\\n' keepalived ipvsadm libnl orphan bash ;;
*'purge --auto-remove'*) printf 'Purg %s [1]\\n' keepalived ipvsadm libnl orphan bash psmisc ;;
*purge*) printf 'Purg %s [1]\\n' keepalived ipvsadm libnl $MORE ;;
esac
"""
DPKG = """
case $* in
*Recommends*tool) echo '$RECOMMENDS, ' ;;
*Status-Status*Package*) printf 'installed %s\\n' bash libc6 keepalived ipvsadm libnl psmisc tool ;;
*keepalived | *ipvsadm) printf installed ;;
esac
"""


def asked(node: Node, before: str, more: str = "", recommends: str = "") -> str:
    node.write(f"{BEFORE}/packages", before)
    node.program("apt-get", APT.replace("$MORE", more))
    node.program("dpkg-query", DPKG.replace("$RECOMMENDS", recommends))
    ran = node.run(shell_teardown.to_purge(("keepalived", "ipvsadm")))
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_what_came_goes_with_what_it_brought(bare):
    assert asked(bare, INSTALLED) == "purge keepalived ipvsadm libnl psmisc"


def test_what_was_there_before_keeps_nothing_by_recommending_it(bare):
    asked(bare, INSTALLED)

    asks = [each for each in bare.ran if each.startswith("apt-get")]
    assert asks
    assert all("AutoRemove::RecommendsImportant=false" in each for each in asks)


@pytest.mark.parametrize(
    "recommends", ["psmisc", "x, lsof | psmisc (>= 23)", "x (>= 1), psmisc:any"]
)
def test_what_came_since_keeps_what_it_recommends(bare, recommends):
    assert asked(bare, INSTALLED, recommends=recommends) == "purge keepalived ipvsadm libnl"


@pytest.mark.parametrize("recommends", ["", "psmisc-extra", "lib.*"])
def test_it_keeps_nothing_else(bare, recommends):
    said = asked(bare, INSTALLED, recommends=recommends)

    assert said == "purge keepalived ipvsadm libnl psmisc"


def test_what_was_there_before_stays(bare):
    assert asked(bare, f"{INSTALLED}keepalived installed\nipvsadm installed\n") == ""


def test_what_somebody_else_needs_stays_and_that_is_said(bare):
    assert asked(bare, INSTALLED, "theirs") == (
        "theirs needs what was installed for the cluster: keepalived ipvsadm stay installed"
    )


def test_without_a_record_no_package_goes(bare):
    ran = bare.run(shell_teardown.to_purge(("keepalived",)))

    assert ran.stdout == "what was there before is not known: keepalived stay installed\n"


def test_what_does_not_stop_is_an_error(bare):
    bare.program("systemctl", '[ "$1" != stop ]')

    ran = bare.run(shell_teardown.quiet(WANT))

    assert ran.returncode == 1
    assert "keepalived.service does not stop" in ran.stderr


def test_a_vip_that_stays_is_an_error(bare):
    bare.program("ip", f'[ "$2" != addr ] || echo "1: lo inet {WANT.vips[0]}/32 scope host lo"')

    ran = bare.run(shell_teardown.quiet(WANT))

    assert ran.returncode == 1
    assert f"{WANT.vips[0]} is still on an interface" in ran.stderr


def test_vips_go_only_when_keepalived_has_stopped(bare):
    ran = bare.run(shell_teardown.quiet(WANT))

    assert (ran.returncode, ran.stderr) == (0, "")
    stop = bare.ran.index("systemctl stop keepalived.service")
    assert stop < bare.ran.index(f"ip addr del {WANT.vips[0]}/32 dev lo")
    assert "tc qdisc del dev eth0 clsact" in bare.ran


def test_a_qdisc_that_was_there_before_stays(bare):
    bare.write(f"{BEFORE}/qdiscs", "qdisc clsact ffff: dev eth0 parent ffff:fff1 \n")

    bare.run(shell_teardown.quiet(WANT))

    assert "tc qdisc del dev eth0 clsact" not in bare.ran
