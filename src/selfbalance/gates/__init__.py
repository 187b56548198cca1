"""Room: is the cluster as it should be? Pure: one look in, verdicts out; unknown is a problem."""

from __future__ import annotations

from selfbalance.gates.founding import calmed
from selfbalance.gates.view import Gate, View
from selfbalance.plugins import Plugins, Problem, Verdict

__all__ = ["Gate", "View", "judge"]


def judge(view: View, plugins: Plugins) -> dict[str, Verdict]:
    """Ask every gate. All are asked, and each answers for itself, or not: None is no concern of it.

    One that raises, or answers anything but a verdict, is shut: what was not seen is bad.
    """
    asked = {name: _ask(name, gate, view, plugins) for name, gate in plugins.gates.items()}
    return calmed(view, {name: verdict for name, verdict in asked.items() if verdict is not None})


def _ask(name: str, gate: Gate, view: View, plugins: Plugins) -> Verdict | None:
    try:
        answer: object = gate(view)
    except Exception as error:  # a site's own gate may do anything
        said = " ".join(f"{type(error).__name__}: {error}".split())
    else:
        if answer is None or isinstance(answer, Verdict):
            return answer
        said = f"it answered a {type(answer).__name__}, no Verdict"
    plugin = plugins.gates.plugin_of(name)
    problem = Problem(f"gate '{name}' could not be asked: {said}", None, f"mend plugin {plugin}")
    return Verdict("could not be asked", (problem,))
