"""Packages of another suite: where they come from, and what is refused before anything is built."""

import pytest

from selfbalance.lab import LabError, backport


def test_packages_come_from_the_nodes_suite_and_only_sources_from_the_other():
    binaries = "deb http://mirror.example/debian/ bookworm main\n"
    others = "deb http://mirror.example/debian/ trixie main\n"
    assert backport.apt_sources(binaries, others).splitlines() == [
        "deb http://mirror.example/debian/ bookworm main",
        "deb-src http://mirror.example/debian/ trixie main",
    ]


@pytest.mark.parametrize(("package", "suite"), [("a; b", "trixie"), ("keepalived", "$(x)")])
def test_what_is_no_name_is_refused(package, suite):
    with pytest.raises(LabError, match="is no name of a package or of a Debian suite"):
        backport.ensure(package, suite, "bookworm", print)


def test_the_script_is_shipped():
    assert backport.SCRIPT.is_file()
