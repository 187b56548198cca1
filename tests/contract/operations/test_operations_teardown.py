"""deploys/teardown.py by the real command line, and what cluster.py does about a lost node."""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from selfbalance.desired import places

NAMES = ["web1", "web2", "web3"]
LEAVING = ["quiet", "purge", "clear"]
NEXT = "next: take {} out of the description and run cluster.py; until then it stays drained"


def teardown(site, node: str, *flags: str, **environment: str):
    return site.run("teardown", "--data", f"node={node}", *flags, **environment)


def without(site, node: str) -> None:
    """Take a node out of the description."""
    lines = (site.path / "web.toml").read_text().splitlines()
    site.describe("\n".join(line for line in lines if f'name = "{node}"' not in line) + "\n")


def is_bare(site, node: str) -> bool:
    has = site.world[node]
    kept = ("packages", "files", "kernel", "vips", "running", "master", "record", "lock")
    return not any(has.get(each) for each in kept)


def drained_on(site, node: str) -> list[str]:
    return [name for name in NAMES if places.drained(node) in site.world[name]["files"]]


def test_a_node_is_drained_and_waited_for_and_then_as_bare_as_before(deployed):
    deployed.change("web3", serves=[3, 3, 3, 1])

    run = teardown(deployed, "web3")

    assert run.status == 0, run.said
    assert run.changes == [
        *((name, "drain") for name in NAMES),
        *(("web3", kind) for kind in LEAVING),
    ]
    assert "[web3] 1 session left" in run.err
    assert run.err.index("it serves nobody") < run.err.index("stop what runs for the cluster")
    assert "[web3] remove keepalived ipvsadm libnl-3-200" in run.err
    assert NEXT.format("web3") in run.err
    assert is_bare(deployed, "web3")
    text, _ = deployed.world["web1"]["files"][places.drained("web3")]
    assert text.endswith(f" {getpass.getuser()}@{socket.gethostname()} (teardown)\n")
    assert [deployed.world[name].get("lock") for name in NAMES] == [None] * 3


def test_a_master_hands_over_before_anything_is_taken_away(deployed):
    run = teardown(deployed, "web1")

    assert run.status == 0, run.said
    assert run.changes == [
        *((name, "drain") for name in NAMES),
        ("web1", "activate"),
        *(("web1", kind) for kind in LEAVING),
    ]
    assert "[web1] handed over to web2" in run.err
    assert is_bare(deployed, "web1")


def test_peers_forget_it_when_it_is_described_no_more_and_it_comes_back_serving(deployed):
    assert teardown(deployed, "web3").status == 0
    whole = (deployed.path / "web.toml").read_text()
    without(deployed, "web3")

    run = deployed.run("cluster")

    assert run.status == 0, run.said
    assert "web: 2 nodes, 1 VIP" in run.out
    assert "web3: described no more; web1 web2 forget its drain" in run.err
    assert drained_on(deployed, "web3") == []
    assert "web3" not in {event["host"] for event in run.log}
    assert deployed.run("cluster").changes == []
    deployed.describe(whole)
    back = deployed.run("cluster")
    assert back.status == 0, back.said
    assert "healthy" in back.out
    undrained = deployed.run("undrain", "--data", "node=web3")
    assert (undrained.status, undrained.changes) == (0, [])


def test_one_that_stays_described_comes_back_drained_and_undrain_lets_it_serve(deployed):
    assert teardown(deployed, "web3").status == 0

    back = deployed.run("cluster")

    assert back.status == 0, back.said
    assert drained_on(deployed, "web3") == NAMES
    undrained = deployed.run("undrain", "--data", "node=web3")
    assert undrained.status == 0, undrained.said
    assert drained_on(deployed, "web3") == []


def test_a_dead_node_that_is_described_no_more_is_forgotten_without_being_asked(deployed):
    assert deployed.run("drain", "--data", "node=web3").status == 0
    deployed.change("web3", running=None, gone=True)
    without(deployed, "web3")

    run = deployed.run("cluster")

    assert run.status == 0, run.said
    assert "web3" not in {event["host"] for event in run.log}
    assert "65535" not in json.dumps(deployed.world["web1"]["files"])
    assert "192.0.2.13" not in json.dumps(deployed.world["web1"]["running"])


def test_a_fresh_machine_of_the_same_name_is_told_who_is_drained(deployed):
    assert deployed.run("drain", "--data", "node=web3").status == 0
    world = deployed.world
    del world["web3"]
    (deployed.path / ".world").write_text(json.dumps(world))

    run = deployed.run("cluster")

    assert run.status == 0, run.said
    assert drained_on(deployed, "web3") == NAMES
    texts = {deployed.world[name]["files"][places.drained("web3")][0] for name in NAMES}
    assert len(texts) == 1


def test_what_was_there_before_is_put_back(bare):
    own = {places.CONFIG: ["# its own\n", 0o644]}
    nothing = dict.fromkeys(("kernel", "vips", "running", "drop_in_read", "master"), False)
    world = {name: {**nothing, "files": own, "packages": name == "web3"} for name in NAMES}
    (bare.path / ".world").write_text(json.dumps(world))
    assert bare.run("cluster").status == 0

    run = teardown(bare, "web3")

    assert run.status == 0, run.said
    assert bare.world["web3"]["files"] == own
    assert bare.world["web3"]["packages"]
    assert "purge" not in [kind for _, kind in run.changes]


def test_what_was_before_is_written_once(deployed):
    before = {name: deployed.world[name]["record"] for name in NAMES}
    files = deployed.world["web2"]["files"]
    deployed.change("web2", files={k: v for k, v in files.items() if k != places.GUARD})

    run = deployed.run("cluster")

    assert run.status == 0, run.said
    assert "record" not in [kind for _, kind in run.changes]
    assert {name: deployed.world[name]["record"] for name in NAMES} == before


def test_a_second_teardown_changes_nothing_and_says_what_is_next(deployed):
    assert teardown(deployed, "web3").status == 0

    run = teardown(deployed, "web3")

    assert (run.status, run.changes) == (0, [])
    assert f"web3 has nothing of this cluster; {NEXT.format('web3')}" in run.err


def stale(site) -> None:
    """Let half a minute pass since the last heartbeat."""
    world = site.world
    for has in world.values():
        if has.get("lock"):
            has["lock"]["at"] -= 60
    (site.path / ".world").write_text(json.dumps(world))


def test_killed_after_any_step_the_next_run_ends_what_it_began(deployed, tmp_path_factory):
    """SIGKILL after each command in turn, while the MASTER is torn down."""

    def killed_and_run_again(after: int) -> list[str]:
        site = type(deployed)(tmp_path_factory.mktemp(f"teardown-{after}"))
        (site.path / ".world").write_text((deployed.path / ".world").read_text())
        killed = teardown(site, "web1", WORLD_KILL=str(after))
        stale(site)
        again = teardown(site, "web1")
        return [
            *([] if killed.status == -signal.SIGKILL else ["it was not killed"]),
            *([] if again.status == 0 else [again.said]),
            *([] if is_bare(site, "web1") else [f"web1 has {site.world['web1']}"]),
            *([] if {"web2", "web3"} <= {*drained_on(site, "web1")} else ["clients may come"]),
        ]

    whole = type(deployed)(tmp_path_factory.mktemp("teardown-whole"))
    (whole.path / ".world").write_text((deployed.path / ".world").read_text())
    count = len(teardown(whole, "web1").steps)
    assert count > 12
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(enumerate(pool.map(killed_and_run_again, range(1, count + 1)), 1))
    assert found == {after: [] for after in found}


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (
            lambda site: [site.change(each, running=None) for each in ("web1", "web2")],
            "web3 is the last director: nobody else could hold the VIPs",
        ),
        (
            lambda site: site.inventory(web3={"fails": ["look"]}),
            "web3 could not be observed: the observing command failed; is ssh alive, sudo "
            "allowed?; "
            "a node that is gone for good needs no teardown: take it out of the description, then "
            "run cluster.py",
        ),
        (
            lambda site: site.inventory(web2={"fails": ["look"]}),
            "web2 could not be observed",
        ),
    ],
)
def test_what_would_lose_something_is_refused(deployed, prepare, said):
    prepare(deployed)

    run = teardown(deployed, "web3")

    assert (run.status, run.changes) == (1, [])
    assert said in run.err
    assert "nothing was changed" in run.err
    assert "Traceback" not in run.said


def test_the_last_one_that_serves_is_not_taken_away(deployed):
    for node in ("web1", "web2"):
        assert deployed.run("drain", "--data", f"node={node}").status == 0

    run = teardown(deployed, "web3")

    assert (run.status, run.changes) == (1, [])
    assert "nobody else would serve 192.0.2.10:80" in run.err


def test_sessions_that_last_keep_the_node(deployed):
    deployed.change("web3", serves=5)

    run = teardown(deployed, "web3", "--data", "timeout=1")

    assert run.status == 1
    assert run.changes == [(name, "drain") for name in NAMES]
    assert "web3 is drained, but after 1 s: 5 sessions left" in run.error
    assert "nothing was taken away; go on with: pyinfra" in run.error


def test_one_that_somebody_has_put_back_meanwhile_stays(deployed):
    """The lock was free while its sessions were waited for."""
    files = deployed.world["web2"]["files"]
    deployed.inventory(web1={"meanwhile": {"web2": {"files": files}}})

    run = teardown(deployed, "web3")

    assert run.status == 1
    assert run.changes == [(name, "drain") for name in NAMES]
    assert "web3 gets clients again: somebody has put it back meanwhile" in run.error


def test_a_dry_run_says_it_and_does_nothing(deployed):
    before = deployed.world

    run = teardown(deployed, "web3", "--dry")

    assert (run.status, run.changes) == (0, [])
    assert "web3: sent no new clients" in run.err
    assert deployed.world == before


@pytest.mark.parametrize("kind", LEAVING)
def test_a_step_that_fails_says_how_it_is_and_the_same_command_goes_on(deployed, kind):
    deployed.inventory(web3={"fails": [kind]})

    run = teardown(deployed, "web3")

    assert run.status == 1
    assert f"{kind} went wrong; it is drained, and serves nobody; go on with: pyinfra" in run.error
    assert "Traceback" not in run.said
    deployed.inventory()
    again = teardown(deployed, "web3")
    assert again.status == 0, again.said
    assert is_bare(deployed, "web3")
