"""Descriptions that a plugin is tried in: one node and as many as there may be, either family."""

from __future__ import annotations

from collections.abc import Mapping

from selfbalance import Cluster
from selfbalance.errors import DescriptionError
from selfbalance.plugins import Plugins


def _nodes(count: int) -> list[dict[str, str]]:
    return [
        {"name": f"web{n}", "address": f"192.0.2.{n + 10}", "address6": f"2001:db8:5b::{n + 10}"}
        for n in range(1, count + 1)
    ]


_THREE = {
    "name": "web",
    "interface": "eth0",
    "nodes": _nodes(3),
    "vips": [{"address": "192.0.2.10"}],
    "services": [{"name": "http", "port": 80}],
}
EXAMPLES: Mapping[str, Mapping[str, object]] = {
    "three nodes": _THREE,
    "one node": {**_THREE, "nodes": _nodes(1)},
    "sixteen nodes": {**_THREE, "nodes": _nodes(16)},
    "calm": {**_THREE, "detection": "calm"},
    "IPv6": {**_THREE, "vips": [{"address": "2001:db8:5b::10"}]},
    "both families": {
        **_THREE,
        "vips": [{"address": "192.0.2.10"}, {"address": "2001:db8:5b::10"}],
    },
    "a volume": {
        **_THREE,
        "nodes": _nodes(4),
        "volumes": [
            {"name": "shared", "brick": "/data/shared", "mount": "/srv/shared", "replica": 3}
        ],
    },
}


def described(changes: Mapping[str, object]) -> dict[str, Cluster]:
    """Return the examples, changed so, by name, without those that could not work then.

    Raises `DescriptionError`, in the words of the last refusal, where none could.
    """
    found, refusal = dict[str, Cluster](), None
    for name, values in EXAMPLES.items():
        try:
            found[name] = Cluster(**{**values, **changes})
        except DescriptionError as error:
            refusal = error
    return _some(found, refusal)


def served(plugins: Plugins, changes: Mapping[str, object]) -> dict[str, Cluster]:
    """Return those of them that these plugins can serve. Raises `DescriptionError` likewise."""
    found, refusal = dict[str, Cluster](), None
    for name, cluster in described(changes).items():
        try:
            plugins.check(cluster, name)
        except DescriptionError as error:
            refusal = error
        else:
            found[name] = cluster
    return _some(found, refusal)


def _some(found: dict[str, Cluster], refusal: DescriptionError | None) -> dict[str, Cluster]:
    if not found:
        raise DescriptionError(f"no example can be served; the last: {refusal}")
    return found
