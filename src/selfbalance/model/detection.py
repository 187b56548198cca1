"""How fast death is noticed: two profiles of adverts, BFD and service checks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Detection:
    """Timers of one profile.

    A BACKUP takes over three advert intervals and a skew after the last advert (RFC 5798, section
    6.1); a realserver loses its weight `bfd_multiplier` BFD intervals after its last packet (RFC
    5880, section 6.8.4). The service's own check finds a web server that died on a living node.
    """

    advert_interval_s: float
    bfd_interval_ms: int
    bfd_multiplier: int
    check_interval_s: int
    check_timeout_s: int
    check_retries: int

    @property
    def takeover_s(self) -> float:
        """The longest time until somebody takes over from a dead MASTER, in seconds."""
        return 4 * self.advert_interval_s

    @property
    def check_verdict_s(self) -> float:
        """The longest time until a service's own check calls a realserver dead, in seconds.

        keepalived waits a second before it tries again; what it does not know yet counts as alive.
        """
        again_s = self.check_retries * (1 + self.check_timeout_s)
        return self.check_interval_s + self.check_timeout_s + again_s


PROFILES = {
    "fast": Detection(
        advert_interval_s=0.1,
        bfd_interval_ms=100,
        bfd_multiplier=3,
        check_interval_s=1,
        check_timeout_s=1,
        check_retries=1,
    ),
    "calm": Detection(
        advert_interval_s=0.3,
        bfd_interval_ms=300,
        bfd_multiplier=3,
        check_interval_s=3,
        check_timeout_s=2,
        check_retries=2,
    ),
}
