"""Gate `kernel`: modules are loaded and sysctls have the values that the design stands on."""

from __future__ import annotations

from selfbalance.gates.view import View
from selfbalance.plugins import Problem, Verdict


def kernel(view: View) -> Verdict:
    """Compare each module and each sysctl with what is desired."""
    problems = []
    names: set[str] = set()
    for want, seen in view.pairs():
        for module in want.modules:
            if module not in seen.modules:
                problems.append(
                    Problem(f"{seen.name}: module {module} is not loaded", seen.name, _REMEDY)
                )
        for name, value in want.sysctls.items():
            names.add(name.rsplit(".", 1)[1])
            if seen.sysctls.get(name) != value:
                has = seen.sysctls.get(name, "not there")
                problems.append(
                    Problem(
                        f"{seen.name}: {name} is {has}; it should be {value}", seen.name, _REMEDY
                    )
                )
    return Verdict(f"{', '.join(sorted(names))} as described", tuple(problems))


_REMEDY = "put it right: run cluster.py; then find out who changed it"
