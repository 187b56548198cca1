"""Gate `kernel`: modules are loaded and sysctls have the values that the design stands on."""

from __future__ import annotations

from selfbalance.gates.view import View
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
    want = next(iter(view.desired.values()))
    return Verdict(
        f"{len(want.modules)} modules and {len(want.sysctls)} sysctls as described",
        tuple(problems),
    )


_REMEDY = "put it right: run cluster.py; then find out who changed it"
