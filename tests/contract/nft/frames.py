"""Sends TCP SYNs as raw frames: python frames.py INTERFACE MAC_TO (MAC_FROM ADDRESS_TO PORT)...

Checksums count for nothing: what looks at a packet before its socket does not verify them.
"""

import socket
import struct
import sys

interface, mac_to, *questions = sys.argv[1:]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind((interface, 0))


def binary(mac):
    return bytes.fromhex(mac.replace(":", ""))


def packet(to, segment):
    """An IP header for a segment, with a checksum where IPv4 drops packets without one."""
    if ":" in to:
        head = struct.pack("!IHBB", 0x60000000, len(segment), 6, 64)
        addresses = [socket.inet_pton(socket.AF_INET6, a) for a in ("2001:db8:5b::c8", to)]
        return 0x86DD, head + b"".join(addresses)
    addresses = [socket.inet_aton(address) for address in ("192.0.2.200", to)]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, 6, 0)
    total = sum(struct.unpack("!10H", head + b"".join(addresses)))
    checksum = 0xFFFF - ((total & 0xFFFF) + (total >> 16))
    return 0x0800, head[:10] + struct.pack("!H", checksum) + b"".join(addresses)


for mac_from, to, port in zip(questions[::3], questions[1::3], questions[2::3], strict=True):
    segment = struct.pack("!HHIIBBHHH", 40000, int(port), 0, 0, 0x50, 2, 1024, 0, 0)
    kind, head = packet(to, segment)
    wire.send(binary(mac_to) + binary(mac_from) + struct.pack("!H", kind) + head + segment)
