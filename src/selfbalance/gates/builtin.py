"""The built-in gates: they enter by the same door as everybody, in the order that status shows."""

from __future__ import annotations

from selfbalance.gates.director import director
from selfbalance.gates.drift import drift
from selfbalance.gates.founding import founding
from selfbalance.gates.kernel import kernel
from selfbalance.gates.nodes import nodes
from selfbalance.gates.realservers import realservers
from selfbalance.gates.view import Gate
from selfbalance.gates.vip import vip
from selfbalance.gates.volumes import volumes
from selfbalance.plugins import hook
from selfbalance.plugins.spec import Register


@hook
def register_gates(register: Register[Gate]) -> None:
    """Register the gates that every cluster has."""
    for gate in (nodes, founding, vip, director, realservers, volumes, kernel, drift):
        register(gate.__name__, gate)
