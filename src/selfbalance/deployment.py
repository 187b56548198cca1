"""A described cluster with its plugins and what they make of it: what one run works with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

from selfbalance import snapshots
from selfbalance.desired import DesiredNode, depends_on_facts, desire
from selfbalance.errors import DescriptionError, ObservationError
from selfbalance.gates import builtin as built_in_gates
from selfbalance.loading import home_of, plugins_from_outside
from selfbalance.model import Cluster, Secret, from_json, from_toml
from selfbalance.observed import ClusterState, facts_of
from selfbalance.plugins import Plugins
from selfbalance.secrets import resolve


@dataclass(frozen=True)
class Deployment:
    """Everything about one cluster that a run needs. Holds secrets: never print it.

    `desired` follows from the description; what follows from facts too is there once `informed`.

    `base` is the folder that relative paths start from, the inventory's.
    """

    base: Path
    cluster: Cluster
    plugins: Plugins = field(repr=False)
    secrets: Mapping[Secret, str] = field(repr=False)
    desired: Mapping[str, DesiredNode] = field(repr=False)

    @property
    def home(self) -> Path:
        """The folder that holds inventories/."""
        return home_of(self.base)

    def informed(self, state: ClusterState) -> Deployment:
        """Return the deployment that takes into account what was observed.

        Raises `ObservationError` for a node of which nothing is known, neither from a look at it
        nor from the others' records, and `PluginError` for a plugin that cannot weigh a node.
        """
        if not depends_on_facts(self.cluster, self.plugins):
            return self
        facts = facts_of(state)
        unknown = [node.name for node in self.cluster.nodes if node.name not in facts]
        if unknown:
            raise ObservationError(
                f"what every node should have follows from facts of {' and '.join(unknown)}, which "
                "could not be seen; the others have no record of them, or differing ones; "
                f"try: ssh {unknown[0]}"
            )
        ordered = {node.name: facts[node.name] for node in self.cluster.nodes}
        return replace(self, desired=desire(self.cluster, self.plugins, self.secrets, ordered))

    def as_described_by(self, text: str) -> Deployment:
        """Return the same with an earlier description, as `desired` wrote it on a node.

        Plugins and secrets are today's. Raises `DescriptionError` or `PluginError` where it cannot
        be read, or needs what is not there any more.
        """
        place = "the description before"
        cluster = from_json(text, place)
        self.plugins.check(cluster, place)
        secrets = resolve(cluster, place, self.base)
        wanted = desire(cluster, self.plugins, secrets)
        return replace(self, cluster=cluster, secrets=secrets, desired=wanted)

    def to_json(self) -> object:
        """Serialise for pyinfra's `debug-inventory`: the description, no secret."""
        return self.cluster.to_json()


def every_plugin(modules: Iterable[ModuleType] = ()) -> Plugins:
    """Return these modules' things and all that is built in, of whatever room.

    Raises `PluginError`.
    """
    return Plugins((*modules, built_in_gates, snapshots))


def deployment(
    description: Cluster | Path, place: str, base: Path, plugins: Iterable[ModuleType] = ()
) -> Deployment:
    """Validate a description and work out what each node must have.

    Nothing is contacted. Raises `DescriptionError` or `PluginError`, one line each; `place` names
    the description in it, `base` is the folder that relative paths start from, and the inventory's;
    `plugins` come before those of the drop-in folder and of packages.
    """
    cluster = description if isinstance(description, Cluster) else _read(base / description)
    if isinstance(description, Path):
        place = str(description)
    loaded = every_plugin((*plugins, *plugins_from_outside(base)))
    loaded.check(cluster, place)
    secrets = resolve(cluster, place, base)
    return Deployment(base, cluster, loaded, secrets, desire(cluster, loaded, secrets))


def _read(path: Path) -> Cluster:
    try:
        return from_toml(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise DescriptionError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DescriptionError(f"{path}: is not UTF-8 text, so it is no TOML") from None
