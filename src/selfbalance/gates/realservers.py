"""Gate `realservers`: each holds the VIPs on lo, has weight, and answers for them itself."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from selfbalance.desired import DesiredNode
from selfbalance.gates.view import View
from selfbalance.model.words import IPAddress
from selfbalance.observed import NodeState
from selfbalance.plugins import Problem, Verdict


def realservers(view: View) -> Verdict:
    """Every node can serve this second, seen from its own addresses and from the MASTER."""
    problems: list[Problem] = []
    for want, seen in view.pairs():
        problems += _vips_on_lo(want, seen)
        problems += _weights(want, seen)
        problems += _listening(want, seen)
    for want, seen in view.pairs():
        problems += _answers(view, want, seen)
    serving = " ".join(seen.name for seen in view.state.seen)
    return Verdict(f"{serving or 'none'} answer through the VIP", tuple(problems))


def _vips_on_lo(want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    if "addresses" in seen.unknown:
        return
    for vip in want.vips:
        if not seen.holds(vip, want.vip_interface):
            yield Problem(
                f"{seen.name}: {vip} is missing on {want.vip_interface}: "
                "what the MASTER sends here is dropped",
                seen.name,
                f"on {seen.name}: systemctl restart selfbalance-vip",
            )


def _weights(want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    """A weight of 0 is a realserver that a check found dead."""
    for service in seen.table:
        for real in service.realservers:
            if real.weight == 0:
                yield Problem(
                    f"{seen.name} gives {_owner(want, real.address)} weight 0 for "
                    f"{service.vip}:{service.port}: its check fails from there",
                    seen.name,
                    f"try it from {seen.name}: its port {real.port}, and BFD (UDP 3784)",
                )


def _owner(want: DesiredNode, address: IPAddress) -> str:
    return next((name for name, peer in want.peers.items() if peer == address), str(address))


def _listening(want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    for service in want.services:
        if not _listens(seen, service.vip, service.port):
            yield Problem(
                f"{seen.name}: nothing listens on {service.vip} port {service.port}",
                seen.name,
                f"on {seen.name}: start the web server, listening on every address",
            )


def _listens(seen: NodeState, vip: IPAddress, port: int) -> bool:
    any_address: IPAddress = IPv4Address(0) if vip.version == 4 else IPv6Address(0)
    # A socket on [::] takes IPv4 too unless it is v6only, which /proc/net/tcp6 does not show.
    candidates = (
        {vip, any_address, ip_address("::"), ip_address(f"::ffff:{vip}")}
        if (vip.version == 4)
        else {vip, any_address}
    )
    return any((address, port) in seen.listening for address in candidates)


def _answers(view: View, want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    """Check, on the owner of a VIP, that every peer answered for it from its own MAC."""
    if "claims" in seen.unknown:
        return
    for service in want.services:
        if view.holders(service.vip) != (seen,):
            continue
        for peer in want.peers:
            mac = seen.answers.get((service.vip, service.port, peer))
            if mac is None:
                yield Problem(
                    f"{peer} does not answer for {service.vip}:{service.port} "
                    f"what {seen.name} sends it",
                    peer,
                    f"on {peer}: ip addr show dev {want.vip_interface}; ss -ltn",
                )
            elif mac != seen.peer_macs.get(peer):
                yield Problem(
                    f"{peer} sent a connection for {service.vip}:{service.port} on to {mac}: "
                    "it balances although it is BACKUP",
                    peer,
                    f"on {peer}: sysctl net.ipv4.vs.backup_only; ipvsadm --list --daemon",
                )
