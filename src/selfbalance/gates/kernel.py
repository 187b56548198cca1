"""Gate `kernel`: modules are loaded and sysctls have the values that the design stands on."""

from __future__ import annotations

from collections.abc import Iterator

from selfbalance.desired import DesiredNode
from selfbalance.gates.view import View
from selfbalance.observed import NodeState
from selfbalance.plugins import Problem, Verdict


def kernel(view: View) -> Verdict:
    """Compare each module and each sysctl with what is desired."""
    problems = []
    for want, seen in view.pairs():
        for module in want.modules:
            if module not in seen.modules and "modules" not in seen.unknown:
                problems.append(
                    Problem(f"{seen.name}: module {module} is not loaded", seen.name, _REMEDY)
                )
        for name, value in want.sysctls.items():
            if seen.sysctls.get(name) != value and "sysctls" not in seen.unknown:
                has = seen.sysctls.get(name, "not there")
                problems.append(
                    Problem(
                        f"{seen.name}: {name} is {has}; it should be {value}", seen.name, _REMEDY
                    )
                )
        problems += _marks(want, seen)
        if "resets" not in seen.unknown:
            problems += [
                Problem(f"{seen.name}: resets from {vip} are not held back", seen.name, _REMEDY)
                for vip in want.vips
                if vip not in seen.held_resets
            ]
    want = next(iter(view.desired.values()))
    return Verdict(
        f"{len(want.modules)} modules and {len(want.sysctls)} sysctls as described",
        tuple(problems),
    )


def _marks(want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    """Yield how a node marks otherwise than it should: balanced twice, or never."""
    if not want.marks or "marks" in seen.unknown:
        return
    marks = {each.mark: (each.vip, each.port) for each in want.services if each.mark is not None}
    if dict(seen.marks.services) != marks:
        yield Problem(
            f"{seen.name}: what comes from clients is not marked as it should be",
            seen.name,
            _REMEDY,
        )
        return
    for peer, mac in want.peer_macs.items():
        if seen.marks.peers.get(mac) != marks.keys():
            yield Problem(
                f"{seen.name} takes {peer} for a client: it does not know its MAC {mac}; "
                f"what {peer} sends it is balanced again",
                seen.name,
                _REMEDY,
            )
    for mac in sorted(seen.marks.peers.keys() - set(want.peer_macs.values())):
        yield Problem(
            f"{seen.name} takes {mac} for a node of the cluster, which has no such MAC",
            seen.name,
            _REMEDY,
        )


_REMEDY = "put it right: run cluster.py; then find out who changed it"
