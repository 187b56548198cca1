"""A described cluster with its plugins and what they make of it: what one run works with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

from selfbalance.desired import DesiredNode, depends_on_facts, desire
from selfbalance.errors import DescriptionError, ObservationError
from selfbalance.gates import builtin as built_in_gates
from selfbalance.loading import plugins_from_outside
from selfbalance.model import Cluster, Secret, from_toml
from selfbalance.observed import ClusterState, facts_of
from selfbalance.plugins import Plugins
from selfbalance.secrets import resolve


@dataclass(frozen=True)
class Deployment:
    """Everything about one cluster that a run needs. Holds secrets: never print it.

    `desired` follows from the description; what follows from facts too is there once `informed`.
    """

    cluster: Cluster
    plugins: Plugins = field(repr=False)
    secrets: Mapping[Secret, str] = field(repr=False)
    desired: Mapping[str, DesiredNode] = field(repr=False)

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

    def to_json(self) -> object:
        """Serialise for pyinfra's `debug-inventory`: the description, no secret."""
        return self.cluster.to_json()


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
    loaded = Plugins((*plugins, *plugins_from_outside(base), built_in_gates))
    loaded.check(cluster, place)
    secrets = resolve(cluster, place, base)
    return Deployment(cluster, loaded, secrets, desire(cluster, loaded, secrets))


def _read(path: Path) -> Cluster:
    try:
        return from_toml(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise DescriptionError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DescriptionError(f"{path}: is not UTF-8 text, so it is no TOML") from None
