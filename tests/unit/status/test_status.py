"""A look on the screen and as JSON: the same words, for a person and for a machine."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pytest
from clusters import PASSWORD, clusters, secrets_of, steady
from faults import FAULTS
from hypothesis import given
from looks import ACTIVE, DUAL, NAMES, PLUGINS, VIP6, Look, bare, described, desired, healthy
from rich.console import Console

from selfbalance import Node, VrrpOptions
from selfbalance.gates import judge
from selfbalance.observed import NodeState, Role, Stage
from selfbalance.plugins import Problem, Verdict
from selfbalance.status import as_json, show

COLUMNS = ["node", "role", "priority", "standing", "weight", "sessions", "keepalived", "kernel"]
EVERY_FAULT = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


def screen(look: Look, width: int = 100, verdicts: dict[str, Verdict] | None = None) -> str:
    """What is printed where no terminal is: into a file, a pipe, CI."""
    console = Console(width=width, file=StringIO(), soft_wrap=True)
    show(look.view, verdicts or judge(look.view, PLUGINS), console)
    return console.file.getvalue()


def told(look: Look) -> dict:
    """What a machine is told."""
    return json.loads(as_json(look.view, judge(look.view, PLUGINS)))


def rows(text: str) -> dict[str, list[str]]:
    """The table of nodes: cells by node."""
    lines = text.splitlines()
    head = next(at for at, line in enumerate(lines) if line.split() == COLUMNS)
    table = [line for line in lines[head + 1 : head + 4] if line]
    return {line.split()[0]: line.split()[1:] for line in table}


def busy() -> Look:
    """A healthy cluster whose MASTER counts sessions."""
    look = Look()
    web2 = look.nodes["web2"]
    assert isinstance(web2, NodeState)
    (service,) = web2.table
    real = tuple(
        replace(each, active_connections=count)
        for each, count in zip(service.realservers, (7, 12345, 0), strict=True)
    )
    return look.change("web2", table=(replace(service, realservers=real),))


def test_a_healthy_cluster_fits_on_one_screen():
    text = screen(busy())

    assert [line.rstrip() for line in text.splitlines()] == [
        "",
        f"{'web: 3 nodes, 1 VIP':<93}healthy",
        f"{'  nodes        3 of 3 observed':<98}ok",
        f"{'  vip          192.0.2.10 owner web2 (by address, by ARP, by keepalived)':<98}ok",
        f"{'  director     tables equal on 3 nodes, sync master on web2':<98}ok",
        f"{'  realservers  web1 web2 web3 answer through the VIP':<98}ok",
        f"{'  kernel       2 modules and 10 sysctls as described':<98}ok",
        f"{'  drift        files and packages as deployed':<98}ok",
        "",
        "node  role    priority  standing  weight  sessions  keepalived    kernel",
        "web1  BACKUP  230       fresh     1       7         1:2.2.7-1+b2  6.1.176",
        "web2  MASTER  249       serving   1       12,345    1:2.2.7-1+b2  6.1.176",
        "web3  BACKUP  90        fresh     1       0         1:2.2.7-1+b2  6.1.176",
        "",
    ]


def test_the_same_as_json():
    found = told(busy())

    assert (found["format"], found["cluster"], found["healthy"]) == (1, "web", True)
    assert found["vips"] == ["192.0.2.10"]
    assert list(found["checks"]) == [
        "nodes",
        "vip",
        "director",
        "realservers",
        "kernel",
        "drift",
    ]
    assert found["checks"]["nodes"] == {
        "ok": True,
        "seen": "3 of 3 observed",
        "problems": [],
        "notes": [],
    }
    assert found["nodes"][1] == {
        "node": "web2",
        "observed": True,
        "role": "MASTER",
        "vips": ["192.0.2.10"],
        "priority": 249,
        "standing": "serving",
        "instances": [{"name": "web", "role": "MASTER", "priority": 249, "standing": "serving"}],
        "weight": 1,
        "drained": False,
        "sessions": 12345,
        "keepalived": "1:2.2.7-1+b2",
        "kernel": "6.1.176",
    }
    assert [node["vips"] for node in found["nodes"]] == [[], ["192.0.2.10"], []]


def _same(text: str, found: dict, look: Look) -> None:
    """The screen says what JSON says, and the other way round."""
    lines = text.splitlines()
    assert lines[1].endswith("  healthy") is found["healthy"]
    assert lines[1].endswith("  NOT HEALTHY") is not found["healthy"]
    for line, (name, check) in zip(lines[2:8], found["checks"].items(), strict=True):
        shown = check["seen"] if check["ok"] else check["problems"][0]["what"]
        assert line.split(maxsplit=1) == [name, line[15:]]
        assert line[15:].startswith(shown)
        assert line.endswith("  ok") is check["ok"]
        assert line.endswith("  BAD") is not check["ok"]
    checks = found["checks"].values()
    problems = [p for check in checks for p in (*check["problems"], *check["notes"])]
    assert [line[2:] for line in lines if line.startswith("! ")] == [p["what"] for p in problems]
    for problem in problems:
        assert f"! {problem['what']}\n  {problem['remedy']}\n" in text
    table = rows(text)
    for node in found["nodes"]:
        if not node["observed"]:
            assert table[node["node"]] == ["not", "observed"]
            continue
        each = node["instances"] if len(look.cluster.instances) > 1 else []
        cells = [
            "/".join(str(part[column]) for part in each)
            if column in ("role", "priority", "standing") and len(each) > 1
            else node[column]
            for column in COLUMNS[1:]
        ]
        words = [
            "-" if cell is None else f"{cell:,}" if isinstance(cell, int) else cell
            for cell in cells
        ]
        assert table[node["node"]] == [*words[:4], *["drained"] * node["drained"], *words[4:]]


@EVERY_FAULT
def test_screen_and_json_say_the_same_of_every_fault(fault):
    look = fault.look()
    fault.put(look)

    found = told(look)

    assert found["healthy"] is False
    _same(screen(look, width=300), found, look)
    assert len(rows(screen(look))) == 3


def test_screen_and_json_say_the_same_of_bare_nodes():
    look = Look()
    for name in NAMES:
        look.nodes[name] = bare(look.cluster, name)

    _same(screen(look), told(look), look)
    assert rows(screen(look))["web1"] == ["-", "-", "-", "-", "-", "-", "6.1.176"]


@given(clusters(max_nodes=3))
@steady(10)
def test_any_cluster_can_be_shown_and_read_back(cluster):
    look = Look(cluster, cluster.nodes[0].name)
    found = told(look)

    assert found["healthy"]
    assert screen(look).splitlines()[1].startswith(f"{cluster.name}: {len(cluster.nodes)} node")
    assert found["nodes"][0]["role"] == "MASTER"


def test_unknown_is_a_dash_and_none_never_zero():
    """No MASTER: nobody counts sessions, nobody gives a weight."""
    look = Look().unknown("web2", "keepalived", "demotion", "packages")

    web2 = told(look)["nodes"][1]

    assert web2["observed"]
    for key in ("role", "priority", "standing", "weight", "sessions", "keepalived"):
        assert web2[key] is None
    assert rows(screen(look))["web2"] == ["-"] * 6 + ["6.1.176"]
    assert rows(screen(look))["web1"][3:5] == ["-", "-"]


def test_two_masters_give_no_weights():
    """Whose count would be shown?"""
    look = FAULTS["two MASTERs"].look()
    FAULTS["two MASTERs"].put(look)

    assert {node["weight"] for node in told(look)["nodes"]} == {None}


def test_a_node_that_was_not_observed_shows_its_reason():
    look = Look().unobserved("web3", "no route to host")

    assert told(look)["nodes"][2] == {
        "node": "web3",
        "observed": False,
        "reason": "no route to host",
    }
    assert "! web3 could not be observed: no route to host\n" in screen(look)


def test_nodes_that_were_not_observed_have_a_line_each_however_long_their_names():
    nodes = [Node(name=f"a-rather-long-name-of-node-{n}", address=f"192.0.2.1{n}") for n in (1, 2)]
    look = Look(described(nodes=nodes), nodes[0].name).unobserved(nodes[1].name)

    lines = screen(look).splitlines()

    assert f"{nodes[1].name}  not observed" in lines
    look.unobserved(nodes[0].name)
    assert f"{nodes[0].name}  not observed" in screen(look).splitlines()


def test_the_smallest_weight_and_the_sum_of_sessions_are_shown():
    look = Look(DUAL)
    web2 = look.nodes["web2"]
    assert isinstance(web2, NodeState)
    weights = iter((3, 0, 5, 4))
    table = []
    for service in web2.table:
        first, *rest = service.realservers
        first = replace(first, weight=next(weights), active_connections=10)
        table.append(replace(service, realservers=(first, *rest)))
    look.change("web2", table=tuple(table))

    web1 = told(look)["nodes"][0]

    assert (web1["weight"], web1["sessions"]) == (0, 40)
    assert rows(screen(look))["web1"][3:5] == ["0", "40"]


def test_a_drained_node_stands_in_its_row_and_below():
    look = Look().drain("web3")

    text = screen(look)

    assert text.splitlines()[1].endswith("  healthy")
    assert f"{'  realservers  web1 web2 answer through the VIP, web3 drained':<98}ok\n" in text
    assert [line.rstrip() for line in text.splitlines()[-8:]] == [
        "node  role    priority  standing  weight     sessions  keepalived    kernel",
        "web1  BACKUP  230       fresh     1          0         1:2.2.7-1+b2  6.1.176",
        "web2  MASTER  249       serving   1          0         1:2.2.7-1+b2  6.1.176",
        "web3  BACKUP  90        fresh     0 drained  0         1:2.2.7-1+b2  6.1.176",
        "",
        "! web3 has been drained for 41 min by ops@bastion",
        "  put it back: undrain.py --data node=web3",
        "",
    ]
    _same(text, told(look), look)


def test_a_machine_is_told_of_a_drain_too():
    found = told(Look().drain("web3"))

    assert found["healthy"]
    assert [(node["weight"], node["drained"]) for node in found["nodes"]] == [
        (1, False),
        (1, False),
        (0, True),
    ]
    assert found["checks"]["realservers"] == {
        "ok": True,
        "seen": "web1 web2 answer through the VIP, web3 drained",
        "problems": [],
        "notes": [
            {
                "what": "web3 has been drained for 41 min by ops@bastion",
                "node": "web3",
                "remedy": "put it back: undrain.py --data node=web3",
                "passes": False,
            }
        ],
    }


UPGRADING = "an upgrade of keepalived by ops@bastion has not ended: web2 in progress, web3 planned"


def test_a_person_is_told_of_an_upgrade_that_has_not_ended():
    look = Look().upgrading(web2=Stage.IN_PROGRESS, web3=Stage.PLANNED)
    text = screen(look)

    assert text.splitlines()[-3:-1] == [
        f"! {UPGRADING}",
        "  go on: upgrade.py --data component=keepalived",
    ]
    _same(text, told(look), look)


def test_a_machine_is_told_of_an_upgrade_that_has_not_ended():
    found = told(Look().upgrading(web2=Stage.IN_PROGRESS, web3=Stage.PLANNED))

    assert found["healthy"]
    assert found["checks"]["nodes"]["notes"] == [
        {
            "what": UPGRADING,
            "node": None,
            "remedy": "go on: upgrade.py --data component=keepalived",
            "passes": False,
        }
    ]


def test_a_machine_is_told_what_needs_nobody_only_time():
    heals = Verdict("healed", (Problem("4 files are to be healed", passes=True), Problem("gone")))

    found = json.loads(as_json(Look().view, {"volumes": heals}))

    assert not found["healthy"]
    assert [p["passes"] for p in found["checks"]["volumes"]["problems"]] == [True, False]


def test_a_drained_node_whose_weight_nobody_knows_is_drained_all_the_same():
    look = Look().drain("web3").unknown("web2", "table")

    assert rows(screen(look))["web3"][3:5] == ["-", "drained"]


def test_a_note_has_another_colour_than_a_problem():
    console = Console(width=100, file=StringIO(), force_terminal=True, color_system="standard")
    look = Look().drain("web3")

    show(look.view, judge(look.view, PLUGINS), console)

    assert "\x1b[1;33m! " in console.file.getvalue()
    assert "\x1b[1;31m! " not in console.file.getvalue()


def test_a_demotion_that_is_no_standing_is_none():
    look = Look().change("web1", demotion=7)

    assert told(look)["nodes"][0]["standing"] is None


@pytest.mark.parametrize("width", [20, 80, 100, 300])
def test_where_no_terminal_is_nothing_is_cut_or_coloured(width):
    """A log or a pipe has no width: what is cut off there is gone."""
    look = Look().change_all(kernel="6.8.0-1012-raspi-realtime", packages=UBUNTU).unobserved("web3")

    text = screen(look, width)

    assert "\x1b" not in text
    assert "…" not in text
    assert text.isprintable() or set(text) - {c for c in text if c.isprintable()} == {"\n"}
    assert rows(text)["web1"] == [
        "-" if cell is None else str(cell)
        for cell in (told(look)["nodes"][0][column] for column in COLUMNS[1:])
    ]
    assert "ssh web3; if it is down for good, its weight is 0 and the others serve" in text


UBUNTU = {"keepalived": "1:2.2.8-1build2.24.04.1", "ipvsadm": "1:1.31-1ubuntu0.1"}


def test_a_terminal_gets_colours():
    console = Console(width=100, file=StringIO(), force_terminal=True, color_system="standard")
    look = Look().unobserved("web3")

    show(look.view, judge(look.view, PLUGINS), console)

    assert "\x1b[" in console.file.getvalue()


ODD = {
    "long": "x" * 5000,
    "words": "word " * 500,
    "markup": "[bold]no[/] [/] [link=x] :smile: \\[",
    "wide": "日本語 é",
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("width", [1, 40, 100])
def test_any_text_is_shown_as_it_is(odd, width):
    look = Look().change_all(kernel=odd.replace(" ", "_")).unobserved("web3", odd)
    verdicts = {"mine": Verdict(odd, (Problem(odd, None, odd), Problem(odd))), "fine": Verdict(odd)}

    text = screen(look, width, verdicts)

    assert text.count(odd) >= 4
    assert odd.replace(" ", "_") in text
    assert json.loads(as_json(look.view, verdicts))["checks"]["mine"]["problems"] == [
        {"what": odd, "node": None, "remedy": odd, "passes": False},
        {"what": odd, "node": None, "remedy": None, "passes": False},
    ]


def test_neither_tells_a_secret():
    cluster = described(detection="calm", vrrp=VrrpOptions(version=2, password="env:VRRP_PASSWORD"))
    look = Look(cluster)
    look.nodes["web1"] = replace(healthy(cluster)["web1"], files={}, instances=())

    assert PASSWORD in desired(cluster)["web1"].config.content
    assert PASSWORD in secrets_of(cluster).values()
    assert PASSWORD not in screen(look)
    assert PASSWORD not in as_json(look.view, judge(look.view, PLUGINS))


def test_with_several_masters_each_instance_has_its_own_role_priority_and_standing():
    table = rows(screen(Look(ACTIVE, ("web1", "web3"))))

    assert {name: cells[:3] for name, cells in table.items()} == {
        "web1": ["MASTER/BACKUP", "250/160", "serving/fresh"],
        "web2": ["BACKUP/BACKUP", "160/230", "fresh/fresh"],
        "web3": ["BACKUP/MASTER", "90/248", "fresh/serving"],
    }


def test_a_machine_is_told_each_instance_and_the_first_as_ever():
    (web1, *_) = told(Look(ACTIVE, ("web1", "web3")))["nodes"]

    assert (web1["role"], web1["priority"], web1["standing"]) == ("MASTER", 250, "serving")
    assert web1["instances"] == [
        {"name": "web", "role": "MASTER", "priority": 250, "standing": "serving"},
        {"name": "web-52", "role": "BACKUP", "priority": 160, "standing": "fresh"},
    ]


def test_sessions_are_counted_by_each_vips_own_director():
    """Every node's table counts every session, as all are synchronised; one of them is at work."""
    look = Look(ACTIVE, ("web1", "web3"))
    for at, name in enumerate(NAMES):
        table = tuple(
            replace(
                service,
                realservers=tuple(
                    replace(real, active_connections=10**at) for real in service.realservers
                ),
            )
            for service in look.nodes[name].table
        )
        look.change(name, table=table)

    # Two services of each VIP: 1 session each that web1 counts, 100 that web3 counts.
    assert {cells[4] for cells in rows(screen(look)).values()} == {"202"}


def test_a_vip_with_two_masters_has_no_director_to_count_by():
    look = Look(ACTIVE, ("web1", "web3"))
    web2 = look.nodes["web2"]
    assert isinstance(web2, NodeState)
    six = replace(web2.instances[1], role=Role.MASTER)
    look.change("web2", instances=(web2.instances[0], six))

    assert {cells[3] for cells in rows(screen(look)).values()} == {"1"}
    assert f"MASTER on web2 and web3 in VRRP instance {ACTIVE.instance_of(VIP6).name}" in screen(
        look
    )
