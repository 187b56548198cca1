"""Packages of another suite: where they come from, and what is refused before anything is made."""

import pytest

from selfbalance.lab import LabError, backport

SUITE = "deb http://mirror.example/debian/ bookworm main\n"


def test_packages_come_from_the_nodes_suite_and_only_sources_from_the_other():
    others = "deb http://mirror.example/debian/ trixie main\n"
    assert backport.binaries_and_sources(SUITE, others).splitlines() == [
        "deb http://mirror.example/debian/ bookworm main",
        "deb-src http://mirror.example/debian/ trixie main",
    ]


def test_backports_are_binaries_and_one_that_the_machine_knows_is_named_once():
    backports = "deb http://mirror.example/debian/ bookworm-backports main\n"
    for own in (SUITE, SUITE + backports):
        assert backport.both_binaries(own, backports) == SUITE + backports


@pytest.mark.parametrize(
    ("source", "script", "sources"),
    [
        ("trixie", backport.SCRIPT, backport.binaries_and_sources),
        ("bullseye-backports", backport.SCRIPT, backport.binaries_and_sources),
        ("bookworm-backports", backport.DOWNLOAD, backport.both_binaries),
        ("bullseye", backport.DOWNLOAD, backport.both_binaries),
    ],
)
def test_what_is_built_for_the_nodes_suite_or_an_older_one_is_downloaded(source, script, sources):
    build, chosen = backport.recipe("glusterfs-server", source, "bookworm")
    assert (build.script, chosen) == (script, sources)
    assert build.entry.name.startswith(f"debs-bookworm-glusterfs-server-{source}-")


def test_a_download_is_told_what_nodes_have_and_what_the_labs_repository_offers():
    build, _ = backport.recipe("haproxy", "bullseye-backports", "bullseye")
    assert "nginx-light" in build.environment["HAS"].split()
    assert "glusterfs-server" in build.environment["OFFERED"].split()
    other, _ = backport.recipe("haproxy", "bookworm-backports", "bookworm")
    assert build.entry != other.entry


@pytest.mark.parametrize(("package", "suite"), [("a; b", "trixie"), ("keepalived", "$(x)")])
def test_what_is_no_name_is_refused(package, suite):
    with pytest.raises(LabError, match="is no name of a package or of a Debian suite"):
        backport.ensure(package, suite, "bookworm", print)


@pytest.mark.parametrize("script", [backport.SCRIPT, backport.DOWNLOAD])
def test_the_scripts_are_shipped(script):
    assert script.is_file()
