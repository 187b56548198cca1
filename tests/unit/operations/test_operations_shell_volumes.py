"""The shell that makes volumes, run for real: in which words, how patiently, and where it stops."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from clusters import clusters, steady
from hypothesis import given
from looks import SHARING, WITH_FOURTH, desired

from selfbalance.desired import DesiredVolume, places
from selfbalance.operations import shell_volumes
from selfbalance.operations.shell_volumes import command
from selfbalance.plan import VolumeAct, VolumeStep

SHARED = desired(SHARING)["web1"].volumes[0]
ONE, TWO, THREE = SHARED.bricks
NEW = "192.0.2.14:/data/shared/brick"
RECORDED = Path(__file__).parents[1] / "observed" / "recorded"


def step(act: VolumeAct, volume: DesiredVolume | None = SHARED, subject: str = "") -> VolumeStep:
    return VolumeStep(act, "web1", volume, subject)


PROBE = step(VolumeAct.PROBE, None, "192.0.2.13")
CREATE, SET, START, MOUNT = map(
    step, (VolumeAct.CREATE, VolumeAct.SET, VolumeAct.START, VolumeAct.MOUNT)
)
GROWN = replace(SHARED, bricks=(*SHARED.bricks, NEW))
GROW = replace(step(VolumeAct.GROW, GROWN, NEW), copies=4)
RESET = step(VolumeAct.RESET, SHARED, THREE)
REPLACE = replace(step(VolumeAct.REPLACE, SHARED, THREE), other=NEW)
SHRINK = replace(step(VolumeAct.SHRINK, SHARED, NEW), copies=3)
DETACH = step(VolumeAct.DETACH, None, "192.0.2.14")
UUID = "2b1f8d52-6f4e-4d59-9d0a-3c7a1f5e9b10"
IDENTIFY = replace(step(VolumeAct.IDENTIFY, None, UUID), other="192.0.2.11", members=3)
STEPS = [PROBE, CREATE, SET, START, MOUNT, GROW, RESET, REPLACE, SHRINK, DETACH, IDENTIFY]
OF_GLUSTER = [CREATE, SET, START, GROW]
AND_WORDS = pytest.mark.parametrize("one", OF_GLUSTER, ids=lambda one: one.act.value)


@pytest.fixture
def gluster(node):
    """Have a `gluster` that is this script; its time goes by at once."""
    node.program("sleep", "exit 0\n")
    node.program("timeout", 'shift; exec "$@"\n')
    return lambda script: node.program("gluster", f"{script}\n")


def asked(node) -> list[str]:
    """What gluster was asked."""
    return [line.removeprefix("gluster ") for line in node.ran if line.startswith("gluster ")]


def waits(node) -> int:
    return len([line for line in node.ran if line.startswith("sleep")])


# --- what is asked ---


@given(clusters(max_nodes=4, volumes=True))
@steady(15)
def test_a_shell_accepts_each_command_for_any_volume(cluster):
    name = cluster.nodes[0].name
    for volume in desired(cluster)[name].volumes:
        for act in VolumeAct:
            one = VolumeStep(act, name, volume, volume.bricks[-1])
            if act in (VolumeAct.PROBE, VolumeAct.IDENTIFY, VolumeAct.DETACH):
                one = VolumeStep(act, name, None, str(cluster.nodes[1].address))
            checked = subprocess.run(
                ["sh", "-n"], input=command(one), text=True, capture_output=True, check=False
            )
            assert (checked.returncode, checked.stderr) == (0, ""), act


ALLOWED = "127.0.0.1,192.0.2.11,192.0.2.12,192.0.2.13"
WORDS = [
    (CREATE, [f"volume create shared replica 3 {ONE} {TWO} {THREE}"]),
    (
        step(VolumeAct.CREATE, replace(SHARED, arbiter=True)),
        [f"volume create shared replica 3 arbiter 1 {ONE} {TWO} {THREE}"],
    ),
    (
        step(VolumeAct.CREATE, replace(SHARED, on_root=True)),
        [f"volume create shared replica 3 {ONE} {TWO} {THREE} force"],
    ),
    (
        SET,
        [f"volume set shared network.ping-timeout 10 cluster.heal-timeout 60 auth.allow {ALLOWED}"],
    ),
    (START, ["volume start shared"]),
    (
        RESET,
        [
            f"volume reset-brick shared {THREE} start",
            f"volume reset-brick shared {THREE} {THREE} commit force",
            "volume heal shared full",
        ],
    ),
    (
        REPLACE,
        [f"volume replace-brick shared {NEW} {THREE} commit force", "volume heal shared full"],
    ),
    (SHRINK, [f"volume remove-brick shared replica 3 {NEW} force"]),
    (DETACH, ["peer detach 192.0.2.14 force"]),
    (GROW, [f"volume add-brick shared replica 4 {NEW}", "volume heal shared full"]),
    (
        replace(GROW, volume=replace(GROWN, on_root=True)),
        [f"volume add-brick shared replica 4 {NEW} force", "volume heal shared full"],
    ),
]


@pytest.mark.parametrize(("one", "words"), WORDS)
def test_gluster_is_asked_in_its_own_words_and_asks_nothing_back(node, gluster, one, words):
    gluster("exit 0")

    ran = node.run(command(one))

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert asked(node) == [f"--mode=script {each}" for each in words]
    assert waits(node) == 0


LEARNT = "<volume> <hostname>192.0.2.11</hostname></hostnames><connected>1</connected><state>3<"
INFO = f"{places.GLUSTERD}/glusterd.info"


def learning(after: int) -> str:
    """Answer as a glusterd that knows itself only, and two more when asked more often than that."""
    times = 'grep -c "gluster pool" "${0%/*}/../.ran"'
    return (
        f'case "$*" in "pool list") set --; [ $({times}) -le {after} ] || set -- web1 web2; '
        f"printf '%s\\n' UUID localhost \"$@\" ;; *) echo '{LEARNT}' ;; esac"
    )


def test_a_fresh_glusterd_gets_the_id_that_others_know(node, gluster):
    node.write(INFO, "UUID=11111111-2222-3333-4444-555555555555\noperating-version=100000\n")
    gluster(learning(after=2))

    ran = node.run(command(IDENTIFY))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert node.path(INFO).read_text() == f"UUID={UUID}\noperating-version=100000\n"
    calls = [line for line in node.ran if line.startswith("systemctl")]
    assert calls == [f"systemctl {verb} glusterd" for verb in ("start", "stop", "start", "restart")]


def test_a_fresh_glusterd_is_not_restarted_before_it_knows_all_peers(node, gluster):
    node.write(INFO, "UUID=\n")
    gluster(learning(after=999))

    ran = node.run(command(IDENTIFY))

    said = "it is not told of all peers by 192.0.2.11: gluster pool list\n"
    assert (ran.returncode, ran.stderr) == (1, said)
    assert "systemctl restart glusterd" not in node.ran
    assert waits(node) == 60


def test_a_node_that_is_still_in_a_pool_keeps_its_copy(node, gluster):
    node.write("/var/data/brick/file", "")
    gluster("echo '<hostname>192.0.2.11</hostname>'")

    ran = node.run(shell_volumes.leave(["/var/data/brick"]))

    assert ran.returncode == 1
    assert "it is still in a pool" in ran.stderr
    assert node.path("/var/data/brick/file").exists()


def test_a_node_in_no_pool_gives_up_its_copy(node, gluster):
    node.write("/var/data/brick/file", "")
    gluster("exit 1")

    ran = node.run(shell_volumes.leave(["/var/data/brick"]))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert not node.path("/var/data/brick").exists()


def test_a_volume_that_stays_mounted_is_an_error(node):
    ran = node.run(shell_volumes.unmount(["srv-shared.mount"]), said="")

    assert ran.returncode == 1  # It stays active here, whatever is asked.
    node.program("systemctl", '[ "$1" = stop ]')
    assert node.run(shell_volumes.unmount(["srv-shared.mount"])).returncode == 0


def test_a_folder_is_made_with_all_above_it_and_again(node):
    for _ in range(2):
        ran = node.run(shell_volumes.make_folder("/var/data/my-files/brick"))
        assert (ran.returncode, ran.stderr) == (0, "")

    assert node.path("/var/data/my-files/brick").is_dir()


def test_a_folder_that_cannot_be_made_is_a_failure(node):
    node.write("/var/data", "a file")

    ran = node.run(shell_volumes.make_folder("/var/data/brick"))

    assert ran.returncode != 0
    assert "/var/data" in ran.stderr


# --- how patiently ---

BUSY = [
    "volume create: shared: failed: Another transaction is in progress for shared. Please try "
    "again after some time.",
    "volume set: failed: Another transaction could be in progress. Please try again after some "
    "time.",
    "volume start: shared: failed: Locking failed on 192.0.2.12. Please check log file for "
    "details.",
    "volume create: shared: failed: Host 192.0.2.13 is not in 'Peer in Cluster' state",
    "Connection failed. Please check if gluster daemon is operational.",
    "volume add-brick: failed: Not all peers are in connected state",
    "volume set: failed: Commit failed on 192.0.2.13. Peer is not connected",
    "Launching heal operation to perform full self heal on volume shared has been unsuccessful: "
    "Commit failed on 192.0.2.13. Please check log file for details.",
]


def after(times: int, folder: Path, words: str, then: str = "exit 0") -> str:
    """A gluster that is busy so many times, and then does otherwise."""
    count = folder / ".count"
    return (
        f'echo x >>{count}; [ "$(wc -l <{count})" -gt {times} ] || '
        f'{{ echo "{words}" >&2; exit 1; }}; {then}'
    )


@pytest.mark.parametrize("words", BUSY)
@AND_WORDS
def test_who_is_busy_for_a_moment_is_asked_again(node, gluster, one, words):
    gluster(after(3, node.root, words))

    ran = node.run(command(one))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(set(asked(node)[:4])) == 1
    assert waits(node) == 3


@AND_WORDS
def test_who_is_busy_for_ever_is_given_up_with_its_last_word(node, gluster, one):
    gluster(f'echo "{BUSY[0]}"; exit 1')

    ran = node.run(command(one))

    assert ran.returncode == 1
    assert len(asked(node)) == shell_volumes._TRIES
    assert waits(node) == shell_volumes._TRIES - 1
    assert ran.stderr.endswith(f": {BUSY[0]}\n")


REFUSALS = [
    "volume create: shared: failed: The brick 192.0.2.11:/data/shared/brick is being created in "
    "the root partition. It is recommended that you don't use the system's root partition.",
    "volume create: shared: failed: Volume shared already exists",
    "volume set: failed: option : nosuch.option does not exist",
    "volume start: shared: failed: Volume shared already started",
]


@pytest.mark.parametrize("words", REFUSALS)
@AND_WORDS
def test_what_gluster_refuses_for_good_is_said_at_once(node, gluster, one, words):
    gluster(f'echo "{words}" >&2; exit 1')

    ran = node.run(command(one))

    first, *more = asked(node)
    assert (ran.returncode, ran.stdout, more) == (1, "", [])
    assert ran.stderr == f"gluster {first.removeprefix('--mode=script ')}: {words}\n"


def test_a_copy_that_could_not_be_added_is_not_healed(node, gluster):
    gluster("case $3 in add-brick) echo no; exit 1 ;; esac")

    assert node.run(command(GROW)).returncode == 1
    assert [words.split()[2] for words in asked(node)] == ["add-brick"]


def test_a_heal_that_is_refused_is_a_failure_too(node, gluster):
    gluster("case $3 in heal) echo 'Self-heal daemon is not running'; exit 1 ;; esac")

    ran = node.run(command(GROW))

    assert ran.returncode == 1
    assert ran.stderr == "gluster volume heal shared full: Self-heal daemon is not running\n"


@AND_WORDS
def test_who_does_not_answer_is_not_waited_for_twice(node, gluster, one):
    gluster("exit 0")
    node.program("timeout", f'echo "$1" >>{node.root}/limit; exit 124\n')

    ran = node.run(command(one))

    assert ran.returncode == 1
    assert ran.stderr.endswith(": no answer in 150 s\n")
    assert (node.root / "limit").read_text() == "150\n"


def test_what_succeeds_is_not_asked_again_whatever_it_says(node, gluster):
    gluster(f'echo "{BUSY[0]}"')

    assert node.run(command(START)).returncode == 0
    assert len(asked(node)) == 1


# --- a peer ---


def peers(name: str = "peers-rejected") -> str:
    """A gluster whose pool is as it was recorded; it takes everybody in."""
    return f'case "$*" in *"peer status"*) cat "{RECORDED}/gluster-{name}.xml" ;; esac'


def test_a_node_is_taken_in_and_the_pool_knows_it(node, gluster):
    gluster(peers())

    ran = node.run(command(PROBE))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert asked(node) == ["--mode=script peer probe 192.0.2.13", "--xml peer status"]


def test_a_node_is_waited_for_until_the_pool_knows_it(node, gluster):
    joining = f'sed "s/<state>3</<state>4</" "{RECORDED}/gluster-peers-rejected.xml"; exit 0'
    gluster(
        f'case "$*" in *probe*) exit 0 ;; esac; echo x >>{node.root}/.asked; '
        f'[ "$(wc -l <{node.root}/.asked)" -gt 2 ] || {{ {joining}; }}; {peers()}'
    )

    ran = node.run(command(PROBE))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert waits(node) == 2


@pytest.mark.parametrize("address", ["192.0.2.12", "192.0.2.1", "192.0.2.99", "192.0.2.130"])
def test_a_node_that_is_rejected_or_not_there_is_not_in_the_pool(node, gluster, address):
    gluster(peers())

    ran = node.run(command(step(VolumeAct.PROBE, None, address)))

    assert ran.returncode == 1
    assert ran.stderr == f"{address} does not become a peer in the pool: gluster peer status\n"
    assert waits(node) == shell_volumes._TRIES


def test_a_node_that_is_away_is_not_in_the_pool(node, gluster):
    away = f'sed "s/<connected>1</<connected>0</" "{RECORDED}/gluster-peers-rejected.xml"'
    gluster(f'case "$*" in *"peer status"*) {away} ;; esac')

    assert node.run(command(PROBE)).returncode == 1


def test_a_node_that_refuses_is_said_in_its_words(node, gluster):
    refusal = "peer probe: failed: 192.0.2.13 is either already part of another cluster"
    gluster(f'case "$*" in *probe*) echo "{refusal}"; exit 1 ;; esac; {peers()}')

    ran = node.run(command(PROBE))

    assert (ran.returncode, ran.stderr) == (1, f"gluster peer probe 192.0.2.13: {refusal}\n")


# --- mounts ---


def test_a_mount_is_systemds(node):
    ran = node.run(command(MOUNT))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert node.ran == [
        "systemctl reset-failed srv-shared.mount",
        "systemctl start srv-shared.mount",
    ]


def test_a_mount_with_a_dash_keeps_its_name(node):
    volume = desired(WITH_FOURTH)["web4"].volumes[1]

    node.run(command(step(VolumeAct.MOUNT, volume)))

    assert node.ran[-1] == r"systemctl start srv-my\x2dfiles.mount"


def test_a_mount_that_fails_says_what_its_journal_says(node):
    node.program("journalctl", "echo 'Mount failed. Check the log file for more details.'\n")

    ran = node.run(command(MOUNT), "systemctl")

    assert ran.returncode == 1
    assert "Mount failed. Check the log file" in ran.stderr
    assert node.ran[-1] == "journalctl -u srv-shared.mount -n 5 --no-pager"


def test_every_act_has_a_command_of_its_own():
    assert {one.act for one in STEPS} == {*VolumeAct}
    assert len({command(one) for one in STEPS}) == len(STEPS)
