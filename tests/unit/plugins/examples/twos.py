"""A plugin as a site writes one: a scheduler that gives each realserver its own weight."""

from selfbalance.plugins import Problem, Scheduler, Verdict, hook

WEIGHTS = {"web1": 2}


@hook
def register_schedulers(register):
    """Register `twos`."""
    register(
        "twos",
        Scheduler(
            kernel="wrr",
            description="two for web1",
            sysctls={"net.ipv4.vs.twos": "2"},
            weigh=lambda node: WEIGHTS.get(node.name, 1),
        ),
    )


@hook
def register_gates(register):
    """Register `never`."""
    register("never", lambda view: Verdict("seen", (Problem("not today"),)))
