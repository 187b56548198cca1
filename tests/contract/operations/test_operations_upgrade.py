"""deploys/upgrade.py by the real command line: in turn, behind gates, one at a time, resumed."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

NEW, BROKEN = "1:2.3.3-1", "1:2.3.4-1broken"
OLD = "1:2.2.7-1+b2"
NAMES = ["web1", "web2", "web3"]
KEEPALIVED = ("--data", "component=keepalived")
QUICK = ("--data", "soak=0", "--data", "patience=1")
LOST_NOTHING = {"mark": None, "lock": None}


@pytest.fixture
def ready(deployed):
    """A site where apt has a newer keepalived."""
    offer(deployed, NEW, OLD)
    return deployed


def offer(site, *versions: str) -> None:
    for name in site.world:
        site.change(name, apt=list(versions))


def upgrade(site, *flags: str, **environment: str):
    return site.run("upgrade", *KEEPALIVED, *QUICK, *flags, **environment)


def versions(site) -> dict[str, str]:
    return {name: has.get("version", OLD) for name, has in site.world.items()}


def installed(site) -> dict[str, list[str]]:
    return {name: has.get("installed", []) for name, has in site.world.items()}


def left_behind(site) -> list[str]:
    """Marks, locks and drains that are still on nodes."""
    return [
        f"{name} {what}"
        for name, has in site.world.items()
        for what in (
            *(key for key in LOST_NOTHING if has.get(key)),
            *(path for path in has["files"] if "/drained-" in path),
        )
    ]


def journal(site) -> list[dict[str, object]]:
    newest = max((site.path / ".selfbalance" / "journal").glob("*.jsonl"))
    return [json.loads(line) for line in newest.read_text().splitlines()]


def test_backups_come_first_and_the_master_last_each_whole_before_the_next(ready):
    run = upgrade(ready)

    assert run.status == 0, run.said
    assert versions(ready) == dict.fromkeys(NAMES, NEW)
    assert run.did("upgrade") == ["web2", "web3", "web1"]
    prepared = {host for host, kind in run.changes[: run.changes.index(("web2", "mark"))]}
    assert prepared == set(NAMES)
    assert run.did("keep") == run.did("snapshot") == ["web2", "web3", "web1"]
    before = [(h, k) for h, k in run.changes if k in {"upgrade", "activate"}]
    assert before[-2:] == [("web1", "activate"), ("web1", "upgrade")]  # it hands over first
    assert left_behind(ready) == []
    assert ready.run("status").status == 0


def test_its_journal_has_a_last_word(ready):
    upgrade(ready)

    first, *_, last = journal(ready)
    assert (first["kind"], first["order"]) == ("run", ["web2", "web3", "web1"])
    assert (last["kind"], last["result"]) == ("end", "done")
    assert last["nodes"] == dict.fromkeys(("web1", "web2", "web3"), "done")


def test_nothing_to_do_is_said_and_nothing_is_done(ready):
    upgrade(ready)

    again = upgrade(ready)

    assert again.status == 0
    assert "nothing to do, web1 web2 web3 are current" in again.said
    assert again.changes == []


def test_a_dry_run_says_the_true_plan_and_does_nothing(ready):
    run = upgrade(ready, "--dry")

    assert f"web2: keepalived {OLD} -> {NEW}" in run.said
    assert run.status == 0
    assert run.changes == []


def test_an_older_version_only_when_asked_for(ready):
    upgrade(ready)

    back = upgrade(ready, "--data", "version=2.2.7")

    assert back.status == 0, back.said
    assert versions(ready) == dict.fromkeys(NAMES, OLD)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--data", "version=9.9"), f"web1: there is no keepalived 9.9; apt has {NEW} {OLD}"),
        (("--data", "rollback=perhaps"), "rollback=perhaps: auto or never"),
        (("--data", "soak=long"), "soak=long is no time"),
        (("--data", "packages=nginx"), "'keepalived' takes no --data packages"),
    ],
)
def test_what_is_not_to_be_had_is_said_before_anything_is_touched(ready, flags, said):
    run = upgrade(ready, *flags)

    assert run.status == 1
    assert said in run.said
    assert run.changes == []


def test_a_cluster_that_is_not_well_is_not_touched(ready):
    ready.change("web3", running=None)

    run = upgrade(ready)

    assert run.status == 1
    assert "the cluster is not well before: web3: keepalived.service is inactive" in run.said
    assert installed(ready) == {name: [] for name in NAMES}
    assert left_behind(ready) == []


HEALING = """\
from pathlib import Path

from selfbalance.plugins import Problem, Verdict, hook

LEFT = Path(__file__).with_name("left")


@hook
def register_gates(register):
    register("healing", healing)


def healing(view):
    \"\"\"One file fewer each time that somebody looks.\"\"\"
    left = int(LEFT.read_text())
    LEFT.write_text(str(max(0, left - 1)))
    said = f"{left} files are still to be healed"
    return Verdict("healed", (Problem(said, None, "wait", passes=True),) if left else ())
"""


@pytest.fixture
def healing(ready):
    """The same with a gate that needs time only."""
    (ready.path / "plugins").mkdir()
    ready.write("plugins/healing.py", HEALING)
    ready.write("plugins/left", "4")
    return ready


def test_what_only_takes_time_is_said_and_not_waited_for_beforehand(healing):
    run = upgrade(healing)

    assert run.status == 1
    assert "4 files are still to be healed; nothing was touched" in run.said
    assert "wait for that by --data wait=SECONDS" in run.said
    assert installed(healing) == {name: [] for name in NAMES}
    assert left_behind(healing) == []


def test_what_only_takes_time_is_waited_for_if_the_operator_has_it(healing):
    run = upgrade(healing, "--data", "wait=60")

    assert run.status == 0, run.said
    assert "1 files are still to be healed" in run.said
    assert versions(healing) == dict.fromkeys(NAMES, NEW)


def test_what_only_takes_time_puts_no_node_back(healing):
    """After a node's act it is waited for, and where that is too long nothing is undone."""
    healing.write("plugins/left", "0")
    text = HEALING.replace("LEFT.read_text())", "LEFT.read_text()) or 9 * bool(DONE(view))")
    done = (
        f'\nDONE = lambda v: [s for s in v.state.seen if s.packages.get("keepalived") == "{NEW}"]\n'
    )
    healing.write("plugins/healing.py", text + done)

    run = upgrade(healing, "--data", "heal_timeout=0")

    assert run.status == 1
    assert "files are still to be healed after 0 s; nothing is undone" in run.said
    assert versions(healing) == {"web1": OLD, "web2": NEW, "web3": OLD}
    healing.write("plugins/left", "0")
    healing.write("plugins/healing.py", HEALING)
    again = upgrade(healing)
    assert again.status == 0, again.said
    assert versions(healing) == dict.fromkeys(NAMES, NEW)
    assert left_behind(healing) == []


@pytest.mark.parametrize("said", ["perhaps", "1"])
def test_what_cannot_be_undone_is_asked_for_in_clear_words(ready, said):
    run = upgrade(ready, "--data", f"finalize={said}")

    assert run.status == 1
    assert f"finalize={said}: true or false" in run.said
    assert run.changes == []


FINAL = """\
from selfbalance.plugins import Component, Upgrade, hook


@hook
def register_components(register):
    way = Upgrade(packages=("keepalived",), finalize=lambda cluster: "true")
    register("final", Component("its own", (), (), upgrade=way))
"""


def test_what_cannot_be_undone_is_not_done_without_a_node(ready):
    """One that is away has not been asked, and could not come back."""
    (ready.path / "plugins").mkdir()
    ready.write("plugins/final.py", FINAL)

    run = ready.run(
        "upgrade", "--data", "component=final", "--data", "finalize=true", *QUICK, "--limit", "web1"
    )

    assert run.status == 1
    assert "web2 and web3 would be shut out by finalize" in run.said
    assert run.changes == []


def test_a_component_without_it_has_nothing_to_finalize(ready):
    run = upgrade(ready, "--data", "finalize=true")

    assert run.status == 1
    assert "component 'keepalived' has nothing to finalize" in run.said
    assert run.changes == []


def test_a_version_that_does_not_start_is_put_back_and_no_other_node_is_touched(ready):
    offer(ready, BROKEN, OLD)

    run = upgrade(ready)

    assert run.status == 1
    assert installed(ready) == {"web1": [], "web2": [BROKEN, OLD], "web3": []}
    assert f"web2: put back to keepalived {OLD}, and well" in run.said
    assert "web1: not touched" in run.said
    assert left_behind(ready) == []
    assert ready.run("status").status == 0
    assert journal(ready)[-1]["result"] == "failed"


def test_with_rollback_never_the_node_is_left_as_it_is_and_both_ways_are_named(ready):
    offer(ready, BROKEN, OLD)

    run = upgrade(ready, "--data", "rollback=never")

    assert run.status == 1
    assert "web2: in progress, drained" in run.said
    assert "continue: pyinfra" in run.said
    assert f"back: pyinfra -y {' '.join(KEEPALIVED)}" in run.said
    assert f"version={OLD}" in run.said
    back = upgrade(ready, "--data", f"version={OLD}")
    assert back.status == 0, back.said
    assert versions(ready) == dict.fromkeys(NAMES, OLD)
    assert left_behind(ready) == []


@pytest.mark.parametrize("flags", [("--parallel", "1"), ("--retry", "3")])
def test_flags_that_change_how_pyinfra_runs_change_no_turn(ready, flags):
    run = upgrade(ready, *flags)

    assert run.status == 0, run.said
    assert installed(ready) == {name: [NEW] for name in NAMES}


def test_what_fails_is_not_tried_again_by_retry(ready):
    offer(ready, BROKEN, OLD)

    run = upgrade(ready, "--retry", "3")

    assert run.status == 1
    assert installed(ready) == {"web1": [], "web2": [BROKEN, OLD], "web3": []}


@pytest.mark.parametrize("flag", ["--serial", "--no-wait"])
def test_flags_that_break_the_order_are_refused(ready, flag):
    run = upgrade(ready, flag)

    assert run.status == 1
    assert "run it again without" in run.said
    assert run.changes == []


def test_limit_bounds_what_is_changed_not_what_is_seen(ready):
    run = upgrade(ready, "--limit", "web1", "--limit", "web3")

    assert run.status == 1
    assert "web2 directs too, and has to be told" in run.said
    assert installed(ready) == {name: [] for name in NAMES}
    assert left_behind(ready) == []


def test_a_node_that_is_down_may_be_left_out(ready):
    ready.inventory(web3={"down": True})

    run = upgrade(ready, "--limit", "web1", "--limit", "web2")

    assert run.status == 0, run.said
    assert installed(ready) == {"web1": [NEW], "web2": [NEW], "web3": []}
    assert left_behind(ready) == []


@pytest.mark.parametrize(
    ("kind", "then"),
    [
        ("lock", "web2 could not be locked: SSH session not active; nothing was changed"),
        ("mark", "web2 could not be marked: SSH session not active"),
        ("drain", "web2: as it was; web3"),
        ("keep", "web2: keep its packages: SSH session not active; this run has touched no node"),
        ("fetch", f"web2: fetch keepalived {OLD} -> {NEW}: SSH session not active; this run"),
        ("upgrade", f"web2: put back to keepalived {OLD}, and well; web3: not touched"),
        ("undrain", "web2: in progress, drained; it could not be put back: Put web2 back: web2"),
        ("unmark", "web2 could not be marked"),
    ],
)
def test_a_node_that_is_lost_in_a_step_stops_the_run_in_words_and_the_next_one_ends_it(
    ready, kind, then
):
    ready.inventory(web2={"lost": [kind]})

    run = upgrade(ready)

    assert run.status == 1
    assert then in run.said, run.said
    assert "Traceback" not in run.said
    assert [name for name, has in ready.world.items() if has.get("lock")] == []
    ready.inventory()
    again = upgrade(ready)
    assert again.status == 0, again.said
    assert versions(ready) == dict.fromkeys(NAMES, NEW)
    assert left_behind(ready) == []


def test_a_journal_that_cannot_be_written_stops_the_run_before_anything_is_touched(ready):
    (ready.path / ".selfbalance").write_text("a file, no folder")

    run = upgrade(ready)

    assert run.status == 1
    assert "the journal cannot be written" in run.said, run.said
    assert run.did("mark") == []
    assert left_behind(ready) == []


def test_nobody_is_touched_where_nobody_could_stand_in_for_a_later_node(ready):
    ready.run("drain", "--data", "node=web2")
    ready.run("drain", "--data", "node=web3")

    run = upgrade(ready)

    assert run.status == 1
    assert "web1: nobody else would serve 192.0.2.10:80" in run.said
    assert "nothing was touched" in run.said
    assert run.did("mark") == run.did("upgrade") == []


@pytest.mark.parametrize("after", [1, 2, 5, 16, 18, 21, 24])
def test_ctrl_c_stops_where_no_node_is_in_hand_and_the_same_command_goes_on(ready, after):
    run = upgrade(ready, WORLD_INTERRUPT=str(after))

    assert run.status == 1, run.said
    assert "stopped as you asked, no node in hand; go on with: pyinfra" in run.said
    assert "Exiting upon user request" not in run.said
    assert not [each for each in left_behind(ready) if "mark" not in each]
    assert len(run.did("upgrade")) <= 1
    assert journal(ready)[-1]["result"] == "interrupted"
    again = upgrade(ready)
    assert again.status == 0, again.said
    assert installed(ready) == {name: [NEW] for name in NAMES}
    assert left_behind(ready) == []


def test_two_runs_at_the_same_moment_one_goes_one_is_refused(ready):
    upgrade(ready, WORLD_KILL="6")  # its lock is fresh

    run = upgrade(ready)

    assert run.status == 1
    assert "holds the lock on web1, heartbeat" in run.said
    assert run.did("mark") == run.did("upgrade") == []


def test_another_component_waits_until_the_interrupted_upgrade_has_ended(ready):
    upgrade(ready, WORLD_KILL="18")
    stale(ready)

    run = ready.run("upgrade", "--data", "component=reboot", *QUICK)

    assert run.status == 1
    assert "an upgrade of keepalived by" in run.said
    assert run.did("reboot") == []


def test_a_reboot_of_all_waits_for_each_boot_id_to_change(deployed):
    run = deployed.run("upgrade", "--data", "component=reboot", *QUICK)

    assert run.status == 0, run.said
    assert run.did("reboot") == ["web2", "web3", "web1"]
    assert {has["boots"] for has in deployed.world.values()} == {1}
    assert left_behind(deployed) == []


def test_a_drain_of_an_operators_stays(ready):
    ready.run("drain", "--data", "node=web3")

    run = upgrade(ready)

    assert run.status == 0, run.said
    assert [each.split()[1].rpartition("/")[2] for each in left_behind(ready)] == [
        "drained-web3"
    ] * 3


def stale(site) -> None:
    """Let a killed run's lock be as old as it has to be."""
    for name, has in site.world.items():
        if has.get("lock"):
            site.change(name, lock={**has["lock"], "at": 0})


PAIR = """\
name = "web"
interface = "eth0"
nodes = [{name = "web1", address = "192.0.2.11"}, {name = "web2", address = "192.0.2.12"}]
vips = [{address = "192.0.2.10"}]
services = [{name = "http", port = 80}]
"""


@pytest.fixture(scope="session")
def pair(new_site):
    site = new_site("pair")
    site.describe(PAIR)
    assert site.run("cluster").status == 0
    offer(site, NEW, OLD)
    return site


def steps(pair, component: str, folder) -> range:
    """After how many commands a run is killed that another one has to end: each in turn.

    A reboot whose last mark is gone has ended: the same command would be a new one.
    """
    site = type(pair)(folder)
    site.describe(PAIR)
    (site.path / ".world").write_text((pair.path / ".world").read_text())
    run = site.run("upgrade", "--data", f"component={component}", *QUICK)
    assert run.status == 0, run.said
    kinds = [kind for _, kind in run.steps]
    assert kinds[-2:] == ["unlock", "unlock"]
    return range(1, len(kinds) + 1 if component == "keepalived" else len(kinds) - 2)


@pytest.mark.parametrize("component", ["keepalived", "reboot"])
def test_killed_after_any_step_the_next_run_ends_what_it_began(pair, component, tmp_path_factory):
    """SIGKILL after each command in turn; every node is upgraded once, none is left aside."""

    def killed_and_resumed(after: int) -> list[str]:
        site = type(pair)(tmp_path_factory.mktemp(f"{component}-{after}"))
        site.describe(PAIR)
        (site.path / ".world").write_text((pair.path / ".world").read_text())
        flags = ("--data", f"component={component}", *QUICK)
        killed = site.run("upgrade", *flags, WORLD_KILL=str(after))
        stale(site)
        resumed = site.run("upgrade", *flags)
        return [
            *([] if killed.status == -signal.SIGKILL else ["it was not killed"]),
            *([] if resumed.status == 0 else [resumed.said]),
            # What was killed while it gave its lock back has done all the rest.
            *(each for each in left_behind(site) if "nothing to do" not in resumed.said),
            *(
                f"{name} was upgraded {has}"
                for name, has in site.world.items()
                if (has.get("installed", []), has.get("boots", 0))
                != (([NEW], 0) if component == "keepalived" else ([], 1))
            ),
        ]

    killed_after = steps(pair, component, tmp_path_factory.mktemp(f"{component}-whole"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(killed_after, pool.map(killed_and_resumed, killed_after), strict=True))
    assert found == {after: [] for after in killed_after}
