"""The rails of config.py: flags that would break a rolling change are refused."""

from __future__ import annotations

import click
import pytest
from pyinfra.api.exceptions import PyinfraError

from selfbalance.rails import fail_percent, refuse_unsafe_flags


def called_with(**params: object) -> click.Context:
    """The context that pyinfra's command line runs config.py in."""
    context = click.Context(click.Command("pyinfra"))
    context.params = params
    return context


@pytest.mark.parametrize(
    ("flag", "reason"), [("serial", "--serial takes the nodes"), ("no_wait", "--no-wait lets")]
)
def test_an_unsafe_flag_is_refused_in_one_line_with_its_reason(flag, reason):
    with called_with(**{flag: True}), pytest.raises(PyinfraError) as caught:
        refuse_unsafe_flags()

    said = str(caught.value)
    assert said.startswith(reason)
    assert said.endswith("; run it again without: nothing was contacted")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "params",
    [{}, {"serial": False, "no_wait": False}, {"serial": None}, {"parallel": 1, "dry": True}],
)
def test_other_flags_pass(params):
    with called_with(**params):
        refuse_unsafe_flags()


def test_outside_of_a_run_nothing_is_refused_and_a_failure_stops():
    refuse_unsafe_flags()
    assert fail_percent() == 0


@pytest.mark.parametrize(
    ("operations", "percent"),
    [
        (("deploys/status.py",), 100),
        (["status.py"], 100),
        (("../selfbalance/deploys/status.py",), 100),
        (("deploys/cluster.py",), 0),
        (("deploys/status.py", "deploys/cluster.py"), 0),
        (("deploys/cluster.py", "deploys/status.py"), 0),
        (("server.shell", "status"), 0),
        (("exec", "--", "cat", "status.txt"), 0),
        ((), 0),
        (None, 0),
        ("status.py", 0),
    ],
)
def test_only_a_look_goes_on_without_a_node(operations, percent):
    with called_with(operations=operations):
        assert fail_percent() == percent
