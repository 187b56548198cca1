"""Changing a live cluster by the real command line: canary, one moment, and the ways back."""

from __future__ import annotations

import re

import pytest
from test_operations_cluster import HTTPS, NAMES, recalmed

from selfbalance.desired import places

GUARD = "/etc/keepalived/selfbalance-guard"
SECRET = 'detection = "calm"\nvrrp = {version = 2, password = "env:VRRP"}\n'


def configurations(site) -> dict[str, dict[str, object]]:
    """Every node's files but for what says that others are drained."""
    return {name: dict(site.world[name]["files"]) for name in NAMES}


def tell(site, text: str) -> str:
    """Describe the cluster so on top, and return what it was described by."""
    before = (site.path / "web.toml").read_text()
    site.describe(text + before)
    return before


# --- the canary ---


def test_a_gate_that_stays_shut_at_the_canary_leaves_every_node_as_it_was(deployed):
    """Also those that were only prepared: their guard and their configuration belong together."""
    before = configurations(deployed)
    recalmed(deployed)
    deployed.inventory(web2={"deaf": True})
    deployed.impatient()

    run = deployed.run("cluster")

    assert run.status == 1
    assert run.did("activate") == ["web2"]
    assert "after web2: web2: net.ipv4.vs.backup_only is 0; it should be 1" in run.error
    assert sorted(run.did("restore")) == NAMES
    told = {e["host"]: e["what"] for e in run.log if e["kind"] == "restore"}
    assert told["web2"].endswith("; systemctl reload-or-restart keepalived.service")
    assert told["web3"].endswith("; :")
    assert "put back, and as before: web2; not touched: web1, web3" in run.error
    assert configurations(deployed) == before
    assert [deployed.world[name].get("before") for name in NAMES] == [None] * 3


def test_what_fails_later_on_is_undone_everywhere_last_one_first(deployed):
    """A cluster of which one half has the new configuration is nothing to leave at night."""
    before = configurations(deployed)
    recalmed(deployed)
    deployed.inventory(web3={"fails": ["activate"]})

    run = deployed.run("cluster")

    assert run.status == 1
    assert "put back, and as before: web3 and web2; not touched: web1" in run.error
    assert run.did("restore") == ["web3", "web2", "web1"]
    assert configurations(deployed) == before
    assert deployed.run("cluster", "--data", "rollback=true").status == 1  # there is nothing


def test_a_node_that_is_new_and_fails_is_stopped_again(deployed):
    """Its peers go back to not knowing it: it would hear no MASTER, and become one."""
    text = (deployed.path / "web.toml").read_text()
    fourth = '    {name = "web4", address = "192.0.2.14"},\n'
    deployed.describe(text.replace("]\nvips", f"{fourth}]\nvips"))
    deployed.inventory(web4={"deaf": True})
    deployed.impatient()

    run = deployed.run("cluster")

    assert run.status == 1
    assert run.did("activate")[-1] == "web4"
    assert [e["host"] for e in run.log if e["what"] == "systemctl stop keepalived.service"] == [
        "web4"
    ]
    assert run.did("restore") == ["web1", "web3", "web2"]


def test_who_cannot_be_put_back_is_told_with_the_way_back_for_all(deployed):
    recalmed(deployed)
    deployed.inventory(web2={"fails": ["activate", "restore"]})

    run = deployed.run("cluster")

    assert run.status == 1
    assert "web2 could not be put back: restore went wrong" in run.error
    assert "go back: pyinfra -y inventory.py deploys/cluster.py --data rollback=true" in run.error
    assert deployed.world["web2"]["before"] is not None


@pytest.mark.parametrize("flags", [(), ("--fail-percent", "100")])
def test_what_one_nodes_keepalived_refuses_changes_no_file_on_any(deployed, flags):
    """It may be older than the others': it alone knows what it does not know."""
    before = configurations(deployed)
    recalmed(deployed)
    deployed.inventory(web3={"fails": ["prove"]})

    run = deployed.run("cluster", *flags)

    assert run.status == 1
    assert "prove went wrong" in run.said
    if flags:
        assert "[web1] web3 failed, see above; nothing was changed on web1" in run.err
    staged = places.STAGED_CONFIG
    after = configurations(deployed)
    for name in NAMES:
        after[name].pop(staged, None)
    assert after == before
    assert run.did("activate") == []


def test_a_change_that_was_killed_while_nodes_were_prepared_is_noted_and_ended_by_the_next(
    deployed,
):
    recalmed(deployed)
    killed = deployed.run("cluster", WORLD_KILL="7")
    assert killed.status < 0

    status = deployed.run("status")
    assert "a change of the configuration has not ended on" in status.out

    run = deployed.run("cluster")
    assert run.status == 0, run.said
    assert deployed.run("cluster").changes == []
    assert [len(deployed.world[name]["earlier"]) for name in NAMES] == [1, 1, 1]


# --- at the same second ---


def test_a_secret_changes_on_all_peers_in_one_moment(deployed):
    """By each one's own clock: web3's is 40 s ahead."""
    tell(deployed, SECRET)
    deployed.change("web3", ahead_s=40)

    run = deployed.run("cluster", VRRP="sesame42")

    assert run.status == 0, run.said
    assert "keepalived: reload web1 and reload web2 and reload web3 at the same second" in run.err
    differ = re.search(r"clocks of web1 web2 web3 differ by (\d+) ms at most", run.err)
    assert differ
    assert 39_000 <= int(differ[1]) <= 41_000  # To compare takes a while where others work, too.
    assert sorted(run.did("moment")) == NAMES
    assert run.did("activate") == []
    at = {
        e["host"]: int(e["what"].partition("left=$((")[2].partition(" ")[0])
        for e in run.log
        if e["kind"] == "moment"
    }
    assert 39.5e9 < at["web3"] - at["web1"] < 40.5e9
    assert abs(at["web2"] - at["web1"]) < 5e8
    assert "sesame42" not in run.said


def test_where_one_peer_cannot_be_told_of_the_moment_nobody_changes(deployed):
    before = configurations(deployed)
    tell(deployed, SECRET)
    deployed.inventory(web2={"fails": ["moment"]})
    deployed.impatient()

    run = deployed.run("cluster", VRRP="sesame42")

    assert run.status == 1
    assert "moment went wrong; nodes were to change at the same second" in run.error
    assert set(run.did("cancel")) == {*NAMES}
    assert configurations(deployed) == before


def test_a_peer_that_is_left_out_stops_what_all_have_to_agree_on(deployed):
    tell(deployed, SECRET)

    run = deployed.run("cluster", "--limit", "web1", "--limit", "web2", VRRP="sesame42")

    assert run.status == 1
    assert "web3 is left out by --limit: it would become a second MASTER" in run.said
    assert run.did("moment") == run.did("activate") == []


def test_a_second_vip_needs_no_moment_and_one_that_goes_is_taken_away(deployed):
    text = (deployed.path / "web.toml").read_text()
    two = text.replace(
        'vips = [{address = "192.0.2.10"}]',
        'vips = [{address = "192.0.2.10"}, {address = "192.0.2.20"}]',
    )
    deployed.describe(two)
    run = deployed.run("cluster")
    assert run.status == 0, run.said
    assert run.did("activate") == ["web2", "web3", "web1"]

    deployed.describe(text)
    run = deployed.run("cluster")

    assert run.status == 0, run.said
    assert "[web2] take away 192.0.2.20" in run.err
    assert sorted(run.did("take away")) == NAMES
    kinds = [e["kind"] for e in run.log if e["kind"] in {"activate", "take away"}]
    assert kinds == ["activate"] * 3 + ["take away"] * 3
    assert deployed.run("cluster").changes == []


def test_the_vip_that_adverts_name_moves_in_one_moment(deployed):
    text = (deployed.path / "web.toml").read_text()
    deployed.describe(text.replace('"192.0.2.10"', '"192.0.2.20"'))

    run = deployed.run("cluster")

    assert run.status == 0, run.said
    assert sorted(run.did("moment")) == NAMES
    assert sorted(run.did("take away")) == NAMES


# --- back ---


def test_rollback_goes_back_to_what_was_described_before_and_once_more_further(deployed):
    first = configurations(deployed)
    recalmed(deployed)
    assert deployed.run("cluster").status == 0
    second = configurations(deployed)
    deployed.describe((deployed.path / "web.toml").read_text().replace(*HTTPS))
    assert deployed.run("cluster").status == 0

    run = deployed.run("cluster", "--data", "rollback=true")
    assert run.status == 0, run.said
    assert "goes back to what was described before the last change" in run.err
    assert run.did("activate") == ["web2", "web3", "web1"]
    assert configurations(deployed) == second

    assert deployed.run("cluster", "--data", "rollback=true").status == 0
    assert configurations(deployed) == first

    run = deployed.run("cluster", "--data", "rollback=true")
    assert run.status == 1
    assert "no node keeps an earlier configuration; nothing was changed" in run.error


def test_rollback_of_a_change_that_has_not_ended_goes_back_to_before_it(deployed):
    before = configurations(deployed)
    recalmed(deployed)
    deployed.inventory(web2={"fails": ["activate", "restore"]})
    assert deployed.run("cluster").status == 1
    deployed.inventory()

    run = deployed.run("cluster", "--data", "rollback=true")

    assert run.status == 0, run.said
    assert {n: {k: v for k, v in f.items() if k != places.STAGED_CONFIG}
            for n, f in configurations(deployed).items()} == before  # fmt: skip
    assert [deployed.world[name].get("before") for name in NAMES] == [None] * 3


def test_rollback_is_true_or_false(deployed):
    run = deployed.run("cluster", "--data", "rollback=maybe")

    assert run.status == 1
    assert "--data rollback=maybe: true or false; nothing was changed" in run.said
    assert run.changes == []


def test_nodes_that_came_with_the_change_cannot_be_gone_back_from(deployed):
    text = (deployed.path / "web.toml").read_text()
    fourth = '    {name = "web4", address = "192.0.2.14"},\n'
    deployed.describe(text.replace("]\nvips", f"{fourth}]\nvips"))
    assert deployed.run("cluster").status == 0

    run = deployed.run("cluster", "--data", "rollback=true")

    assert run.status == 1
    assert "web4 came or went with the last change, which cannot be gone back" in run.error
    assert run.changes == []
