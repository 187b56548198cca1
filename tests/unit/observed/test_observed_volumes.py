"""What GlusterFS 10.3 told on real nodes, read back; and what is no answer is never a zero."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from clusters import clusters, steady
from hypothesis import given
from hypothesis import strategies as st
from looks import NO_GLUSTER, SHARING, WITH_FOURTH, Look, bare, desired, healthy, shared
from printed import OF_VOLUMES, printed, section_of, with_section, without

from selfbalance.errors import ObservationError
from selfbalance.observed import (
    ClusterState,
    HealCount,
    NodeState,
    SeenBrick,
    SeenCopy,
    SeenPeer,
    SeenSettings,
    SeenVolume,
    Unobserved,
    observation_script,
    parse,
    parse_volumes,
    volumes_script,
)

RECORDED = Path(__file__).parent / "recorded"
ONE, TWO, THREE = (f"192.0.2.1{n}:/data/shared/brick" for n in (1, 2, 3))
UUIDS = (
    "3d158b27-2886-4ca9-874b-429dc1c61645",
    "2d439e8f-a69f-48b7-ab16-ea603e925cc3",
    "a6d9953a-e8b9-4c66-8eba-ab426081c8ae",
)
NOTHING = dict.fromkeys((ONE, TWO, THREE), HealCount(0, 0))


def recorded(name: str) -> str:
    return (RECORDED / f"gluster-{name}.xml").read_text(encoding="utf-8")


STATUS, HEAL, INFO = recorded("status"), recorded("heal"), recorded("info")
PENDING, NO_ANSWER = recorded("heal-pending"), recorded("heal-no-answer")


def whole(status: str = STATUS, heal: str = HEAL, again: str = HEAL, name: str = "shared") -> str:
    """What the script prints of a volume."""
    return f"##status {name}\n{status}\n##heal {name}\n{heal}\n##again {name}\n{again}\n##end -\n"


def seen(address: str = "192.0.2.11", **answers: str) -> SeenVolume:
    return parse_volumes(address, whole(**answers))["shared"]


# --- a volume as a whole ---


def test_a_healthy_volume():
    assert seen() == SeenVolume(
        bricks={ONE: True, TWO: True, THREE: True},
        healers={"192.0.2.11": True, "192.0.2.12": True, "192.0.2.13": True},
        heals=(NOTHING, NOTHING),
        unknown={},
    )


@pytest.mark.parametrize("address", ["192.0.2.11", "198.51.100.7"])
def test_localhost_is_the_node_that_asked(address):
    """The self-heal daemon of the one who asks is named so, those of the others by address."""
    assert seen(address).healers == {
        address: True,
        "192.0.2.12": True,
        "192.0.2.13": True,
    }


def test_what_has_to_be_healed_is_counted_for_each_brick_and_each_time():
    assert seen(heal=PENDING).heals == (
        {ONE: HealCount(2, 0), TWO: HealCount(0, 0), THREE: HealCount(2, 0)},
        NOTHING,
    )


def test_what_is_being_healed_just_now_is_not_healed_yet():
    """Glusterfs counts it there only (heal/src/glfs-heal.c, glfsh_print_summary_status).

    It says so of an entry with pending marks whose lock the self-heal daemon holds (afr-common.c,
    afr_update_heal_status): of a large file, for as long as it takes.
    """
    busy = PENDING.replace("Pending>2<", "Pending>0<").replace("Healing>0<", "Healing>2<", 1)

    assert seen(heal=busy).heals[0][ONE] == HealCount(pending=2, split_brain=0)


def test_split_brain_is_counted_apart():
    split = HEAL.replace("SplitBrain>0<", "SplitBrain>3<", 1)

    assert seen(again=split).heals[1] == {**NOTHING, ONE: HealCount(0, 3)}


def test_a_brick_that_does_not_answer_has_a_reason_and_no_count():
    assert seen(heal=NO_ANSWER).heals[0] == {
        ONE: HealCount(51, 0),
        TWO: "Failed to process entries completely. (Transport endpoint is not connected)",
        THREE: HealCount(51, 0),
    }
    assert seen(heal=NO_ANSWER).unknown == {}


DASHES = re.sub(
    r"<status>Failed.*?</status>",
    "<status>Transport endpoint is not connected</status>"
    + "".join(
        f"<{each}>-</{each}>"
        for each in (
            "totalNumberOfEntries",
            "numberOfEntriesInHealPending",
            "numberOfEntriesInSplitBrain",
            "numberOfEntriesPossiblyHealing",
        )
    ),
    NO_ANSWER,
)
"""The other shape (heal/src/glfs-heal.c, glfsh_print_xml_heal_op_summary)."""


def test_a_dash_is_no_count():
    assert seen(heal=DASHES).heals[0][TWO] == "Transport endpoint is not connected"
    connected = DASHES.replace("<status>Transport endpoint is not connected<", "<status>Connected<")
    assert connected != DASHES
    assert isinstance(seen(heal=connected).heals[0][TWO], str)


COUNTS = (
    "numberOfEntriesInHealPending",
    "numberOfEntriesInSplitBrain",
    "numberOfEntriesPossiblyHealing",
)
NO_NUMBERS = ["-", "", " ", "0 ", "x", "0.0", "0x0", "1e3", "+1", "-1", "\u0660", "N/A", "None"]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("odd", NO_NUMBERS)
def test_a_count_that_is_no_number_is_unknown_and_never_zero(count, odd):
    text = HEAL.replace(f"<{count}>0<", f"<{count}>{odd}<", 1)

    count_of_one = seen(heal=text).heals[0][ONE]

    assert isinstance(count_of_one, str)
    assert count in count_of_one


@pytest.mark.parametrize("count", COUNTS)
def test_a_count_that_is_missing_is_unknown_and_never_zero(count):
    text = HEAL.replace(f"<{count}>0</{count}>", "", 1)

    assert seen(heal=text).heals[0] == {**NOTHING, ONE: f"gluster tells no {count}"}


def test_a_brick_without_a_status_or_with_another_one_is_unknown():
    without_it = seen(heal=HEAL.replace("<status>Connected</status>", "", 1))
    assert (without_it.unknown, without_it.heals) == (
        {"heal": "gluster tells no status"},
        (NOTHING,),
    )
    for word in ("", "connected", "Disconnected"):
        text = HEAL.replace("<status>Connected<", f"<status>{word}<", 1)
        assert isinstance(seen(heal=text).heals[0][ONE], str)


def test_bricks_without_a_name_or_no_brick_at_all_are_no_count():
    nameless = HEAL.replace(f"<name>{ONE}</name>", "", 1)
    none = re.sub(r"<brick .*</brick>", "", HEAL, flags=re.DOTALL)

    assert seen(heal=nameless).unknown == {"heal": "gluster tells no name"}
    assert seen(heal=none).unknown == {"heal": "gluster counted no brick's entries"}
    assert seen(heal=none).heals == (NOTHING,)


def test_a_brick_or_a_daemon_that_is_down_is_not_online():
    first = STATUS.replace("<status>1<", "<status>0<", 1)
    last = STATUS[::-1].replace("<status>1<"[::-1], "<status>0<"[::-1], 1)[::-1]

    assert seen(status=first).bricks == {ONE: False, TWO: True, THREE: True}
    assert seen(status=first).healers == seen().healers
    assert seen(status=last).healers["192.0.2.12"] is False
    assert seen(status=last).bricks == seen().bricks


def test_a_rejected_nodes_brick_and_daemon_are_left_out_and_not_taken_for_online():
    """So real nodes answer."""
    nodes = rf"(?s)<node>(?:(?!</node>).)*<peerid>{UUIDS[1]}</peerid>.*?</node>"
    rejected = re.sub(nodes, "", STATUS)

    assert seen(status=rejected) == replace(
        seen(),
        bricks={ONE: True, THREE: True},
        healers={"192.0.2.11": True, "192.0.2.13": True},
    )


@pytest.mark.parametrize("odd", ["", "N/A", "-", "online"])
def test_a_status_that_is_no_number_makes_all_of_it_unknown(odd):
    state = seen(status=STATUS.replace("<status>1<", f"<status>{odd}<", 1))

    assert state.unknown == {"status": f"status is {odd!r}, no number"}
    assert (state.bricks, state.healers) == ({}, {})
    assert state.heals == (NOTHING, NOTHING)


def test_a_number_that_is_not_one_is_not_online():
    assert seen(status=STATUS.replace("<status>1<", "<status>2<", 1)).bricks[ONE] is False


def test_other_daemons_of_a_node_are_nobodys_brick():
    """Quota and bitrot have rows of their own."""
    more = STATUS.replace(
        "<node>",
        "<node><hostname>Quota Daemon</hostname><path>localhost</path><peerid>x</peerid>"
        "<status>0</status></node><node>",
        1,
    )

    assert seen(status=more) == seen()


# --- answers that are none ---

REFUSED = """\
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<cliOutput>
  <opRet>-1</opRet>
  <opErrno>30800</opErrno>
  <opErrstr>{}</opErrstr>
</cliOutput>
"""
"""A refusal (cli/src/cli-xml-output.c)."""
NONE = {
    "a refusal": (REFUSED.format("Volume shared is not started"), "Volume shared is not started"),
    "a refusal without a word": (REFUSED.format(""), "gluster refused, and did not say why"),
    "a line of the script's": (
        "!gluster did not answer within 30 s",
        "gluster did not answer within 30 s",
    ),
    "no result": ("<cliOutput><healInfo/></cliOutput>", "gluster tells no opRet"),
    "an odd result": (STATUS.replace("<opRet>0<", "<opRet>ok<"), "opRet is 'ok', no number"),
    "no XML": ("Another transaction is in progress", "gluster's answer is no XML: "),
    "nothing": ("", "gluster's answer is no XML: no element found"),
    "an empty line": ("!", ""),
}
EVERY_ANSWER = pytest.mark.parametrize("what", ["status", "heal", "again"])


@EVERY_ANSWER
@pytest.mark.parametrize(("text", "why"), NONE.values(), ids=NONE)
def test_what_is_no_answer_is_unknown_with_its_reason_and_all_else_is_known(what, text, why):
    state = seen(**{what: text})

    assert state.unknown.keys() == {what}
    assert state.unknown[what].startswith(why)
    assert "\n" not in state.unknown[what]
    if what == "status":
        assert (state.bricks, state.healers, state.heals) == ({}, {}, (NOTHING, NOTHING))
    else:
        assert (state.bricks, state.heals) == (seen().bricks, (NOTHING,))


@EVERY_ANSWER
def test_an_answer_that_is_cut_anywhere_is_unknown(what):
    text = {"status": STATUS, "heal": PENDING, "again": PENDING}[what].rstrip("\n")
    for end in range(0, len(text) - 1, 7):
        state = seen(**{what: text[:end]})
        assert state.unknown.keys() == {what}, text[:end]


@EVERY_ANSWER
def test_an_answer_that_the_script_did_not_print_is_unknown(what):
    text = re.sub(rf"(?s)##{what} shared\n.*?(?=##)", "", whole())

    assert parse_volumes("192.0.2.11", text)["shared"].unknown.keys() == {what}


@pytest.mark.parametrize("step", [1, 61])
def test_a_script_that_was_cut_short_is_no_observation(step):
    text = whole().rstrip("\n") if step == 1 else whole(PENDING, HEAL, STATUS)
    ends = range(len(text) - 40, len(text)) if step == 1 else range(0, len(text) - 1, step)
    for end in ends:
        with pytest.raises(ObservationError, match="gluster said of its volumes was cut short"):
            parse_volumes("192.0.2.11", text[:end])


@pytest.mark.parametrize("odd", ["##", "##\n", "##end", "##status\n", "#", "# #", "## -\n", "\x00"])
def test_whatever_stands_there_it_is_read_or_refused(odd):
    """A line of gluster's may begin with anything."""
    for text in (odd, odd + whole(), whole() + odd, whole(heal=f"x\n{odd}\n<y>")):
        try:
            parse_volumes("192.0.2.11", text)
        except ObservationError:
            assert "##end -" not in text


@given(st.text() | st.text(alphabet="#\n -<x"), st.integers(0, len(whole())))
@steady(200)
def test_whatever_gets_lost_or_comes_in_between_nothing_else_is_raised(odd, at):
    for text in (odd, whole()[:at] + odd + whole()[at:], whole()[:at] + odd):
        try:
            parse_volumes("192.0.2.11", text)
        except ObservationError:
            continue


def test_each_volume_has_its_own_answers():
    text = whole().replace("##end -\n", "") + whole(REFUSED.format("no"), PENDING, name="other")

    found = parse_volumes("192.0.2.11", text)

    assert found["shared"] == seen()
    assert found["other"] == seen(status=REFUSED.format("no"), heal=PENDING)


def test_where_no_volume_was_asked_for_there_is_none():
    assert parse_volumes("192.0.2.11", "##end -\n") == {}


# --- what a node itself says: peers and settings ---

TEXT = printed(healthy(SHARING)["web1"], desired(SHARING)["web1"])


def node(**sections: str) -> NodeState:
    """A node that shares a volume, with other lines in some sections."""
    text = TEXT
    for section, lines in sections.items():
        text = with_section(text, section, lines.splitlines())
    state = parse("web1", text)
    assert state.unknown.keys() <= {*sections}
    return state


def peer(n: int, state: int, words: str, *, connected: bool = True) -> SeenPeer:
    return SeenPeer(frozenset({UUIDS[n - 1], f"192.0.2.1{n}"}), connected, state, words)


def test_peers_as_a_good_node_sees_a_rejected_one():
    state = node(pool=recorded("peers-rejected"))

    assert state.gluster_peers == (peer(2, 6, "Peer Rejected"), peer(3, 3, "Peer in Cluster"))
    assert state.well_connected == (peer(3, 3, "Peer in Cluster"),)


def test_peers_as_the_rejected_one_sees_them():
    state = node(pool=recorded("peers-of-rejected"))

    assert state.gluster_peers == (peer(1, 6, "Peer Rejected"), peer(3, 6, "Peer Rejected"))
    assert state.well_connected == ()


def test_a_peer_that_is_away_is_not_connected():
    away = recorded("peers-rejected").replace("<connected>1<", "<connected>0<")

    state = node(pool=away)

    assert [each.connected for each in state.gluster_peers] == [False, False]
    assert state.well_connected == ()


def test_a_peer_has_every_name_by_which_it_is_known():
    more = recorded("peers-rejected").replace(
        "</hostname>\n      </hostnames>",
        "</hostname><hostname>web2.example.org</hostname></hostnames>",
        1,
    )

    assert node(pool=more).gluster_peers[0].names == {UUIDS[1], "192.0.2.12", "web2.example.org"}


def test_a_node_without_peers_has_none():
    assert node(pool=REFUSED.replace("-1", "0").format("")).gluster_peers == ()


def test_a_volumes_settings():
    assert node(volumes=INFO).volumes == {
        "shared": SeenSettings(
            started=True,
            bricks=(ONE, TWO, THREE),
            replica=3,
            arbiter=0,
            options={
                "network.ping-timeout": "5",
                "auth.allow": "127.0.0.1,192.0.2.11,192.0.2.12,192.0.2.13",
                "cluster.granular-entry-heal": "on",
                "storage.fips-mode-rchecksum": "on",
                "transport.address-family": "inet",
                "nfs.disable": "on",
                "performance.client-io-threads": "off",
            },
        )
    }


def test_a_volume_that_is_not_started_and_one_with_an_arbiter():
    stopped = INFO.replace("<status>1</status>", "<status>2</status>")
    arbiter = INFO.replace("<arbiterCount>0<", "<arbiterCount>1<")

    assert node(volumes=stopped).volumes["shared"].started is False
    assert node(volumes=arbiter).volumes["shared"].arbiter == 1


def test_where_there_is_no_volume_yet_there_is_none():
    none = re.sub(r"(?s)<volume>.*</volume>", "", INFO).replace("<count>1<", "<count>0<")

    assert node(volumes=none).volumes == {}


@pytest.mark.parametrize(("text", "why"), NONE.values(), ids=NONE)
@pytest.mark.parametrize("section", ["pool", "volumes"])
def test_peers_and_settings_that_are_no_answer_are_unknown(section, text, why):
    if not text:
        return  # A node without gluster says so: see below.
    state = node(**{section: text})

    assert state.unknown[section].startswith(why)
    assert (state.gluster_peers == ()) is (section == "pool")
    assert (state.volumes == {}) is (section == "volumes")


@pytest.mark.parametrize(
    ("section", "text", "lost"),
    [
        ("pool", recorded("peers-rejected"), "<state>6</state>"),
        ("pool", recorded("peers-rejected"), "<connected>1</connected>"),
        ("pool", recorded("peers-rejected"), "<stateStr>Peer Rejected</stateStr>"),
        ("volumes", INFO, "<status>1</status>"),
        ("volumes", INFO, "<replicaCount>3</replicaCount>"),
        ("volumes", INFO, "<arbiterCount>0</arbiterCount>"),
        ("volumes", INFO, "<name>shared</name>"),
        ("volumes", INFO, f"<name>{TWO}</name>"),
        ("volumes", INFO, "<name>nfs.disable</name>"),
    ],
)
def test_an_answer_that_lacks_something_is_unknown(section, text, lost):
    assert lost in text
    key = re.findall(r"<(\w+)>", lost)[0]

    state = node(**{section: text.replace(lost, "", 1)})

    assert state.unknown == {section: f"gluster tells no {key}"}


def test_an_answer_that_is_cut_anywhere_is_no_state():
    for section, text in (("pool", recorded("peers-rejected")), ("volumes", INFO)):
        for end in range(1, len(text.rstrip("\n")), 7):
            assert section in node(**{section: text[:end]}).unknown


# --- copies ---

COPIES = """\
shared brick marked own 4096 128000 100000
shared mount works
"""


def test_what_a_node_has_of_a_volume():
    assert node(copies=COPIES).copies == {
        "shared": SeenCopy(
            SeenBrick("marked", on_root=False, total=4096 * 128000, free=4096 * 100000), "works"
        )
    }


@pytest.mark.parametrize("state", ["marked", "bare", "gone"])
@pytest.mark.parametrize("disk", ["root", "own"])
def test_where_a_copy_lies_and_whether_gluster_knows_it(state, disk):
    brick = node(copies=COPIES.replace("marked own", f"{state} {disk}")).copies["shared"].brick

    assert brick == SeenBrick(state, disk == "root", 4096 * 128000, 4096 * 100000)


@pytest.mark.parametrize(
    "mount", ["none", "works", "ext4", "fails", "fails does not answer within 10 s"]
)
def test_a_mount_is_as_it_says(mount):
    assert node(copies=COPIES.replace("mount works", f"mount {mount}")).copies["shared"].mount == (
        mount
    )


def test_what_is_not_said_of_a_copy_is_not_there():
    assert node(copies="shared mount works").copies["shared"] == SeenCopy(None, "works")
    assert node(copies=COPIES.splitlines()[0]).copies["shared"].mount == "none"
    assert node(copies="").copies == {}


ODD_COPIES = [
    "shared",
    "shared brick",
    "shared mount",
    "shared colour blue",
    "shared written nfs.disable",
    "shared brick marked own 4096 128000",
    "shared brick marked own 4096 128000 -",
    "shared brick marked own 4096 128000 ",
    "shared brick gone root ",
    "shared brick there own 4096 128000 100000",
    "shared brick marked nfs 4096 128000 100000",
    "shared brick marked own 4096 128000 100000 1",
    "!no stat",
]


@pytest.mark.parametrize("odd", ODD_COPIES)
def test_a_line_that_cannot_be_read_leaves_all_copies_unknown(odd):
    state = node(copies=f"{COPIES}{odd}")

    assert state.unknown["copies"]
    assert state.copies == {}


@pytest.mark.parametrize("odd", ["x", "-", "1.0"])
def test_a_version_that_is_no_number_is_unknown(odd):
    assert node(op_version="100000").op_version == 100000
    assert node(op_version="").op_version == 0
    assert node(op_version=odd).unknown["op_version"]


# --- a node's sections ---


@pytest.mark.parametrize("section", OF_VOLUMES)
def test_a_section_that_is_missing_or_failed_is_unknown(section):
    """As long as one of them was printed: without any, nothing is shared there."""
    failed = node(**{section: "!it went wrong"})

    assert failed.unknown == {section: "it went wrong"}
    if section != "pool":
        missing = parse("web1", with_section(TEXT, section, None))
        assert missing == replace(failed, unknown={section: "the section is missing"})
    assert without(healthy(SHARING)["web1"], desired(SHARING)["web1"], section) == replace(
        failed, unknown={section: f"{section} went wrong"}
    )


def test_a_node_without_gluster_says_that_it_is_not_there():
    state = parse("web1", printed(bare(SHARING, "web1"), desired(SHARING)["web1"]))

    assert state.unknown == {"pool": NO_GLUSTER, "volumes": NO_GLUSTER}
    assert state.copies["shared"].brick.state == "gone"


def test_where_nothing_is_shared_nothing_of_it_is_asked_or_missed():
    text = observation_script(Look().cluster, desired()["web1"])

    assert "gluster" not in text
    assert (
        not {*OF_VOLUMES}
        & parse("web1", printed(healthy()["web1"], desired()["web1"])).unknown.keys()
    )


# --- whom to ask ---


def observer(**nodes: NodeState | Unobserved) -> str | None:
    return ClusterState(tuple({**healthy(SHARING), **nodes}.values())).observer


def alone(name: str) -> NodeState:
    return replace(healthy(SHARING)[name], gluster_peers=())


def test_the_first_node_is_asked_where_all_see_each_other():
    assert observer() == "web1"


def test_who_sees_most_of_the_others_is_asked():
    assert observer(web1=alone("web1")) == "web2"
    assert observer(web1=alone("web1"), web2=alone("web2")) == "web3"


def test_who_is_rejected_or_away_is_not_seen():
    (two, three) = healthy(SHARING)["web1"].gluster_peers
    for wrong in (replace(two, state=6), replace(two, connected=False), replace(two, state=4)):
        first = replace(healthy(SHARING)["web1"], gluster_peers=(wrong, three))
        assert observer(web1=first) == "web2"


@pytest.mark.parametrize("section", ["pool", "volumes"])
def test_whose_glusterd_does_not_answer_is_not_asked(section):
    first = replace(healthy(SHARING)["web1"], unknown={section: "gone"})

    assert observer(web1=first) == "web2"


def test_who_was_not_observed_is_not_asked_and_with_nobody_left_nobody_is():
    gone = {name: Unobserved(name, "no route") for name in ("web1", "web2", "web3")}

    assert observer(web1=gone["web1"]) == "web2"
    assert observer(**gone) is None


# --- the scripts ---


@given(clusters(max_nodes=4, volumes=True))
@steady(15)
def test_a_shell_accepts_the_question_about_the_volumes_of_any_cluster(cluster):
    volumes = desired(cluster)[cluster.nodes[0].name].volumes

    text = volumes_script(volumes)

    checked = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    (line,) = (line for line in text.splitlines() if line.startswith("for volume in"))
    assert line == f"for volume in {' '.join(each.name for each in volumes)}; do"


class Programs:
    """Programs of one's own in PATH, before those of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self("sleep", "exit 0")

    def __call__(self, name: str, script: str) -> None:
        file = self.folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        own = text.replace("PATH=/usr/sbin", f"PATH={self.folder}:/usr/sbin")
        path = {"PATH": f"{self.folder}:{os.environ['PATH']}"}
        return subprocess.run(
            ["sh"], input=own, env=path, text=True, capture_output=True, check=False
        )


@pytest.fixture
def programs(tmp_path) -> Programs:
    return Programs(tmp_path / "bin")


ASKED = volumes_script(desired(SHARING)["web1"].volumes)


def answered(programs: Programs, script: str) -> SeenVolume:
    """What is read where `gluster` is this script."""
    programs("gluster", script)
    ran = programs.run(ASKED)
    assert (ran.returncode, ran.stderr) == (0, "")
    return parse_volumes("192.0.2.11", ran.stdout)["shared"]


def cat(name: str) -> str:
    return f"cat '{RECORDED}/gluster-{name}.xml'"


ANSWERS = f'case "$*" in *status*) {cat("status")} ;; *"info summary"*) {cat("heal")} ;; esac'


def test_the_script_asks_status_once_and_counts_twice(programs, tmp_path):
    state = answered(programs, f'echo "$@" >>"{tmp_path}/asked"; {ANSWERS}')

    assert state == seen()
    assert (tmp_path / "asked").read_text().splitlines() == [
        "--mode=script --xml volume status shared",
        "--mode=script --xml volume heal shared info summary",
        "--mode=script --xml volume heal shared info summary",
    ]


@pytest.mark.parametrize(
    "count", ["numberOfEntriesInHealPending", "numberOfEntriesPossiblyHealing"]
)
def test_a_count_of_something_is_not_counted_again(programs, tmp_path, count):
    """Only that nothing is left has to be seen twice."""
    left = f"{cat('heal')} | sed 's/<{count}>0/<{count}>12/'"
    asks = f'case "$*" in *status*) {cat("status")} ;; *) {left} ;; esac'

    state = answered(programs, f'echo "$@" >>"{tmp_path}/asked"; {asks}')

    assert [{each.pending for each in sample.values()} for sample in state.heals] == [{12}, {12}]
    assert len((tmp_path / "asked").read_text().splitlines()) == 2


BUSY = [
    "Another transaction is in progress for shared. Please try again after some time.",
    "Locking failed on 192.0.2.12. Please check log file for details.",
]


@pytest.mark.parametrize("words", BUSY)
@pytest.mark.parametrize("code", [0, 1])
def test_somebody_elses_transaction_is_waited_for(programs, tmp_path, words, code):
    """The second time it is over."""
    busy = f'[ -e "{tmp_path}/$3-$4" ] || {{ >"{tmp_path}/$3-$4"; echo "{words}"; exit {code}; }}'

    assert answered(programs, f"{busy}; {ANSWERS}") == seen()


def test_who_is_busy_for_ever_is_not_waited_for_for_ever(programs, tmp_path):
    state = answered(programs, f'echo x >>"{tmp_path}/asked"; echo "{BUSY[0]}" >&2; exit 1')

    assert state.unknown == dict.fromkeys(("status", "heal", "again"), BUSY[0])
    assert state.heals == ()
    # For what is online, and for one count: where that has no answer, a second one has none.
    assert len((tmp_path / "asked").read_text().split()) == 2 * 16


FAILS = {
    "says why": ("echo 'Connection failed. Please check if gluster daemon is operational.'; exit 1",
                 "Connection failed. Please check if gluster daemon is operational."),
    "says nothing": ("exit 7", "gluster ended with 7"),
    "is not there": ("exit 127", "gluster ended with 127"),
    "succeeds and says nothing": ("exit 0", "gluster ended with 0"),
    "says two lines": ("echo one; echo two; exit 1", "one"),
    "says something else": ("echo 'volume heal: failed: x'", "volume heal: failed: x"),
}  # fmt: skip


@pytest.mark.parametrize(("script", "why"), FAILS.values(), ids=FAILS)
def test_what_gluster_says_instead_of_an_answer_is_the_reason(programs, script, why):
    assert answered(programs, script).unknown == dict.fromkeys(("status", "heal", "again"), why)


def test_a_count_may_take_longer_than_the_rest(programs):
    """Each entry costs a lock that others may hold."""
    assert answered(programs, "exit 124").unknown == {
        "status": "gluster did not answer within 30 s",
        "heal": "gluster did not answer within 90 s",
        "again": "gluster did not answer within 90 s",
    }


def test_a_refusal_is_read_in_its_own_words(programs):
    refused = REFUSED.format("Volume shared does not exist")

    state = answered(programs, f"cat <<'X'\n{refused}X\n")

    assert {*state.unknown.values()} == {"Volume shared does not exist"}


# --- what a node's own gluster says ---


def told(programs: Programs, gluster: str) -> NodeState:
    """What is read of a node where `gluster` is this script."""
    programs("gluster", gluster)
    text = observation_script(SHARING, desired(SHARING)["web1"])
    functions = text[text.index("section() {") : text.index("look() {")]
    part = text[text.index("    said=$(printf") : text.index('    # Lines of "VOLUME KEY VALUE')]
    ran = programs.run(functions + part)
    assert (ran.returncode, ran.stderr) == (0, "")
    pool, _, volumes = ran.stdout.removeprefix("##pool\n").partition("##volumes\n")
    whole = printed(healthy(SHARING)["web1"], desired(SHARING)["web1"])
    whole = with_section(whole, "pool", pool.splitlines())
    return parse("web1", with_section(whole, "volumes", volumes.splitlines()))


SESSION = (
    'read -r first; read -r second; [ "$first, $second" = "peer status, volume info" ] || exit 1; '
)


def test_peers_and_settings_are_asked_in_one_session(programs):
    state = told(programs, f"{SESSION}{cat('peers-rejected')}; {cat('info')}")

    assert state.unknown == {}
    assert {each.state for each in state.gluster_peers} == {6, 3}
    assert state.volumes["shared"] == node(volumes=INFO).volumes["shared"]


@pytest.mark.parametrize("said", ["", "echo Connection failed.; exit 110"])
def test_a_glusterd_that_is_away_tells_neither(programs, said):
    state = told(programs, said)

    assert {*state.unknown} == {"pool", "volumes"}
    assert "does glusterd run?" in state.unknown["pool"]


def test_a_session_that_ends_in_the_middle_tells_the_first_only(programs):
    assert {*told(programs, f"{SESSION}{cat('peers-rejected')}").unknown} == {"volumes"}


# --- the look at copies ---


class Disk:
    """A node's folders below one of this machine's, as far as the section `copies` sees them."""

    def __init__(self, below: Path, programs: Programs) -> None:
        self.below, self.programs = below, programs
        programs("getfattr", "exit 1")
        self.mounted()

    def path(self, path: str) -> Path:
        return self.below / path.lstrip("/")

    def make(self, path: str) -> None:
        self.path(path).mkdir(parents=True, exist_ok=True)

    def mounted(self, kind: str | None = None, at: str = "/srv/shared") -> None:
        """Have /proc/self/mounts say so."""
        self.make("/proc/self")
        line = f"localhost:/shared {self.path(at)} {kind} rw,relatime 0 0\n" if kind else ""
        self.path("/proc/self/mounts").write_text(f"/dev/x / ext4 rw 0 0\n{line}")

    def look(self, cluster=SHARING, name: str = "web1") -> NodeState:
        """Run the section, and read what it prints."""
        text = observation_script(cluster, desired(cluster)[name])
        functions = text[text.index("section() {") : text.index("look() {")]
        part = (
            "section copies\n"
            + text.partition("section copies\n")[2].partition("\n    section ")[0]
        )
        part = re.sub(r"(?<![\w./-])/(var|proc|data|srv|ssd)/", rf"{self.below}/\1/", part)
        ran = self.programs.run(functions + part)
        assert (ran.returncode, ran.stderr) == (0, "")
        head, *lines = ran.stdout.replace(str(self.below), "").splitlines()
        assert head == "##copies"
        return parse(
            name,
            with_section(printed(healthy(cluster)[name], desired(cluster)[name]), "copies", lines),
        )


@pytest.fixture
def disk(tmp_path, programs) -> Disk:
    return Disk(tmp_path / "node", programs)


def test_a_folder_that_is_not_there_is_gone_and_its_disk_is_that_above_it(disk):
    copy = disk.look().copies["shared"]

    disk_of = os.statvfs(disk.below)
    on_root = disk.below.stat().st_dev == Path("/").stat().st_dev
    assert copy.mount == "none"
    assert (copy.brick.state, copy.brick.on_root) == ("gone", on_root)
    assert copy.brick.total == disk_of.f_blocks * disk_of.f_frsize


def test_a_folder_that_gluster_does_not_know_is_bare(disk):
    disk.make("/data/shared/brick")

    assert disk.look().copies["shared"].brick.state == "bare"


def test_a_folder_that_gluster_knows_is_marked(disk):
    disk.make("/data/shared/brick")
    disk.programs(
        "getfattr",
        f'[ "$*" = "-n trusted.glusterfs.volume-id {disk.path("/data/shared/brick")}" ]',
    )

    assert disk.look().copies["shared"].brick.state == "marked"


@pytest.mark.parametrize(("root", "on_root"), [("7", True), ("8", False)])
def test_whether_the_disk_is_the_root_file_systems(disk, root, on_root):
    disk.programs(
        "stat",
        f'case "$*" in "-c %d /") echo {root} ;; "-c %d "*) echo 7 ;; *) echo 4096 200 100 ;; esac',
    )

    assert disk.look().copies["shared"].brick == SeenBrick("gone", on_root, 819200, 409600)


def test_a_disk_that_tells_no_size_leaves_the_copies_unknown(disk):
    disk.programs("stat", "echo 'stat: cannot read' >/dev/null; exit 1")

    state = disk.look()

    assert "copies" in state.unknown
    assert state.copies == {}


def test_a_node_without_a_copy_is_asked_for_its_mount_only(disk):
    copies = disk.look(WITH_FOURTH, "web4").copies

    assert copies["shared"] == SeenCopy(None, "none")
    assert copies["other"].brick.state == "gone"


def test_another_file_system_at_the_mount_point_is_named_and_not_written_to(disk):
    disk.make("/srv/shared")
    disk.mounted("ext4")

    assert disk.look().copies["shared"].mount == "ext4"
    assert list(disk.path("/srv/shared").iterdir()) == []


def test_a_mount_below_or_above_is_not_the_mount(disk):
    disk.mounted("fuse.glusterfs", at="/srv/shared/below")

    assert disk.look().copies["shared"].mount == "none"


def test_a_mount_works_if_it_is_written_and_read_and_nothing_stays_there(disk):
    disk.make("/srv/shared")
    disk.mounted("fuse.glusterfs")

    assert disk.look().copies["shared"].mount == "works"
    assert list(disk.path("/srv/shared").iterdir()) == []


def test_a_mount_that_cannot_be_written_says_why(disk):
    disk.mounted("fuse.glusterfs")

    said = disk.look().copies["shared"].mount

    assert re.fullmatch(r"fails (Directory nonexistent|No such file or directory)", said)


def test_a_mount_that_hangs_is_given_up(disk):
    disk.make("/srv/shared")
    disk.mounted("fuse.glusterfs")
    disk.programs("timeout", '[ "$1 $2 $3" = "-s KILL 10" ] && exit 137')

    assert disk.look().copies["shared"].mount == "fails does not answer within 10 s"


def test_the_file_that_is_written_bears_the_nodes_name():
    """Two nodes that look at once write two files."""
    for name in ("web1", "web2"):
        text = observation_script(SHARING, desired(SHARING)[name])
        assert f'\' sh "$mount" {name} 2>&1' in text


# --- what the other tests take for healthy ---


def test_what_a_healthy_cluster_is_said_to_be_is_what_was_recorded():
    """The looks of the other tests are built; this one says that they are built like the real."""
    built = healthy(SHARING)["web1"]
    real = node(volumes=INFO).volumes["shared"]

    assert shared(SHARING).volumes["shared"] == seen()
    assert real == replace(
        built.volumes["shared"],
        options=real.options,  # The recording is of an earlier description.
    )
    assert [
        each.names - {*UUIDS} for each in node(pool=recorded("peers-rejected")).gluster_peers
    ] == [{"192.0.2.12"}, {"192.0.2.13"}]
    assert section_of(TEXT, "copies") == [
        "shared brick marked own 4096 128000 102400",
        "shared mount works",
    ]
