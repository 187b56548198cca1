"""Operation `shared`: the volumes that the nodes share, before any node gets a client for them."""

from __future__ import annotations

import time
from collections.abc import Generator
from functools import partial

from pyinfra.api import FunctionCommand, operation
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host
from pyinfra.context import ctx_host

from selfbalance.deployment import Deployment
from selfbalance.errors import SelfbalanceError
from selfbalance.gates import View
from selfbalance.operations import shell_volumes
from selfbalance.operations.context import at_once, carried_out, do, refusal
from selfbalance.operations.gating import Gates
from selfbalance.operations.locking import Lock
from selfbalance.operations.looking import (
    SIGHTS,
    cluster_hosts,
    deployment_of,
    look_at_all,
    taking_part,
)
from selfbalance.operations.saying import say
from selfbalance.plan import MAKING, VolumeAct, VolumesPlan, VolumeStep, plan_volumes
from selfbalance.plugins import Problem

PACE_S = 2.0
"""How long to wait between two looks at what is being healed, in seconds."""


@operation(_set_in_op=False)
def shared(patience_s: float = 60.0) -> Generator[FunctionCommand, None, None]:
    """Make the described volumes, give them the copies they lack, and mount them.

    What a new copy lacks is healed before this ends: the node gets no client before. Raises
    `OperationError` where a step fails; those before it stay.

    + patience_s: how long a new copy may be something else than healing, in seconds
    """
    host = ctx_host.get()
    work = Sharing(cluster_hosts(host), deployment_of(host), patience_s)
    try:
        plan = work.plan()
    except SelfbalanceError as error:
        yield refusal(f"{error}; no volume was changed")
        return
    if not plan.steps:
        host.noop("the volumes are as described")
        return
    for step in plan.steps:
        say(f"{host.print_prefix}{step.node}: {step.words}")
    yield from carried_out(partial(work.carry_out, plan))


class Sharing:
    """The volumes of one cluster."""

    def __init__(self, hosts: list[Host], ready: Deployment, patience_s: float) -> None:
        self.hosts, self.ready = hosts, ready
        self.gates = Gates(ready, hosts, patience_s)

    def plan(self) -> VolumesPlan:
        """Plan by a look. Raises `VolumeError`."""
        view = View(self.ready.cluster, self.ready.desired, SIGHTS.of_all(self.hosts))
        return plan_volumes(view, taking_part())

    def carry_out(self, plan: VolumesPlan) -> None:
        """Do the steps one after the other; all mounts at once."""
        lock = Lock.of_cluster(self.hosts, harm="no volume was changed")
        with lock.held():
            for step in plan.steps:
                if step.act is not VolumeAct.MOUNT:
                    self._do(step)
            at_once(self._do, (each for each in plan.steps if each.act is VolumeAct.MOUNT))
            if plan.grows:
                self._wait_for_heals()

    def _do(self, step: VolumeStep) -> None:
        host = self._host(step.node)
        try:
            self._make_folders(step)
            do(host, shell_volumes.command(step))
        except OperationError as error:
            raise OperationError(
                f"{step.node}: {step.words}: {error}; the steps before it stay, and the same "
                "command goes on from here"
            ) from None
        finally:
            SIGHTS.forget(host)

    def _make_folders(self, step: VolumeStep) -> None:
        if step.act in {VolumeAct.CREATE, *MAKING}:
            at_once(self._make_folder, [step.subject] if step.subject else _bricks(step))

    def _make_folder(self, brick: str) -> None:
        address, _, folder = brick.partition(":")
        pool = self.ready.desired[self.hosts[0].name].pool
        name = next(name for name, each in pool.items() if each == address)
        do(self._host(name), shell_volumes.make_folder(folder))

    def _wait_for_heals(self) -> None:
        """Wait until every copy is whole: as long as that takes, if nothing else is wrong.

        Raises `OperationError` for what is wrong for longer than patience lasts.
        """
        well_at = time.monotonic()
        while True:
            view, verdicts = self.gates.judged(look_at_all(self.hosts))
            gone = (
                Problem(f"{node.name} could not be observed: {node.reason}", node.name)
                for node in view.state.unobserved
                if node.name in taking_part()
            )
            problems = (*gone, *verdicts["volumes"].problems)
            if not problems:
                return
            say(problems[0].what)
            if all(problem.passes for problem in problems):
                well_at = time.monotonic()
            elif time.monotonic() - well_at >= self.gates.patience_s:
                wrong = next(problem for problem in problems if not problem.passes)
                raise OperationError(
                    f"a new copy does not get whole: {wrong.what}; no node got clients by this "
                    f"run; next: {wrong.remedy or 'look at the cluster: status.py'}"
                )
            time.sleep(PACE_S)

    def _host(self, name: str) -> Host:
        return next(each for each in self.hosts if each.name == name)


def _bricks(step: VolumeStep) -> tuple[str, ...]:
    return step.volume.bricks if step.volume else ()
