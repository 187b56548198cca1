"""What all suites share: the thing under test, and the descriptions that use it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from selfbalance import Cluster
from selfbalance.deployment import every_plugin
from selfbalance.desired import desire
from selfbalance.loading import plugins_from_outside
from selfbalance.plugins import Plugins
from selfbalance.plugins.registry import Registry
from selfbalance.testing.examples import served
from selfbalance.testing.keepalived import Namespace
from selfbalance.testing.site import Site

T = TypeVar("T")


class Suite(Generic[T]):
    """A registered thing, found as a run finds it: in `plugins/`, in packages, or built in.

    A test class says `name`, what the plugin registers the thing as. Where the thing serves only
    some descriptions, `described` is what they say besides, as keys and plain values of TOML.
    To try several things, parametrise the class by `named` in place of `name`.
    """

    name: ClassVar[str]
    described: ClassVar[Mapping[str, object]] = {}

    @pytest.fixture
    def named(self) -> str:
        """Return the name that the thing is registered as."""
        return self.name

    @pytest.fixture
    def plugins(self, pytestconfig: pytest.Config) -> Plugins:
        """All that a run in this repository would find."""
        return every_plugin(plugins_from_outside(pytestconfig.rootpath / "inventories"))

    @pytest.fixture
    def thing(self, plugins: Plugins, named: str) -> T:
        """Return the thing under test."""
        return self.registry(plugins).named(named, type(self).__name__)

    def registry(self, plugins: Plugins) -> Registry[T]:
        """Return the registry of this kind."""
        raise NotImplementedError

    def asked(self, named: str) -> Mapping[str, object]:  # noqa: ARG002 - not every kind is named
        """Return what a description says that uses the thing."""
        return {}

    def changes(self, named: str) -> dict[str, object]:
        """Return all that its description says otherwise than an example."""
        return {**self.asked(named), **self.described}


class OnPaper(Suite[T]):
    """What can be said without a node."""

    def test_it_says_in_one_line_what_it_is(self, thing: T) -> None:
        """`selfbalance plugins` shows it."""
        said = getattr(thing, "description", None) or getattr(thing, "__doc__", None) or ""
        assert said.strip(), "give it a description"
        if hasattr(thing, "description"):
            assert "\n" not in said, "a description is one line"


class Rendered(OnPaper[T]):
    """What can be said without a node of a thing that decides what the nodes' files say."""

    @pytest.fixture
    def clusters(self, plugins: Plugins, named: str) -> dict[str, Cluster]:
        """The examples that the thing serves, by name."""
        return served(plugins, self.changes(named))

    def test_the_same_description_gives_the_same_nodes(
        self, clusters: Mapping[str, Cluster], plugins: Plugins
    ) -> None:
        """A second run changes nothing only then."""
        for name, cluster in clusters.items():
            assert desire(cluster, plugins, {}) == desire(cluster, plugins, {}), name

    def test_kernel_settings_are_names_and_values(self, thing: T) -> None:
        """They become lines of a file that sysctl(8) reads."""
        settings: Mapping[Any, Any] = getattr(thing, "sysctls", {})
        for key, value in settings.items():
            assert re.fullmatch(r"[a-z]\w*(\.[\w/-]+)+", key), key
            assert isinstance(value, str), f"{key}: write {str(value)!r}, a string"
            assert value == " ".join(value.split()), f"{key}: the kernel shows it otherwise"

    def test_keepalived_accepts_what_is_made_of_it(
        self, clusters: Mapping[str, Cluster], plugins: Plugins, keepalived: Namespace
    ) -> None:
        """In silence: keepalived only mutters about a word that it does not know."""
        for name, cluster in clusters.items():
            for node in desire(cluster, plugins, {}).values():
                assert keepalived.judge(node.config.content) == (0, ""), (name, node.name)


class OnNodes(Suite[T]):
    """What only real nodes can say. Whatever asks for `deployed` is marked `lab`."""

    @pytest.fixture
    def deployed(self, site: Site, named: str) -> Iterator[Site]:
        """A healthy cluster on real nodes that uses the thing, whatever a test before has done."""
        with site.well(self.in_words(named)):
            yield site

    def in_words(self, named: str) -> str:
        """Return what its description says, as `Site` wants it.

        The profile is `calm`: three nodes that share a small machine stall for longer than `fast`.
        """
        changes = {"detection": "calm", **self.changes(named)}
        return ", ".join(f"{key}={value!r}" for key, value in changes.items())
