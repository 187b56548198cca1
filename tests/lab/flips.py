"""Makes a MASTER BACKUP and MASTER again, some times in a row, from the lab's client.

Run there: python flips.py TARGET VIP VRID INTERVAL_S ROUNDS. Each round is one advert of a higher
priority, on which the target steps back at once, then one of priority 0: its sender stops, so the
target takes over after no more than a skew (RFC 5798, section 6.4.2). A round takes 0.2 s; the
other nodes, which wait for three adverts, hear of none.
"""

from __future__ import annotations

import sys
import time

from adverts import advert, wire_to

target, vip, vrid, interval_s, rounds = sys.argv[1:]
wire = wire_to(target)
own = wire.getsockname()[0]
for _ in range(int(rounds)):
    for priority in (254, 0):
        wire.send(advert(own, target, vip, int(vrid), float(interval_s), priority))
        time.sleep(0.1)
