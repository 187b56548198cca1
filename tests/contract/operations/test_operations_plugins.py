"""A wrong plugin through the real command line: one line, and nothing is contacted."""

from __future__ import annotations

import pytest

HOOK = "from selfbalance.plugins import *\n\n\n@hook\n"
WRONG = {
    # what the file says, the line that is named, what the one line says
    "cannot be imported": (
        "import no_such_thing\n",
        1,
        "cannot be imported: {place}: ModuleNotFoundError: No module named 'no_such_thing'; "
        "mend it, or set SELFBALANCE_DISABLED_PLUGINS=mine",
    ),
    "no Python": (
        "\ndef register_gates(register:\n",
        2,
        "cannot be imported: {place}: SyntaxError: '(' was never closed (mine.py, line 2); "
        "mend it, or set SELFBALANCE_DISABLED_PLUGINS=mine",
    ),
    "the wrong type": (
        f"{HOOK}def register_schedulers(register):\n    register('twos', 'wrr')\n",
        6,
        "scheduler 'twos' is a str; it should be a Scheduler ({place})",
    ),
    "a name twice": (
        f"{HOOK}def register_gates(register):\n"
        "    register('a', print)\n    register('a', print)\n",
        7,
        "gate 'a' is already registered by plugin mine ({folder}/mine.py:6); "
        "choose another name ({place})",
    ),
    "a hook that does not exist": (
        f"{HOOK}def register_schedlers(register): ...\n",
        4,
        "unknown hook 'register_schedlers'; known are: register_schedulers, "
        "register_forwarding_methods, register_standby_modes, register_snapshot_stores, "
        "register_components, register_gates ({place})",
    ),
    "a hook that is not marked": (
        "def register_gates(register): ...\n",
        1,
        "register_gates is not marked; write @hook ({place})",
    ),
}


def drop_in(site, text: str) -> None:
    (site.path / "plugins").mkdir()
    site.write("plugins/mine.py", text)


@pytest.mark.parametrize(("text", "line", "said"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("deploy", ["cluster", "status"])
def test_a_wrong_drop_in_is_one_line_and_nothing_is_contacted(bare, deploy, text, line, said):
    drop_in(bare, text)

    run = bare.run(deploy)

    folder = bare.path / "plugins"
    whole = said.format(place=f"{folder}/mine.py:{line}", folder=folder)
    assert (run.status, run.log, run.out) == (1, [], "")
    assert lines_after_loading(run) == [f"--> pyinfra error: plugin mine: {whole}"]


def lines_after_loading(run) -> list[str]:
    """What is said once pyinfra has told what it loads."""
    return [
        line
        for line in run.err.splitlines()
        if line.strip() and not line.startswith(("--> Loading", "pyinfra "))
    ]


def test_the_name_of_a_built_in_is_one_line_and_nothing_is_contacted(bare):
    drop_in(
        bare, f"{HOOK}def register_schedulers(register):\n    register('mh', Scheduler('', ''))"
    )

    run = bare.run("cluster")

    assert (run.status, run.log) == (1, [])
    (said,) = lines_after_loading(run)
    assert "scheduler 'mh' is already registered by plugin mine (" in said
    assert "plugins/mine.py:6); choose another name" in said


def test_a_weight_that_is_none_is_one_line_and_nothing_is_contacted(bare):
    drop_in(
        bare,
        f"{HOOK}def register_schedulers(register):\n"
        "    register('none', Scheduler('wrr', 'none', weigh=lambda node: 0))\n",
    )
    text = (bare.path / "web.toml").read_text()
    bare.describe(text.replace("port = 80}", 'port = 80, scheduler = "none"}'))

    run = bare.run("cluster")

    assert (run.status, run.log) == (1, [])
    assert lines_after_loading(run) == [
        "--> pyinfra error: plugin mine: scheduler 'none' gives web1 the weight 0; "
        "a weight is a whole number from 1 to 65535"
    ]


def test_a_wrong_drop_in_that_is_disabled_does_no_harm(bare):
    drop_in(bare, "1 / 0\n")
    bare.environment["SELFBALANCE_DISABLED_PLUGINS"] = "mine"

    run = bare.run("cluster", "--dry")

    assert run.status == 0, run.said


def test_a_gate_of_a_drop_in_stops_a_change_after_the_first_node(deployed):
    """It is asked between two nodes as the built-in ones are."""
    drop_in(
        deployed,
        f"{HOOK}def register_gates(register):\n"
        "    register('never', lambda view: Verdict('seen', (Problem('not today'),)))\n",
    )
    deployed.describe('detection = "calm"\n' + (deployed.path / "web.toml").read_text())
    deployed.impatient()

    run = deployed.run("cluster")

    assert run.status == 1
    assert run.did("activate") == ["web2"]
    assert "after web2: not today; put back, and as before: web2; not touched: web1, web3" in (
        run.error
    )
