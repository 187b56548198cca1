"""Scheduler `capacity`: weighted round robin, by the cores and the memory that nodes have.

services=[Service(name="http", port=80, scheduler="capacity")]
"""

from selfbalance.plugins import Scheduler, hook

GIB = 2**30


def by_capacity(node, facts):
    """One for each core, but no more than one for each GiB of memory, rounded."""
    return max(1, min(facts.cores, round(facts.memory_bytes / GIB)))


@hook
def register_schedulers(register):
    """Register `capacity`."""
    register(
        "capacity",
        Scheduler("wrr", "wrr, by cores and memory as observed", weigh_observed=by_capacity),
    )
