"""deploys/drain.py, undrain.py and handover.py by the real command line."""

from __future__ import annotations

import getpass
import json
import socket
import time

import pytest

from selfbalance.desired import places

NAMES = ["web1", "web2", "web3"]
NODE = ("--data", "node=web3")
MOVES = ("drain", "undrain", "handover")
FILE = places.drained("web3")
PATIENT_FOR_A_SECOND = """\
from selfbalance.deploys import {name}
from selfbalance.operations import draining

draining.TAKEN_WITHIN_S = 1
{name}({patience})
"""


def weights(site) -> dict[str, int]:
    """Each realserver's weight in the MASTER's table."""
    site.run("status", "--data", "output=status.json")
    found = json.loads((site.path / "status.json").read_text())
    return {node["node"]: node["weight"] for node in found["nodes"]}


def has_file(site, node: str = "web3") -> list[str]:
    """The directors on which a realserver's drain stands in its file."""
    return [name for name in NAMES if places.drained(node) in site.world[name]["files"]]


def hasty(site, name: str) -> None:
    """Let directors have a second, not 15, to take a weight, and gates one, not 30, to open."""
    patience = "" if name == "drain" else "patience_s=1"
    site.write(f"deploys/{name}.py", PATIENT_FOR_A_SECOND.format(name=name, patience=patience))


@pytest.fixture
def drained(_drained, site_like):
    """A site whose web3 is drained."""
    return site_like(_drained)


@pytest.fixture(scope="session")
def _drained(_deployed, new_site):
    site = new_site("drained")
    (site.path / ".world").write_text((_deployed[0].path / ".world").read_text())
    run = site.run("drain", *NODE)
    assert run.status == 0, run.said
    return site


def test_a_drain_tells_every_director_and_waits_for_the_sessions(deployed):
    deployed.change("web3", serves=[4, 4, 4, 4, 1])

    run = deployed.run("drain", *NODE)

    assert run.status == 0, run.said
    assert run.changes == [(name, "drain") for name in NAMES]
    assert "[web1] web3: sent no new clients by web1 web2 web3; wait until it serves nobody" in (
        run.err
    )
    assert "[web3] 4 sessions left" in run.err
    assert "[web3] 1 session left" in run.err
    assert run.err.index("session left") < run.err.index("[web3] drained: it serves nobody")
    assert weights(deployed) == {"web1": 1, "web2": 1, "web3": 0}
    text, mode = deployed.world["web2"]["files"][FILE]
    number, since, by = text.split()
    assert (number, int(since) > 0, mode) == ("65535", True, 0o600)
    assert by == f"{getpass.getuser()}@{socket.gethostname()}"


def test_a_second_drain_changes_nothing(drained):
    before = drained.world["web1"]["files"][FILE]

    run = drained.run("drain", *NODE)

    assert (run.status, run.changes) == (0, [])
    assert sorted(run.did("look")) == NAMES
    assert drained.world["web1"]["files"][FILE] == before
    asked = drained.run("drain", *NODE, answers="\n")
    assert (asked.status, asked.changes) == (0, [])
    assert "No changes" in asked.err


def test_a_second_drain_waits_on_for_sessions_and_tells_nobody(drained):
    drained.change("web3", serves=[2, 2, 2, 2])

    run = drained.run("drain", *NODE)

    assert (run.status, run.changes) == (0, [])
    assert "web3: sent no new clients; wait until it serves nobody" in run.err
    assert "[web3] drained: it serves nobody" in run.err


def test_a_director_that_was_not_told_is_told_and_the_others_keep_who_told_them(drained):
    files = {k: v for k, v in drained.world["web2"]["files"].items() if k != FILE}
    drained.change("web2", files=files)

    run = drained.run("drain", *NODE)

    assert run.status == 0, run.said
    assert run.changes == [("web2", "drain")]


def test_what_a_hand_wrote_too_small_is_written_whole(deployed):
    """It takes 1 off: of a weight of 1 that is all, of another one it is not."""
    files = deployed.world["web1"]["files"]
    deployed.change("web1", files={**files, FILE: ["1\n", 0o644]})

    run = deployed.run("drain", *NODE)

    assert run.changes == [(name, "drain") for name in NAMES]
    assert deployed.world["web1"]["files"][FILE][0].startswith("65535 ")


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "say which node: --data node=NAME, one of web1 web2 web3; nothing was changed"),
        (("--data", "node=web9"), "there is no node 'web9': --data node=NAME, one of web1 web2"),
        (("--data", "node=7"), "there is no node '7'"),
    ],
)
def test_a_node_that_is_none_is_one_line_and_nothing_is_changed(deployed, move, flags, said):
    run = deployed.run(move, *flags)

    assert (run.status, run.changes, run.did("look")) == (1, [], [])
    assert said in run.error
    assert "nothing was changed" in run.error
    assert "Traceback" not in run.said


@pytest.mark.parametrize("timeout", ["soon", "-1", "true", "NaN", "Infinity", "[1]", "null"])
def test_a_timeout_that_is_no_number_is_one_line_and_nothing_is_changed(deployed, timeout):
    run = deployed.run("drain", *NODE, "--data", f"timeout={timeout}")

    assert (run.status, run.changes, run.did("look")) == (1, [], [])
    assert "--data timeout=" in run.error
    assert "is no time: a number of seconds, 0 or more; nothing was changed" in run.error
    assert "Traceback" not in run.said


@pytest.mark.parametrize("move", ["drain", "undrain"])
def test_a_director_that_cannot_be_seen_is_a_refusal(drained, move):
    drained.inventory(web2={"fails": ["look"]})

    run = drained.run(move, *NODE)

    assert (run.status, run.changes) == (1, [])
    assert "web2 could not be observed: the observing command failed" in run.err
    assert "mend it or, if it is down, leave it out with --limit; nothing was changed" in run.err
    assert "Traceback" not in run.said


@pytest.mark.parametrize("move", MOVES)
def test_a_node_that_cannot_be_reached_stops_the_run(drained, move):
    drained.inventory(web2={"down": True})

    run = drained.run(move, *NODE)

    assert (run.status, run.changes) == (1, [])
    assert "[web2] no route to host" in run.err


WITHOUT_WEB2 = ("--limit", "web1", "--limit", "web3")


def test_a_director_that_is_down_and_left_out_holds_up_no_drain(deployed):
    deployed.inventory(web2={"down": True})

    run = deployed.run("drain", *NODE, *WITHOUT_WEB2)

    assert run.status == 0, run.said
    assert run.changes == [("web1", "drain"), ("web3", "drain")]


@pytest.mark.parametrize(
    ("move", "node", "changes"),
    [
        ("undrain", "web3", [("web1", "undrain"), ("web3", "undrain")]),
        ("handover", "web1", [("web1", "activate")]),
    ],
)
def test_a_node_that_is_down_and_left_out_is_named_in_the_end_and_not_waited_for(
    drained, move, node, changes
):
    drained.inventory(web2={"down": True})
    drained.change("web2", running=None)
    began = time.monotonic()

    run = drained.run(move, "--data", f"node={node}", *WITHOUT_WEB2)

    assert run.changes == changes
    assert run.status == 1
    assert "! web2 could not be observed" in run.out
    assert "cluster web has 2 problems, see above" in run.error
    assert time.monotonic() - began < 25


@pytest.mark.parametrize("move", ["drain", "undrain"])
def test_a_director_that_works_may_not_be_left_out(drained, move):
    run = drained.run(move, *NODE, "--limit", "web1")

    assert (run.status, run.changes) == (1, [])
    assert (
        "web2 directs too, and has to be told: do not leave it out by --limit; nothing was changed"
    ) in run.err


def test_a_director_that_could_not_be_told_stops_the_drain(deployed):
    deployed.inventory(web2={"fails": ["drain"]})

    run = deployed.run("drain", *NODE)

    assert run.status == 1
    assert sorted(run.did("drain")) == ["web1", "web2", "web3"]  # all at once
    assert "Drain web3: web2 could not be told" in run.error
    assert "directors may differ now; look: status.py; then run this again" in run.error
    assert "Traceback" not in run.said
    status = deployed.run("status")
    assert "web3 is drained on web1 and web3, but not on web2" in status.out
    deployed.inventory()
    assert deployed.run("drain", *NODE).changes == [("web2", "drain")]


def test_a_keepalived_that_does_not_take_the_weight_is_named(deployed):
    hasty(deployed, "drain")
    deployed.inventory(web2={"stuck": True})

    run = deployed.run("drain", *NODE)

    assert run.status == 1
    assert "web3 may still have weight on web2 after 1 s" in run.error
    assert "on web2: journalctl -u keepalived -n 50" in run.error
    assert "sessions" not in run.err
    assert "Traceback" not in run.said


def test_a_director_whose_keepalived_is_dead_is_told_and_not_waited_for(deployed):
    """Its table leads nobody anywhere, and it reads the file when it starts."""
    deployed.change("web2", running=None)

    run = deployed.run("drain", *NODE)

    assert run.status == 0, run.said
    assert has_file(deployed) == NAMES


def test_sessions_that_outlast_the_timeout_end_it_with_both_ways_out(deployed):
    deployed.change("web3", serves=2)

    run = deployed.run("drain", *NODE, "--data", "timeout=1")

    assert run.status == 1
    assert (
        "web3 is drained, but after 1 s: 2 sessions left; wait on: drain.py --data node=web3; "
        "put it back: undrain.py --data node=web3"
    ) in run.error
    assert "Traceback" not in run.said
    assert has_file(deployed) == NAMES
    assert weights(deployed)["web3"] == 0


def test_the_last_one_that_serves_is_not_drained(drained):
    drained.change("web2", running=None)

    run = drained.run("drain", "--data", "node=web1")

    assert (run.status, run.changes) == (1, [])
    assert (
        "nobody else would serve 192.0.2.10:80: on web1 no other realserver has weight; "
        "nothing was changed"
    ) in run.err


def test_a_drained_cluster_is_healthy_and_says_who_drained_it(drained):
    run = drained.run("status")

    assert run.status == 0, run.said
    assert "web1 web2 answer through the VIP, web3 drained" in run.out
    assert f"by {getpass.getuser()}@{socket.gethostname()}\n" in run.out
    assert "put it back: undrain.py --data node=web3" in run.out


def test_a_second_run_of_cluster_leaves_a_drain_alone(drained):
    run = drained.run("cluster")

    assert (run.status, run.changes) == (0, [])
    assert has_file(drained) == NAMES


def test_an_undrain_gives_the_weight_back_and_proves_the_cluster(drained):
    run = drained.run("undrain", *NODE)

    assert run.status == 0, run.said
    assert run.changes == [(name, "undrain") for name in NAMES]
    assert "web1 web2 web3 answer through the VIP" in run.out
    assert has_file(drained) == []
    assert weights(drained) == dict.fromkeys(NAMES, 1)


def test_a_node_that_is_not_drained_is_not_undrained(deployed):
    run = deployed.run("undrain", *NODE)

    assert (run.status, run.changes) == (0, [])
    assert sorted(run.did("look")) == NAMES


def test_a_director_whose_files_cannot_be_read_is_told_all_the_same(deployed):
    """A hand may have written there what keepalived takes for a number and we do not."""
    deployed.inventory(web2={"unread": ["drained"]})
    hasty(deployed, "undrain")

    undrained = deployed.run("undrain", *NODE)
    drained = deployed.run("drain", *NODE)

    assert undrained.changes == [(name, "undrain") for name in NAMES]
    assert drained.changes == [(name, "drain") for name in NAMES]


def test_a_table_that_cannot_be_seen_has_not_taken_the_weight(deployed):
    hasty(deployed, "drain")
    deployed.inventory(web2={"unread": ["table"]})

    run = deployed.run("drain", *NODE)

    assert run.status == 1
    assert "web3 may still have weight on web2 after 1 s" in run.error


def test_sessions_that_cannot_be_counted_are_not_none(deployed):
    deployed.inventory(web3={"unread": ["sessions"]})

    run = deployed.run("drain", *NODE, "--data", "timeout=1")

    assert run.status == 1
    assert "web3 is drained, but after 1 s: its sessions could not be counted" in run.error


@pytest.mark.parametrize("name", ["web1", "web2"])
def test_a_role_that_is_not_known_is_a_refusal(deployed, name):
    deployed.inventory(**{name: {"unread": ["keepalived"]}})

    run = deployed.run("handover", "--data", "node=web1")

    assert (run.status, run.changes) == (1, [])
    assert f"{name}: its role is not known: keepalived went wrong; nothing was changed" in run.err


def test_a_node_whose_check_fails_gets_no_weight_and_that_is_said(drained):
    hasty(drained, "undrain")
    drained.change("web3", running=None)

    run = drained.run("undrain", *NODE)

    assert run.status == 1
    assert "web3 has no weight on web1 and web2 and web3 after 1 s" in run.error
    assert "it is no longer drained in every director's file" in run.error
    assert "Traceback" not in run.said


def test_the_master_hands_over_and_the_cluster_is_proven(deployed):
    run = deployed.run("handover", "--data", "node=web1")

    assert run.status == 0, run.said
    assert run.changes == [("web1", "activate")]
    (restart,) = [e["what"] for e in run.log if e["kind"] == "activate"]
    assert "systemctl restart keepalived.service" in restart
    assert "[web1] web1: give 192.0.2.10 to web2" in run.err
    assert "[web1] handed over to web2" in run.err
    assert "192.0.2.10 owner web2 (by address, by ARP, by keepalived)" in run.out
    again = deployed.run("handover", "--data", "node=web1")
    assert (again.status, again.changes) == (0, [])


def test_nobody_hands_over_to_a_node_that_is_not_well(deployed):
    deployed.inventory(web2={"deaf": True})

    run = deployed.run("handover", "--data", "node=web1")

    assert (run.status, run.changes) == (1, [])
    assert (
        "web2 would take over from web1, but: web2: net.ipv4.vs.backup_only is 0; it should be 1; "
        "nothing was changed"
    ) in run.err


def test_nobody_hands_over_to_nobody(deployed):
    for name in ("web2", "web3"):
        deployed.change(name, running=None)

    run = deployed.run("handover", "--data", "node=web1")

    assert (run.status, run.changes) == (1, [])
    assert "nobody could take over 192.0.2.10 from web1; nothing was changed" in run.err


def test_a_keepalived_that_could_not_be_restarted_is_named(deployed):
    deployed.inventory(web1={"fails": ["activate"]})

    run = deployed.run("handover", "--data", "node=web1")

    assert run.status == 1
    assert "web1: keepalived could not be restarted" in run.error
    assert "on web1: systemctl status keepalived" in run.error
    assert "Traceback" not in run.said


@pytest.mark.parametrize(
    ("move", "node", "said"),
    [
        ("drain", "web2", "web2: sent no new clients by web1 web2 web3"),
        ("undrain", "web3", "web3: sent clients again by web1 web2 web3"),
        ("handover", "web1", "web1: give 192.0.2.10 to web2"),
    ],
)
def test_a_dry_run_says_what_it_would_do_and_does_not_do_it(drained, move, node, said):
    """Nor does it wait for a cluster to become well that has a problem of its own."""
    files = drained.world["web3"]["files"]
    path = "/etc/keepalived/selfbalance-guard"
    drained.change("web3", files={**files, path: ["edited", 0o700]})
    before = drained.world

    run = drained.run(move, "--data", f"node={node}", "--dry")

    assert (run.status, run.changes) == (0, [])
    assert said in run.err
    assert sorted(run.did("look")) == NAMES
    assert drained.world == before


@pytest.mark.parametrize(
    ("move", "node", "kind"),
    [("drain", "web2", "drain"), ("undrain", "web3", "undrain"), ("handover", "web1", "activate")],
)
def test_without_yes_it_asks_and_then_does_the_same(drained, move, node, kind):
    run = drained.run(move, "--data", f"node={node}", answers="\n")

    assert run.status == 0, run.said
    assert {each for _, each in run.changes} == {kind}


def locked(site) -> None:
    """Let another run hold the lock of all nodes, and be alive."""
    for name in NAMES:
        site.change(name, lock={"run": "0ther", "words": "ana@bastion", "at": time.time()})


def locks(site) -> list[object]:
    """What locks there are."""
    return [site.world[name].get("lock") for name in NAMES]


CHANGES = [
    ("drain", "web2", "drain"),
    ("undrain", "web3", "undrain"),
    ("handover", "web1", "activate"),
]


@pytest.mark.parametrize(("move", "node", "kind"), CHANGES)
def test_one_run_at_a_time_and_the_second_is_told_whose_the_first_is(drained, move, node, kind):
    locked(drained)
    before = drained.world

    refused = drained.run(move, "--data", f"node={node}")

    assert (refused.status, refused.changes) == (1, [])
    assert "ana@bastion holds the lock on web1, heartbeat " in refused.error
    assert "nothing was changed; if that run is dead, try again 30 s after" in refused.error
    assert "Traceback" not in refused.said
    assert drained.world == before


@pytest.mark.parametrize(("move", "node", "kind"), CHANGES)
def test_it_holds_the_lock_while_it_changes_something_and_gives_it_back(drained, move, node, kind):
    run = drained.run(move, "--data", f"node={node}")

    assert run.status == 0, run.said
    kinds = [each["kind"] for each in run.log if each["kind"] in {"lock", "unlock", kind}]
    assert kinds == ["lock"] * 3 + [kind] * len(run.changes) + ["unlock"] * 3
    assert locks(drained) == [None] * 3


def test_who_only_waits_for_sessions_keeps_nobody_from_anything(drained):
    locked(drained)
    drained.change("web3", serves=[2, 2, 0])

    run = drained.run("drain", *NODE)

    assert run.status == 0, run.said
    assert run.did("lock") == []


def test_a_director_that_is_lost_meanwhile_could_not_be_told(drained):
    drained.inventory(web1={"meanwhile": {"web2": {"gone": True}}})

    run = drained.run("undrain", *NODE)

    assert (run.status, run.changes) == (1, [])
    assert "web2 could not be observed" in run.error
    assert "mend it or, if it is down, leave it out with --limit; nothing was changed" in run.error
    assert locks(drained) == [None] * 3


def test_what_another_run_has_changed_meanwhile_counts(drained):
    """web2 dies while this run waits for the lock: nobody would be left to serve."""
    drained.inventory(web1={"meanwhile": {"web2": {"running": None}}})

    run = drained.run("drain", "--data", "node=web1")

    assert (run.status, run.changes) == (1, [])
    assert "nobody else would serve 192.0.2.10:80" in run.error
    assert locks(drained) == [None] * 3


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("flag", ["--serial", "--no-wait"])
def test_a_flag_that_would_break_the_order_is_refused_before_any_contact(drained, move, flag):
    run = drained.run(move, *NODE, flag)

    assert (run.status, run.log) == (1, [])
    assert f"{flag} " in run.error
    assert "nothing was contacted" in run.error
