"""What every component must hold."""

from __future__ import annotations

import re
import shlex

from selfbalance.plugins import Component, Plugins
from selfbalance.plugins.registry import Registry
from selfbalance.testing.site import Site
from selfbalance.testing.suites.base import OnNodes, OnPaper, Suite


class _Kind(Suite[Component]):
    def registry(self, plugins: Plugins) -> Registry[Component]:
        return plugins.components


class ComponentOnPaper(_Kind, OnPaper[Component]):
    """A component's words."""

    def test_its_packages_are_names_of_debian_packages(self, thing: Component) -> None:
        """Debian policy, 5.6.1. The first one's version is the component's.

        One that is only a way to upgrade, as `reboot` is, has none of its own.
        """
        assert thing.packages or thing.upgrade
        upgraded = thing.upgrade.packages if thing.upgrade else ()
        for package in (*thing.packages, *upgraded):
            assert re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", package), package

    def test_its_units_are_whole_names_of_systemd_units(self, thing: Component) -> None:
        """`systemctl show` is asked about them, which takes no short forms for granted."""
        for unit in thing.units:
            assert re.fullmatch(r"[\w.@:-]+\.(service|socket|timer|path|mount|target)", unit), unit

    def test_its_upgrade_is_of_one_kind(self, thing: Component) -> None:
        """Packages that it says, packages that the operator says, or a reboot."""
        way = thing.upgrade
        if way is not None:
            assert [bool(way.packages), way.named, way.reboots].count(True) == 1, way


class ComponentOnNodes(_Kind, OnNodes[Component]):
    """A component on real nodes. A package that the lab's repository lacks is `lab.publish`ed."""

    def test_every_node_has_its_packages_and_its_units_run(
        self, deployed: Site, thing: Component
    ) -> None:
        """Installed, enabled for the next boot, and active."""
        for node in deployed.lab.nodes:
            for package in thing.packages:
                asked = f"dpkg-query -W -f='${{db:Status-Status}}' {shlex.quote(package)}"
                assert deployed.lab.run(node.name, asked).stdout == "installed", node.name
            for unit in thing.units:
                assert _is(deployed, node.name, unit) == ("enabled", "active"), node.name

    def test_what_somebody_switched_off_the_next_run_switches_on(
        self, deployed: Site, thing: Component
    ) -> None:
        """On a BACKUP, which serves on meanwhile."""
        backup = deployed.backups()[0]
        for unit in thing.units:
            deployed.lab.run(backup, f"systemctl disable --now {shlex.quote(unit)}")
        deployed.deploy()
        for unit in thing.units:
            assert _is(deployed, backup, unit) == ("enabled", "active"), unit


def _is(site: Site, node: str, unit: str) -> tuple[str, str]:
    """Return whether a unit is enabled, and active, in systemctl's words."""
    unit = shlex.quote(unit)
    asked = f"systemctl is-enabled {unit}; systemctl is-active {unit}"
    enabled, active = site.lab.run(node, asked, check=False).stdout.split()
    return enabled, active


class ComponentSuite(ComponentOnPaper, ComponentOnNodes):
    """All that a component must hold."""
