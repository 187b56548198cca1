"""The commands that change a node, run by a real shell: in which order, and where they stop."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import replace

import pytest
from clusters import PASSWORD, clusters, steady
from hypothesis import given
from looks import CLUSTER, DUAL, NAMES, SHARING, bare, described, desired, healthy

from selfbalance import VrrpOptions
from selfbalance.desired import File, places
from selfbalance.operations import shell, shell_kept, shell_moment
from selfbalance.plan import Act, NodePlan, plan_node
from selfbalance.plugins import Plugins

STORE = Plugins().snapshot_stores["local"]
NOTHING = plan_node(desired()["web1"], healthy()["web1"])
EVERYTHING = plan_node(desired()["web1"], bare(CLUSTER, "web1"))
WITH_PASSWORD = desired(
    described(detection="calm", vrrp=VrrpOptions(version=2, password="env:VRRP_PASSWORD"))
)["web1"]


# --- files ---


def test_files_arrive_with_content_and_mode_and_nothing_is_left(node):
    want = desired()["web1"]

    ran = node.run(shell.write_files(want.all_files))

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert node.files == {file.path: file.mode for file in want.all_files}
    for file in want.all_files:
        assert node.path(file.path).read_text() == file.content
    assert not node.path(places.STAGING).exists()


def test_folders_are_open_and_only_ours_is_closed(node):
    node.run(shell.write_files(desired()["web1"].files))

    assert node.path("/etc/systemd/system/keepalived.service.d").stat().st_mode & 0o777 == 0o755
    assert node.path("/var/lib/selfbalance").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_there_keeps_its_mode(node):
    node.path("/etc/keepalived").mkdir(parents=True, mode=0o750)

    node.run(shell.write_files(desired()["web1"].all_files))

    assert node.path("/etc/keepalived").stat().st_mode & 0o777 == 0o750


def test_a_file_is_replaced_whole_and_never_written_into(node):
    """Who has the old file open, keepalived or a shell that runs it, reads on in the old one."""
    node.write(places.GUARD, "old")
    node.path(places.GUARD).chmod(0o600)
    before = node.path(places.GUARD).stat().st_ino

    with node.path(places.GUARD).open() as old:
        node.run(shell.write_files([File(places.GUARD, "new", 0o700)]))
        assert old.read() == "old"

    after = node.path(places.GUARD).stat()
    assert node.path(places.GUARD).read_text() == "new"
    assert (after.st_mode & 0o777, after.st_ino == before) == (0o700, False)


@pytest.mark.parametrize("content", ["", "ä ∑\n", "'\"$(id)`id`\\\n", "a" * 200_000, "no end"])
def test_any_content_arrives_as_it_is(node, content):
    node.run(shell.write_files([File("/etc/a b'c", content, 0o640)]))

    assert node.path("/etc/a b'c").read_text() == content
    assert node.files == {"/etc/a b'c": 0o640}


def test_a_stale_staging_folder_is_no_harm(node):
    node.write(places.STAGING + places.GUARD, "stale")
    node.write(places.STAGING + "/etc/other", "stale")

    node.run(shell.write_files([File(places.GUARD, "new", 0o700)]))

    assert node.path(places.GUARD).read_text() == "new"
    assert node.files == {places.GUARD: 0o700}


@pytest.mark.parametrize("kept", [0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
def test_where_contents_are_cut_short_no_file_is_half_and_success_means_all(node, kept):
    """Some files may be new and some old after a failure; the next run sees which."""
    files = desired()["web1"].all_files
    for file in files:
        node.write(file.path, "old")
    command = shell.write_files(files)
    sent = command.connector_arguments["_stdin"]

    ran = node.run(command, stdin=sent[: int(len(sent) * kept)] or "\n")

    left = [node.path(file.path).read_text() for file in files]
    assert all(text in ("old", file.content) for text, file in zip(left, files, strict=True))
    assert (ran.returncode == 0) is (left == [file.content for file in files])


def test_a_file_that_cannot_be_put_in_its_place_stops_what_comes_after(node):
    node.path("/etc/keepalived").mkdir(parents=True)
    node.write("/etc/keepalived/in-the-way", "a file, no folder")
    files = [File("/etc/keepalived/in-the-way/a", "a", 0o644), File("/etc/b", "b", 0o644)]

    ran = node.run(shell.write_files(files))

    assert ran.returncode != 0
    assert not node.path("/etc/b").exists()


def test_no_content_is_among_the_arguments():
    """Arguments show in the node's process list and in pyinfra's output with -vvv."""
    command = shell.write_files([shell.staged(WITH_PASSWORD.config)])
    shown = repr(command) + str(command) + command.get_masked_value()

    assert PASSWORD in WITH_PASSWORD.config.content
    assert PASSWORD not in shown
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + PASSWORD.encode()).decode()
        assert encoded[shift + 1 : -4] not in shown
    assert "/tmp" not in shown


def test_the_staged_configuration_is_the_configuration_beside_its_place():
    staged = shell.staged(WITH_PASSWORD.config)

    assert staged.path == "/etc/keepalived/keepalived.conf.staged"
    assert (staged.mode, staged.secret) == (0o600, True)
    assert staged.content == WITH_PASSWORD.config.content


# --- kernel and systemd ---

IN_ORDER = [
    "modprobe -a ip_vs ip_vs_mh",
    "sysctl -q -p /etc/sysctl.d/60-selfbalance.conf",
    "systemctl -q --no-reload enable selfbalance-vip.service selfbalance-watch.service",
    "systemctl is-enabled keepalived.service",
    "systemctl -q --no-reload enable keepalived.service",
    "systemctl daemon-reload",
    "systemctl restart selfbalance-watch.service",
    "systemctl restart selfbalance-vip.service",
]


def told(plan: NodePlan):
    want = desired()["web1"]
    return shell.tell_kernel(plan, want.modules, want.units)


def test_the_vips_come_last_when_the_node_is_silent_about_them(node):
    node.path(places.UNITS).mkdir(parents=True)

    ran = node.run(told(EVERYTHING))

    assert ran.returncode == 0, ran.stderr
    assert node.ran == IN_ORDER


def test_what_is_enabled_is_not_enabled_again(node):
    node.run(told(EVERYTHING), said="enabled\n")

    assert node.ran == [line for line in IN_ORDER if "enable keepalived" not in line]


def test_a_mount_is_enabled_and_not_started_and_gluster_runs_before_there_is_a_volume(node):
    node.path(places.UNITS).mkdir(parents=True)
    want = desired(SHARING)["web1"]
    plan = plan_node(want, bare(SHARING, "web1"))

    ran = node.run(shell.tell_kernel(plan, want.modules, want.units))

    assert ran.returncode == 0, ran.stderr
    assert "systemctl -q --no-reload enable srv-shared.mount" in node.ran
    started = [line.split()[-1] for line in node.ran if line.startswith("systemctl start")]
    assert started == ["glusterd.service"]


VIP_UNIT = next(file for file in desired()["web1"].files if file.path == places.VIP_UNIT)


@pytest.mark.parametrize(
    ("changes", "restarts"),
    [
        ({"vips": False, "files": ()}, False),
        ({"vips": True, "files": ()}, True),
        ({"vips": False, "files": (VIP_UNIT,)}, True),
    ],
)
def test_vips_are_put_only_where_they_or_their_unit_changed(node, changes, restarts):
    """To take them away from lo and put them back for nothing would reset the node's sessions."""
    node.run(told(replace(EVERYTHING, **changes)))

    assert (IN_ORDER[-1] in node.ran) is restarts


@pytest.mark.parametrize(
    ("failing", "last"),
    [("modprobe", IN_ORDER[0]), ("sysctl", IN_ORDER[1]), ("systemctl", IN_ORDER[2])],
)
def test_nothing_follows_a_step_that_failed(node, failing, last):
    ran = node.run(told(EVERYTHING), failing)

    assert ran.returncode != 0
    assert node.ran[-1] == last
    assert IN_ORDER[-1] not in node.ran


# --- the proof of the configuration ---


@pytest.mark.parametrize(
    ("said", "failing", "staged", "accepted"),
    [
        ("", (), "conf", True),
        ("Configuration file: fine\n", (), "conf", True),
        ("", ("keepalived",), "conf", False),
        ("(Line 5) Unknown keyword 'lvs_shed'\n", (), "conf", False),
        ("", (), "", False),
        ("", (), None, False),
    ],
    ids=["silent", "talks", "fails", "unknown keyword", "empty file", "no file"],
)
def test_only_what_keepalived_takes_wholly_is_accepted(node, said, failing, staged, accepted):
    if staged is not None:
        node.write(places.STAGED_CONFIG, staged)

    ran = node.run(shell.test_config(), *failing, said=said)

    assert node.ran == [f"keepalived -t -f {places.STAGED_CONFIG}"]
    assert (ran.returncode == 0) is accepted
    assert bool(ran.stderr) is not accepted
    if not accepted:
        assert ran.stderr.startswith("keepalived refuses ")
        assert said.strip() in ran.stderr


# --- snapshot and activation ---


def test_a_snapshot_keeps_the_table_and_the_configuration(node):
    node.write(places.CONFIG, "running")

    ran = node.run(shell.snapshot(STORE, "before-activation"), said="-A -t 192.0.2.10:80 -s mh\n")

    assert ran.returncode == 0, ran.stderr
    folder = "/var/lib/selfbalance/snapshots"
    assert node.files == {
        places.CONFIG: node.files[places.CONFIG],
        f"{folder}/before-activation.conf": 0o600,
        f"{folder}/before-activation.ipvs": 0o600,
    }
    kept = (
        node.path(f"{folder}/before-activation.conf"),
        node.path(f"{folder}/before-activation.ipvs"),
    )
    texts = [path.read_text().partition("\n") for path in kept]
    assert [text for _, _, text in texts] == ["running", "-A -t 192.0.2.10:80 -s mh\n"]
    assert all(first.startswith("selfbalance-snapshot 1 ") for first, _, _ in texts)


def test_a_node_without_a_configuration_can_be_snapshot_too(node):
    ran = node.run(shell.snapshot(STORE, "before-activation"))

    assert ran.returncode == 0, ran.stderr


SYSCTLS = "sysctl -q -p /etc/sysctl.d/60-selfbalance.conf"
ACTS = {
    Act.NONE: [],
    Act.START: [
        "systemctl reset-failed keepalived.service",
        "systemctl reload-or-restart keepalived.service",
    ],
    Act.RELOAD: [SYSCTLS, "systemctl reload-or-restart keepalived.service"],
    Act.RESTART: [
        "systemctl stop keepalived.service",
        SYSCTLS,
        "systemctl restart keepalived.service",
    ],
}


@pytest.mark.parametrize("act", ACTS)
def test_an_act_is_what_systemd_is_told(node, act):
    ran = node.run(shell.activate(None, act, ()))

    assert ran.returncode == 0, ran.stderr
    assert node.ran == ACTS[act]
    assert node.files == {}


@pytest.mark.parametrize("act", [Act.START, Act.RELOAD, Act.RESTART])
def test_the_proven_configuration_is_in_place_before_keepalived_is_told(node, act):
    node.write(places.STAGED_CONFIG, "new")
    node.write(places.CONFIG, "old")

    ran = node.run(shell.activate(EVERYTHING.config, act, ()), "systemctl")

    assert ran.returncode != 0
    assert node.path(places.CONFIG).read_text() == "new"
    assert not node.path(places.STAGED_CONFIG).exists()


@pytest.mark.parametrize("act", [Act.START, Act.RELOAD, Act.RESTART])
def test_without_a_staged_configuration_keepalived_is_not_touched(node, act):
    """Nobody prepared the node: what would be started is not what was proven."""
    node.write(places.CONFIG, "old")

    ran = node.run(shell.activate(EVERYTHING.config, act, ()))

    assert ran.returncode != 0
    assert node.ran == []
    assert node.path(places.CONFIG).read_text() == "old"


@pytest.mark.parametrize("act", [Act.RELOAD, Act.RESTART])
def test_sysctls_and_watch_change_with_keepalived(node, act):
    """What runs was made for the old ones: so they are not touched while nodes are prepared."""
    for path in (places.UNITS, places.NEW_WATCH.rpartition("/")[0]):
        node.path(path).mkdir(parents=True)
    assert node.run(told(replace(EVERYTHING, act=act))).returncode == 0
    prepared = node.ran

    assert node.run(shell.activate(None, act, ())).returncode == 0

    begun = [line for line in node.ran[len(prepared) :] if "watch" in line or "sysctl" in line]
    assert begun == [SYSCTLS, "systemctl restart selfbalance-watch.service"]
    assert not {*begun} & {*prepared}
    assert node.ran[-1].endswith("keepalived.service")
    assert not node.path(places.NEW_WATCH).exists()


@pytest.mark.parametrize("act", [Act.RELOAD, Act.RESTART])
def test_an_act_that_fails_is_a_failure(node, act):
    assert node.run(shell.activate(None, act, ()), "systemctl").returncode != 0


# --- drain ---

DRAIN = places.drained("web3")
WORDS = "1795380591 ops@bastion"


@pytest.fixture
def ours(node):
    """A node that has our folder."""
    node.path(DRAIN).parent.mkdir(parents=True)
    return node


def test_a_drain_is_a_file_whose_first_number_takes_any_weight_off(ours):
    ran = ours.run(shell.drain("web3", WORDS))

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert ours.path(DRAIN).read_text() == f"65535 {WORDS}\n"
    assert ours.files == {DRAIN: 0o600}
    assert ours.ran == []  # keepalived watches the folder: nobody tells it


def test_a_drain_takes_the_place_of_another_one_whole(ours):
    """keepalived never reads half of a file."""
    ours.write(DRAIN, "1")
    before = ours.path(DRAIN).stat().st_ino

    with ours.path(DRAIN).open() as old:
        ours.run(shell.drain("web3", WORDS))
        assert old.read() == "1"

    assert ours.path(DRAIN).read_text() == f"65535 {WORDS}\n"
    assert ours.path(DRAIN).stat().st_ino != before


@pytest.mark.parametrize("by", ["CORP\\new@x", "o'brien@x", "$(id)@`id`", "a b%s@x", "ä@x", "-n"])
def test_whoever_it_was_is_written_as_he_is_called(ours, by):
    ran = ours.run(shell.drain("web3", f"1795380591 {by}"))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ours.path(DRAIN).read_text() == f"65535 1795380591 {by}\n"


def test_a_node_that_nothing_was_deployed_to_cannot_be_told(node):
    assert node.run(shell.drain("web3", WORDS)).returncode != 0
    assert node.run(shell.undrain("web3")).returncode != 0
    assert node.files == {}


def test_a_drain_that_cannot_be_written_is_a_failure(ours):
    ours.path(f"{DRAIN}.new").mkdir()

    assert ours.run(shell.drain("web3", WORDS)).returncode != 0
    assert not ours.path(DRAIN).exists()


def test_an_undrain_removes_that_file_and_no_other(ours):
    for name in NAMES:
        ours.run(shell.drain(name, WORDS))

    ran = ours.run(shell.undrain("web3"))

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert set(ours.files) == {places.drained("web1"), places.drained("web2")}
    assert ours.run(shell.undrain("web3")).returncode == 0


def test_a_hand_over_is_a_restart_by_systemd(node):
    assert node.run(shell.hand_over()).returncode == 0
    assert node.ran == ["systemctl restart keepalived.service"]
    assert node.run(shell.hand_over(), "systemctl").returncode != 0


# --- any cluster ---


@given(clusters(max_nodes=2))
@steady(10)
def test_a_shell_accepts_every_command_of_any_cluster(cluster):
    for name, want in desired(cluster).items():
        plan = plan_node(want, bare(cluster, name))
        commands = (
            shell.write_files(plan.files),
            shell.tell_kernel(plan, want.modules, want.units),
            shell.test_config(),
            shell.snapshot(STORE, "before-activation"),
            shell.activate(plan.config, plan.act, want.own_instances),
            shell_kept.keep(want),
            shell_kept.put_back(Act.RELOAD, shell_moment.wait_until(1)),
            shell_kept.take_away(want.vips, want.vip_interface, want.interface),
            shell_kept.described_before(),
            *(shell_kept.settle(going_back=back) for back in (False, True)),
            shell_moment.begin(shell.activate(plan.config, Act.RELOAD, (), "true")),
            shell_moment.ended(9),
            shell.drain(name, WORDS),
            shell.undrain(name),
            shell.hand_over(),
        )
        text = "\n".join(map(str, commands))
        checked = subprocess.run(
            ["sh", "-n"], input=text, text=True, capture_output=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")
        assert PASSWORD not in text


@pytest.mark.parametrize("name", NAMES)
def test_commands_are_a_nodes_own(name):
    want = desired(DUAL)[name]
    archive = shell.write_files(want.all_files).connector_arguments["_stdin"]

    assert name.encode() in base64.b64decode(archive)
