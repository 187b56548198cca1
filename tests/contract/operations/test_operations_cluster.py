"""deploys/cluster.py by the real command line: what it does, in which order, and where it stops."""

from __future__ import annotations

import time

import pytest

NAMES = ["web1", "web2", "web3"]
PREPARING = ["record", "update", "install", "write", "prove", "write", "kernel"]
CALM = 'detection = "calm"\n'
HTTPS = ('name = "http", port = 80}', 'name = "http", port = 80}, {name = "https", port = 443}')


def recalmed(site) -> None:
    """Change what every node's configuration says, and not the table."""
    site.describe(CALM + (site.path / "web.toml").read_text())


def test_bare_nodes_become_the_cluster_that_is_described(first_run):
    run = first_run

    assert run.status == 0
    for name in NAMES:
        kinds = [kind for host, kind in run.changes if host == name]
        assert kinds == [*PREPARING, "activate"]
    assert run.changes[-3:] == [(name, "activate") for name in NAMES]
    assert "web: 3 nodes, 1 VIP" in run.out
    assert "healthy" in run.out
    assert "Traceback" not in run.said


def test_the_proof_of_the_configuration_comes_before_every_other_file(first_run):
    written = [e["what"] for e in first_run.log if e["kind"] == "write" and e["host"] == "web1"]

    assert "keepalived.conf.staged" in written[0]
    assert "selfbalance-guard" in written[1]
    assert "keepalived.conf" not in written[1]


def test_a_second_run_changes_nothing_and_looks_once(deployed):
    run = deployed.run("cluster")

    assert (run.status, run.changes) == (0, [])
    assert sorted(run.did("look")) == NAMES
    assert run.err.count("No changes") == 8


def test_without_yes_it_looks_twice_and_says_what_it_would_do_once(deployed):
    recalmed(deployed)

    run = deployed.run("cluster", answers="\n")

    assert run.status == 0, run.said
    assert run.err.count("[web1] write /etc/keepalived/keepalived.conf") == 1
    assert run.err.count("keepalived: reload web2, then reload web3, then reload web1") == 1


def test_without_yes_a_second_run_looks_twice(deployed):
    run = deployed.run("cluster", answers="\n")

    assert (run.status, run.changes) == (0, [])
    assert sorted(run.did("look")) == sorted(NAMES * 2)


def test_a_new_configuration_goes_node_by_node_and_the_master_last(deployed):
    """Between two nodes all are looked at: whoever comes next finds the others well."""
    recalmed(deployed)

    run = deployed.run("cluster")

    assert run.status == 0, run.said
    assert run.did("activate") == ["web2", "web3", "web1"]
    assert run.did("snapshot") == ["web2", "web3", "web1"]
    events = [(e["kind"], e["host"]) for e in run.log if e["kind"] in {"activate", "look"}]
    acts = [at for at, (kind, _) in enumerate(events) if kind == "activate"]
    for at, following in zip(acts, [*acts[1:], len(events)], strict=True):
        looks = [host for _, host in events[at + 1 : following]]
        assert sorted(looks) == sorted(NAMES * (len(looks) // 3))
        assert looks
    assert all("reload-or-restart" in e["what"] for e in run.log if e["kind"] == "activate")


def test_a_new_service_goes_node_by_node_too(deployed):
    """Until all have it, tables are compared among those that have."""
    deployed.describe((deployed.path / "web.toml").read_text().replace(*HTTPS))

    run = deployed.run("cluster")

    assert run.status == 0, run.said
    assert run.did("activate") == ["web2", "web3", "web1"]
    assert "keepalived: reload web2: done, and well" in run.err


def test_a_dead_keepalived_is_started_and_nothing_else_is_done(deployed):
    deployed.change("web3", running=None)

    run = deployed.run("cluster")

    assert run.status == 0, run.said
    assert run.changes == [("web3", "snapshot"), ("web3", "activate")]


def test_a_file_that_was_edited_is_put_right_and_keepalived_left_alone(deployed):
    files = deployed.world["web2"]["files"]
    deployed.change("web2", files={**files, "/etc/keepalived/selfbalance-guard": ["edited", 0o700]})

    run = deployed.run("cluster")

    assert run.status == 0, run.said
    assert run.changes == [
        ("web2", "keep old"),
        ("web2", "write"),
        ("web2", "kernel"),
        ("web2", "settle"),
    ]


def test_a_changed_drop_in_restarts_keepalived(deployed):
    for name in NAMES:
        files = deployed.world[name]["files"]
        path = "/etc/systemd/system/keepalived.service.d/selfbalance.conf"
        deployed.change(name, files={**files, path: ["[Service]\n", 0o644]})

    run = deployed.run("cluster")

    assert run.status == 0, run.said
    assert run.did("activate") == ["web2", "web3", "web1"]
    assert all("systemctl restart" in e["what"] for e in run.log if e["kind"] == "activate")
    assert deployed.run("cluster").changes == []


def test_what_a_killed_run_has_written_and_not_started_is_started_by_the_next(deployed):
    """Killed between writing the drop-in and restarting: nothing but the node remembers that."""
    deployed.change("web2", drop_in_read=False)

    run = deployed.run("cluster")

    assert run.status == 0, run.said
    assert run.changes == [("web2", "snapshot"), ("web2", "activate")]
    assert "[web2] restart keepalived" in run.err


@pytest.mark.parametrize(("flag", "deploy"), [("--serial", "cluster"), ("--no-wait", "status")])
def test_a_flag_that_would_break_the_order_is_refused_before_any_contact(bare, deploy, flag):
    run = bare.run(deploy, flag)

    assert (run.status, run.log) == (1, [])
    assert f"{flag} " in run.error
    assert "nothing was contacted" in run.error
    assert "Traceback" not in run.said


def test_a_dry_run_says_everything_and_sends_no_command_that_changes(deployed):
    recalmed(deployed)

    run = deployed.run("cluster", "--dry", "--diff")

    assert (run.status, run.changes) == (0, [])
    assert "[web2] reload keepalived" in run.err
    assert "keepalived: reload web2, then reload web3, then reload web1" in run.err
    assert "+    advert_int 0.3" in run.err


def test_one_at_a_time_is_slower_and_nothing_else(deployed):
    recalmed(deployed)

    run = deployed.run("cluster", "--parallel", "1")

    assert run.status == 0, run.said
    assert run.did("activate") == ["web2", "web3", "web1"]


def test_a_limit_changes_only_its_node_and_looks_at_all(deployed):
    """An edited file on each of two nodes; only one of them may be touched."""
    for name in ("web2", "web3"):
        files = deployed.world[name]["files"]
        deployed.change(
            name, files={**files, "/etc/keepalived/selfbalance-guard": ["edited", 0o700]}
        )

    run = deployed.run("cluster", "--limit", "web2")

    assert {host for host, _ in run.changes} == {"web2"}
    assert set(run.did("look")) == set(NAMES)
    assert "web3: /etc/keepalived/selfbalance-guard was changed by hand" in run.out
    assert run.status == 1


def test_a_limit_keeps_keepalived_of_other_nodes_untouched(deployed):
    recalmed(deployed)

    run = deployed.run("cluster", "--limit", "web2")

    assert {host for host, _ in run.changes} == {"web2"}
    assert run.did("activate") == ["web2"]


def test_a_node_that_cannot_be_looked_at_stops_the_run(deployed):
    recalmed(deployed)
    deployed.inventory(web2={"fails": ["look"]})

    run = deployed.run("cluster")

    assert run.status == 1
    assert run.did("activate") == []
    assert {host for host, _ in run.changes} <= {"web1", "web3"}
    assert "[web2] web2 could not be observed: the observing command failed" in run.err


def test_a_node_that_cannot_be_reached_stops_the_run_before_anything_is_done(deployed):
    recalmed(deployed)
    deployed.inventory(web2={"down": True})

    run = deployed.run("cluster")

    assert (run.status, run.changes) == (1, [])
    assert "[web2] no route to host" in run.err


@pytest.mark.parametrize("kind", ["prove", "kernel"])
def test_a_node_that_cannot_be_prepared_keeps_every_keepalived_untouched(bare, kind):
    bare.inventory(web3={"fails": [kind]})

    run = bare.run("cluster")

    assert run.status == 1
    assert f"{kind} went wrong" in run.said
    assert run.did("activate") == []


def test_a_configuration_that_its_keepalived_refuses_is_never_put_in_its_place(deployed):
    recalmed(deployed)
    before = deployed.world["web3"]["files"]["/etc/keepalived/keepalived.conf"]
    deployed.inventory(web3={"fails": ["prove"]})

    deployed.run("cluster")

    assert deployed.world["web3"]["files"]["/etc/keepalived/keepalived.conf"] == before


def test_a_node_that_cannot_be_looked_at_is_said_in_one_line(deployed):
    deployed.inventory(web2={"cut": True})

    run = deployed.run("cluster")

    assert "web2: the observation was cut short after" in run.err
    assert "Traceback" not in run.said
    assert "section format" not in run.said


def test_an_activation_that_fails_is_not_repeated_and_stops_the_rest(deployed):
    recalmed(deployed)
    deployed.inventory(web3={"fails": ["activate"]})

    run = deployed.run("cluster", "--retry", "3", "--retry-delay", "0")

    assert run.status == 1
    assert run.did("activate") == ["web2", "web3"]
    assert "web3: keepalived did not reload" in run.error
    assert "on web3: journalctl -u keepalived -n 50; put back, and as before: web3 and web2" in (
        run.error
    )
    assert "not touched: web1" in run.error
    assert "activate went wrong" in run.said
    assert "Traceback" not in run.said


def test_while_another_run_holds_the_lock_keepalived_is_touched_nowhere(deployed):
    recalmed(deployed)
    for name in ("web1", "web2", "web3"):
        deployed.change(name, lock={"run": "0ther", "words": "ana@bastion", "at": time.time()})

    run = deployed.run("cluster")

    assert run.status == 1
    assert run.did("activate") == []
    assert "ana@bastion holds the lock on web1, heartbeat " in run.error
    assert "keepalived was touched nowhere; if that run is dead, try again 30 s after" in run.error
    assert "Traceback" not in run.said


def test_the_lock_is_held_from_the_first_activation_to_the_last(deployed):
    recalmed(deployed)

    run = deployed.run("cluster")

    kinds = [each["kind"] for each in run.log if each["kind"] in {"lock", "unlock", "activate"}]
    assert kinds == ["lock"] * 3 + ["activate"] * 3 + ["unlock"] * 3


def test_a_gate_that_stays_shut_stops_the_rest(deployed):
    """Gates are asked with patience; then no later node is touched, and the status is shown."""
    recalmed(deployed)
    deployed.inventory(web2={"deaf": True})
    deployed.impatient()

    run = deployed.run("cluster")

    assert run.status == 1
    assert run.did("activate") == ["web2"]
    assert "after web2: web2: net.ipv4.vs.backup_only is 0; it should be 1" in run.error
    assert "not touched: web1, web3" in run.error
    assert "NOT HEALTHY" in run.out


def test_two_clusters_of_one_inventory_are_each_their_own(bare):
    text = (bare.path / "web.toml").read_text()
    other = text.replace('"web', '"db').replace("192.0.2.", "198.51.100.")
    (bare.path / "db.toml").write_text(other)
    bare.write(
        "inventory.py",
        """
        from selfbalance.inventory import hosts

        def ours(path):
            return [("@node/" + name, data) for name, data in hosts(path)]

        web, db = ours("web.toml"), ours("db.toml")
        """,
    )

    run = bare.run("cluster")

    assert run.status == 0, run.said
    assert sorted(run.did("activate")) == ["db1", "db2", "db3", *NAMES]
    assert "db: 3 nodes" in run.out
    assert "web: 3 nodes" in run.out
