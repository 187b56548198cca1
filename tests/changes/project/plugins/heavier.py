"""Scheduler `mh-heavier`: as `mh`, but web1 gets three times its share."""

from dataclasses import replace

from selfbalance.plugins import hook
from selfbalance.plugins.builtin.kernel_schedulers import SCHEDULERS


def _weigh(node):
    return 3 if node.name == "web1" else 1


@hook
def register_schedulers(register):
    """Register `mh-heavier`."""
    register("mh-heavier", replace(SCHEDULERS["mh"], weigh=_weigh))
