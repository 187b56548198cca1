"""A look at the cluster as JSON: the same that a person sees, for a machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from selfbalance.desired import DesiredNode
from selfbalance.gates import View
from selfbalance.model.standing import Standing
from selfbalance.observed import NodeState, SeenInstance, SeenService, Unobserved
from selfbalance.plugins import Verdict

FORMAT = 1


def as_json(view: View, verdicts: Mapping[str, Verdict]) -> str:
    """Return what `status.py` shows as JSON text."""
    return json.dumps(
        {
            "format": FORMAT,
            "cluster": view.cluster.name,
            "healthy": all(verdict.good for verdict in verdicts.values()),
            "vips": [str(vip) for vip in view.vips],
            "checks": {
                name: {
                    "ok": verdict.good,
                    "seen": verdict.seen,
                    "problems": [vars(problem) for problem in verdict.problems],
                    "notes": [vars(note) for note in verdict.notes],
                }
                for name, verdict in verdicts.items()
            },
            "nodes": [node_row(view, node) for node in view.state.nodes],
        },
        indent=2,
    )


def node_row(view: View, node: NodeState | Unobserved) -> dict[str, object]:
    """Return what the table of nodes shows of one node; None where it is not known."""
    if isinstance(node, Unobserved):
        return {"node": node.name, "observed": False, "reason": node.reason}
    want = view.desired[node.name]
    first = node.instances[0] if node.instances else None
    sessions = [s for s in (_sessions(view, node.name)) if s is not None]
    return {
        "node": node.name,
        "observed": True,
        "role": first.role.value if first else None if want.director else "realserver",
        "vips": [str(vip) for vip in view.vips if node.holds(vip, want.interface)],
        "priority": first.effective_priority if first else None,
        "standing": _standing(want, node),
        "instances": [_instance_row(view, node, each) for each in node.instances],
        "weight": _weight(view, node.name),
        "drained": node.name in view.drained(),
        "sessions": sum(sessions) if sessions else None,
        "keepalived": node.packages.get("keepalived"),
        "kernel": node.kernel,
    }


def _instance_row(view: View, node: NodeState, seen: SeenInstance) -> dict[str, object]:
    """Return a node's part in one VRRP instance, its standing by keepalived's own priorities."""
    described = next((each for each in view.cluster.instances if each.name == seen.name), None)
    demotion, itself = seen.base_priority - seen.effective_priority, view.cluster.node(node.name)
    standings = {view.cluster.demotion_of(itself, each, described): each.value for each in Standing}
    return {
        "name": seen.name,
        "role": seen.role.value,
        "priority": seen.effective_priority,
        "standing": standings.get(demotion),
    }


def _standing(want: DesiredNode, node: NodeState) -> str | None:
    standing = want.standings.get(node.demotion) if node.demotion is not None else None
    return standing.value if standing else None


def _weight(view: View, name: str) -> int | None:
    """The node's smallest weight in the director's table."""
    weights = [weight for weight, _ in _rows(view, name)]
    return min(weights) if weights else None


def _sessions(view: View, name: str) -> list[int]:
    """Running sessions that the director counts for the node, one figure a service."""
    return [sessions for _, sessions in _rows(view, name)]


def _rows(view: View, name: str) -> list[tuple[int, int]]:
    node = view.cluster.node(name)
    own = {node.address, node.address6}
    return [
        (real.weight, real.active_connections)
        for service in _directed(view)
        for real in service.realservers
        if real.address in own
    ]


def _directed(view: View) -> Iterator[SeenService]:
    """Yield every service as its VIP's director has it; none where that is not one node."""
    for instance in view.cluster.instances:
        masters = view.masters_of(instance)
        if len(masters) == 1:
            wanted = view.desired[masters[0].name].services
            keys = {each.key for each in wanted if each.vip in instance.vips}
            yield from (each for each in masters[0].table if each.key in keys)
