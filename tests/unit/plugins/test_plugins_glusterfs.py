"""Component `glusterfs`: only where something is shared, and in words that a shell accepts."""

from __future__ import annotations

import re
import subprocess

import pytest
from described_twice import cluster

from selfbalance.desired import desire
from selfbalance.plugins import Plugins
from selfbalance.plugins.builtin.glusterfs import GLUSTERFS

VOLUMES = [
    {"name": "shared", "brick": "/data/shared", "mount": "/srv/shared"},
    {"name": "other", "brick": "/data/other", "mount": "/srv/my-files"},
]
SHARING = cluster(("volumes", VOLUMES))
WEB1 = SHARING.nodes[0]
WAY = GLUSTERFS.upgrade
assert WAY is not None
assert WAY.agreement is not None
assert WAY.finalize is not None
SCRIPTS = {
    "stop": WAY.stop(SHARING, WEB1),
    "start": WAY.start(SHARING, WEB1),
    "restore": WAY.restore(SHARING, WEB1),
    "finalize": WAY.finalize(SHARING),
    "agreement: begin": WAY.agreement.begin,
    "agreement: end": WAY.agreement.end,
    "agreement: undo": WAY.agreement.undo,
}


def test_it_is_needed_where_something_is_shared_and_nowhere_else():
    assert GLUSTERFS.needed(SHARING)
    assert not GLUSTERFS.needed(cluster())


def test_its_packages_and_units_are_those_of_a_node_that_shares():
    for described, has_it in ((SHARING, True), (cluster(), False)):
        for node in desire(described, Plugins(), {}).values():
            assert ({*GLUSTERFS.packages} <= {*node.packages}) is has_it
            assert ({*GLUSTERFS.units} <= {*node.units}) is has_it


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_shell_accepts_what_an_upgrade_does(script):
    checked = subprocess.run(
        ["sh", "-n"], input=script, text=True, capture_output=True, check=False
    )

    assert (checked.returncode, checked.stderr) == (0, "")
    # Nothing is left that should have been filled in, and no brace is doubled.
    assert not re.search(r"(?<!\$)\{\w+\}|\{\{|\}\}", script)


@pytest.mark.parametrize("what", ["stop", "start"])
def test_every_mount_ends_and_begins_under_the_name_that_systemd_gives_it(what):
    assert "for unit in srv-shared.mount 'srv-my\\x2dfiles.mount'; do" in SCRIPTS[what]


def test_every_volume_is_healed_when_a_node_begins_again():
    assert "for volume in shared other; do" in SCRIPTS["start"]


def test_what_is_upgraded_is_what_is_installed_and_more():
    assert WAY.packages[0] == GLUSTERFS.packages[0]
    assert len(WAY.packages) > 1
