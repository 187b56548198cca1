"""Inventories: hosts, groups, data, and how a wrong one is reported."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_hosts_keep_the_order_of_the_file_and_lists_are_groups(project):
    """The inventory's order is the order of a rolling deploy; helpers must not become hosts."""
    project.write("shared.py", 'SPARE = ["@sim/spare"]')
    project.write(
        "prod.py",
        """
        from shared import SPARE

        _cluster = ["@sim/not-a-host"]
        _count = 3
        count = 3
        nodes = [("@sim/z", {}), "@sim/a", "@sim/m"]
        """,
    )
    project.write(
        "deploy.py",
        """
        from pyinfra import host, inventory, state
        from sim import note

        if host.name == "@sim/a":
            note([h.name for h in inventory])
            note(sorted(inventory.groups))
            note(type(state.active_hosts).__name__)
        """,
    )
    run = project.pyinfra("prod.py", "deploy.py", "-y")
    assert run.notes == [
        "['@sim/spare', '@sim/z', '@sim/a', '@sim/m']",  # an imported list is a group, too
        "['@sim', 'SPARE', 'nodes', 'prod']",
        "set",  # whose order says nothing
    ]


def test_data_is_parsed_and_the_more_special_wins(project):
    """`--data component=keepalived` reaches a deploy as `host.data.component`.

    Versions beware: 2.10 arrives as the number 2.1.
    """
    project.write("inventory.py", 'nodes = [("@sim/a", {"c": "host", "d": "host"})]')
    for group, keys in {"all": "abcd", "nodes": "bcd"}.items():
        project.write(f"group_data/{group}.py", "".join(f"{key} = '{group}'\n" for key in keys))
    project.write(
        "deploy.py",
        """
        from pyinfra import host
        from sim import note

        note(" ".join(host.data.get(key, "nothing") for key in "abcde"))
        for key in "number", "yes", "listed", "none", "empty", "word", "equals", "version":
            note(f"{key} {host.data.get(key)!r}")
        """,
    )
    given = (
        "d=given number=3 yes=true listed=[1] none=null empty= word=web1 equals=x=y version=2.10"
    )
    flags = [f"--data={pair}" for pair in given.split()]
    run = project.pyinfra("inventory.py", "deploy.py", "-y", *flags)
    assert run.notes == [
        "all nodes host given nothing",
        "number 3",
        "yes True",
        "listed [1]",
        "none None",
        "empty ''",
        "word 'web1'",
        "equals 'x=y'",
        "version 2.1",
    ]


MODELS = """
    from pydantic import BaseModel, ConfigDict

    class Vip(BaseModel):
        model_config = ConfigDict(frozen=True)
        address: str

    class Cluster(BaseModel):
        model_config = ConfigDict(frozen=True)
        vips: tuple[Vip, ...]

        {method}

    _cluster = Cluster(vips=[Vip(address="192.0.2.10")])
    nodes = ([f"@sim/{{n}}" for n in "ab"], {{"cluster": _cluster}})
"""
TO_JSON = "def to_json(self): return {'vips': '1 vip'}"


def test_frozen_models_are_host_data(project):
    """Deploys read `host.data.cluster`: a shallow copy, whose parts are the inventory's own."""
    project.write("inventory.py", MODELS.format(method=""))
    project.write(
        "deploy.py",
        """
        from pyinfra import host, inventory
        from sim import note

        here, there = host.data.cluster, inventory.get_host("@sim/b").data.cluster
        note(f"{here is there} {here == there} {here.vips[0] is there.vips[0]} {hash(here) != 0}")
        """,
    )
    run = project.pyinfra("inventory.py", "deploy.py", "-y", "--limit=@sim/a")
    assert run.notes == ["False True True True"], run.err


def test_debug_inventory_prints_what_to_json_says(project):
    """The model's way to keep secrets out of `debug-inventory`, which prints all data."""
    project.write("inventory.py", MODELS.format(method=TO_JSON))
    run = project.pyinfra("inventory.py", "debug-inventory")
    assert run.status == 0
    assert "1 vip" in run.out + run.err
    assert "192.0.2.10" not in run.out + run.err


WRONG = "from pyinfra.api.exceptions import InventoryError\nraise InventoryError('no such node')\n"
WRONG_DEPLOY = """
    from pyinfra.api.exceptions import DeployError
    from pyinfra.operations import server

    server.shell(commands="set done 1")
    raise DeployError("no such node")
"""


@pytest.mark.parametrize("where", ["inventory.py", "deploy.py"])
def test_a_pyinfra_error_is_one_clean_line(project, where):
    """How a description error reaches the operator: the file, the line, what is wrong; no stack.

    In an inventory it comes before any host is contacted, in a deploy file before any command.
    """
    project.write("deploy.py", WRONG_DEPLOY)
    if where == "inventory.py":
        project.write("inventory.py", WRONG)
    run = project.pyinfra("inventory.py", "deploy.py", "-y")
    lines = [line for line in run.err.splitlines() if "error" in line]
    line = 2 if where == "inventory.py" else 5
    assert lines == [f"--> pyinfra error in {where} line {line}: no such node"]
    assert "Traceback" not in run.err
    assert (run.status, run.commands()) == (1, [])
    assert bool(run.contacted) is (where == "deploy.py")


def test_any_other_error_prints_a_stack(project):
    """Why our own errors are turned into pyinfra's where they would leave our package."""
    project.write("inventory.py", "raise ValueError('no such node')")
    project.write("deploy.py", "")
    run = project.pyinfra("inventory.py", "deploy.py", "-y")
    assert (run.status, run.contacted) == (1, [])
    assert "Traceback" in run.err
    assert "ValueError: no such node" in run.err


def test_a_host_can_be_reached_through_the_proxy_command_of_an_ssh_config(project):
    """How the lab's nodes, which have no address here, are real hosts to a real deploy."""
    project.write("proxy.sh", 'echo "$@" > asked')
    project.write(
        "ssh_config", "Host web1\n  ProxyCommand sh proxy.sh %h %p\n  Hostname node.invalid\n"
    )
    project.write("inventory.py", 'nodes = [("web1", {"ssh_config_file": "ssh_config"})]')
    project.write("deploy.py", "")
    run = project.pyinfra("inventory.py", "deploy.py", "-y")
    assert (project.path / "asked").read_text() == "node.invalid 22\n", run.err


def test_this_folder_is_not_a_package():
    """It bears pyinfra's name: with an `__init__.py` it could be imported in pyinfra's place."""
    assert not (Path(__file__).parent / "__init__.py").exists()
