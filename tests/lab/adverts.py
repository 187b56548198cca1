"""Sends VRRPv3 adverts from the lab's client, as a neighbour with a higher priority would.

Run there: python adverts.py TARGET VIP VRID INTERVAL_S FIRST ROUNDS. Each round is one advert,
which makes the target BACKUP, then one more as late as the target waits before it takes over, a
little later in each round: sooner or later one arrives in the very moment in which it becomes
MASTER. FIRST is the number of the first round.
"""

from __future__ import annotations

import socket
import struct
import sys
import time

_VRRP, _TTL, _PRIORITY = 112, 255, 254


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def advert(
    source: str, target: str, vip: str, vrid: int, interval_s: float, priority: int = _PRIORITY
) -> bytes:
    """RFC 5798, section 5.2, with the pseudo-header's checksum of section 5.2.8."""
    body = struct.pack("!BBBBH", 0x31, vrid, priority, 1, round(interval_s * 100))
    whole = body + b"\0\0" + socket.inet_aton(vip)
    pseudo = socket.inet_aton(source) + socket.inet_aton(target)
    pseudo += struct.pack("!BBH", 0, _VRRP, len(whole))
    return body + struct.pack("!H", checksum(pseudo + whole)) + socket.inet_aton(vip)


def wire_to(target: str) -> socket.socket:
    """Open what adverts go out by."""
    wire = socket.socket(socket.AF_INET, socket.SOCK_RAW, _VRRP)
    wire.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _TTL)
    wire.connect((target, 0))
    return wire


def main() -> None:
    target, vip, vrid, interval_s, first, rounds = sys.argv[1:]
    interval = float(interval_s)
    wire = wire_to(target)
    packet = advert(wire.getsockname()[0], target, vip, int(vrid), interval)
    for number in range(int(first), int(first) + int(rounds)):
        wire.send(packet)
        # Three intervals and a skew of up to one more; sweep what lies behind it in steps of 4 ms.
        time.sleep(3 * interval + 0.004 * (number % 50))
        wire.send(packet)
        time.sleep(0.5)


if __name__ == "__main__":
    main()
