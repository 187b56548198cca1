"""Gate `kernel`: modules are loaded and sysctls have the values that the design stands on."""

from __future__ import annotations

from collections.abc import Iterator

from selfbalance.desired import DesiredNode
from selfbalance.gates.view import View
from selfbalance.observed import NodeState
from selfbalance.plugins import Problem, Verdict


def kernel(view: View) -> Verdict:
    """Compare modules, sysctls, held resets and firewall marks with what is desired."""
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
            problems += _segments(want, seen)
    want = next(iter(view.desired.values()))
    return Verdict(
        f"{len(want.modules)} modules and {len(want.sysctls)} sysctls as described{_by(view)}",
        tuple(problems),
    )


def _marks(want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    """Yield how a node marks otherwise than it should: balanced twice, or never."""
    if not want.marks or "marks" in seen.unknown:
        return
    if seen.marks.services != want.marked:
        yield Problem(
            f"{seen.name}: what comes from clients is not marked as it should be: new ones are "
            f"served by {seen.name} itself, where it is MASTER",
            seen.name,
            _REMEDY,
        )
    elif want.peers.keys() == want.peer_macs.keys():
        yield from _peers(want, seen)


def _peers(want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    strangers = set(seen.marks.peers) - set(want.peer_macs.values())
    for peer, mac in want.peer_macs.items():
        if seen.marks.peers.get(mac) != frozenset(want.marked):
            former = seen.recorded[peer].mac if peer in seen.recorded else ""
            strangers.discard(former)
            known = f", not {former}" if former not in ("", mac) else ""
            yield Problem(
                f"{seen.name} takes {peer} for a client: it does not know that its MAC is {mac}"
                f"{known}; what {peer} sends it is balanced again",
                seen.name,
                _REMEDY,
            )
    for mac in sorted(strangers):
        yield Problem(
            f"{seen.name} takes {mac} for a node of the cluster, which has no such MAC",
            seen.name,
            _REMEDY,
        )


def _by(view: View) -> str:
    """Say what marks, as far as somebody does."""
    tools = sorted({seen.marks.tool for want, seen in view.pairs() if want.marks} - {""})
    return f", clients marked by {' and '.join(tools)}" if tools else ""


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
