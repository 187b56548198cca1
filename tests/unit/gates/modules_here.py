"""A plugin with a gate of its own, as a site writes it."""

from __future__ import annotations

from types import ModuleType

from selfbalance.plugins import Problem, Verdict, hook

never = ModuleType("never")


@hook
def register_gates(register):
    """Register `never`."""
    register("never", lambda view: Verdict("seen", (Problem("not today"),)))


never.register_gates = register_gates
