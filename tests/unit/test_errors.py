"""The tree of errors: pyinfra's own kind where pyinfra runs, ordinary ones everywhere else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from selfbalance import errors

KINDS = (
    "DescriptionError",
    "PluginError",
    "ObservationError",
    "SnapshotError",
    "JournalError",
    "UpgradeError",
    "VolumeError",
)

ASK = """
import sys
{first}
from selfbalance import errors
from selfbalance.errors import *

def raised(kind):
    try:
        raise kind("said")
    except Exception as error:
        return error

print("pyinfra" in sys.modules)
for kind in (errors.SelfbalanceError, errors.DescriptionError, errors.PluginError,
             errors.ObservationError):
    error = raised(kind)
    print([each.__name__ for each in kind.__mro__[:-2]], str(error), error.__traceback__ is None)
"""


def asked(first: str) -> list[str]:
    """What a fresh Python says of the errors, `first` being imported before them."""
    run = subprocess.run(
        [sys.executable, "-c", ASK.format(first=first)], capture_output=True, text=True, check=True
    )
    return run.stdout.splitlines()


def test_without_pyinfra_they_are_ordinary_and_pyinfra_is_not_loaded_for_them():
    assert asked("") == [
        "False",
        "['SelfbalanceError', 'Exception'] said False",
        "['DescriptionError', 'SelfbalanceError', 'Exception'] said False",
        "['PluginError', 'SelfbalanceError', 'Exception'] said False",
        "['ObservationError', 'SelfbalanceError', 'Exception'] said False",
    ]


def test_inside_of_a_run_they_are_pyinfras_own_kind_which_it_says_in_one_line():
    base = "'PyinfraError', 'Exception'"
    assert asked("import pyinfra.api") == [
        "True",
        f"['SelfbalanceError', {base}] said False",
        f"['DescriptionError', 'SelfbalanceError', {base}] said True",
        f"['PluginError', 'SelfbalanceError', {base}] said True",
        f"['ObservationError', 'SelfbalanceError', {base}] said False",
    ]


@pytest.mark.parametrize("name", KINDS)
def test_every_error_is_caught_as_one(name):
    kind = getattr(errors, name)

    with pytest.raises(errors.SelfbalanceError, match=r"^what\Z"):
        raise kind("what")


def test_the_tree_is_whole():
    found = {name for name, each in vars(errors).items() if isinstance(each, type)}

    assert {name for name in found if not name.startswith("_")} == {"SelfbalanceError", *KINDS}
