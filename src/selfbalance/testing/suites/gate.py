"""What every gate must hold."""

from __future__ import annotations

from typing import ClassVar

import pytest

from selfbalance.gates import Gate, View
from selfbalance.plugins import Plugins, Verdict
from selfbalance.plugins.registry import Registry
from selfbalance.testing.examples import served
from selfbalance.testing.site import Site
from selfbalance.testing.suites.base import OnNodes, OnPaper, Suite
from selfbalance.testing.views import nasty_views


class _Kind(Suite[Gate]):
    def registry(self, plugins: Plugins) -> Registry[Gate]:
        return plugins.gates


class GateOnPaper(_Kind, OnPaper[Gate]):
    """A gate's answers to all that a look at a cluster may be."""

    @pytest.fixture
    def views(self, plugins: Plugins, named: str) -> dict[str, View]:
        """Looks with holes: nodes that did not answer, sections unknown, nothing at all."""
        return {
            f"{example}, {what}": view
            for example, cluster in served(plugins, self.changes(named)).items()
            for what, view in nasty_views(cluster, plugins)
        }

    def test_it_answers_whatever_was_seen(self, thing: Gate, views: dict[str, View]) -> None:
        """One that raises is shut, and says nothing of use to whoever is called at night."""
        for what, view in views.items():
            try:
                verdict: object = thing(view)
            except Exception as error:
                raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
            assert verdict is None or isinstance(verdict, Verdict), what

    def test_it_answers_the_same_twice(self, thing: Gate, views: dict[str, View]) -> None:
        """It is pure: the look is all that it goes by."""
        for what, view in views.items():
            assert thing(view) == thing(view), what

    def test_each_problem_is_one_line_and_names_its_node(
        self, thing: Gate, views: dict[str, View]
    ) -> None:
        """`node` is one of the description's, or None where it concerns all."""
        for what, view in views.items():
            verdict = thing(view)
            if verdict is None:
                continue
            assert "\n" not in verdict.seen, what
            for problem in verdict.problems:
                assert problem.what.strip(), what
                assert "\n" not in problem.what + (problem.remedy or ""), (what, problem)
                assert problem.node in (None, *view.desired), (what, problem)


class GateOnNodes(_Kind, OnNodes[Gate]):
    """A gate asked about real nodes: open on a healthy cluster, shut after harm.

    `harm` is a shell command, done on a BACKUP, that the gate must notice; `mend` undoes what the
    next run of cluster.py does not.
    """

    harm: ClassVar[str]
    mend: ClassVar[str] = "true"

    @pytest.fixture
    def doing(self) -> tuple[str, str]:
        """Return `harm` and `mend`."""
        return self.harm, self.mend

    def test_it_is_open_on_a_healthy_cluster_and_shut_after_harm(
        self, deployed: Site, named: str, doing: tuple[str, str]
    ) -> None:
        """A gate that never opens stops every change, one that never shuts is none."""
        harm, mend = doing
        healthy = deployed.status()["checks"][named]
        assert healthy["ok"], healthy["problems"]
        assert healthy["seen"]
        backup = deployed.backups()[0]
        deployed.lab.run(backup, harm)
        try:
            harmed = deployed.status()["checks"][named]
        finally:
            deployed.lab.run(backup, mend)
        assert not harmed["ok"]


class GateSuite(GateOnPaper, GateOnNodes):
    """All that a gate must hold."""
