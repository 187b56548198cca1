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
        if "resets" not in seen.unknown:
            problems += [
                Problem(f"{seen.name}: resets from {vip} are not held back", seen.name, _REMEDY)
                for vip in want.vips
                if vip not in seen.held_resets
            ]
            problems += _segments(want, seen)
    want = next(iter(view.desired.values()))
    return Verdict(
        f"{len(want.modules)} modules and {len(want.sysctls)} sysctls as described",
        tuple(problems),
    )


def _segments(want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    """Check what clients are told: uploads in larger segments do not fit into the tunnel whole."""
    if "links" in seen.unknown:
        return
    for vip in want.vips:
        size = want.segment(vip, seen.mtu)
        if size != seen.segments.get(vip):
            has = seen.segments.get(vip, "not rewritten")
            yield Problem(
                f"{seen.name}: the segment size for clients of {vip} is {has}; it should be {size}",
                seen.name,
                f"on {seen.name}: systemctl restart selfbalance-vip",
            )


_REMEDY = "put it right: run cluster.py; then find out who changed it"
