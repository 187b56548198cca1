"""Room: is the cluster as it should be? Pure: one look in, verdicts out; unknown is a problem."""

from __future__ import annotations

from selfbalance.gates.view import Gate, View
from selfbalance.plugins import Plugins, Verdict

__all__ = ["Gate", "View", "judge"]


def judge(view: View, plugins: Plugins) -> dict[str, Verdict]:
    """Ask every gate. All are asked, and each answers for itself."""
    return {name: gate(view) for name, gate in plugins.gates.items()}
