"""Gate `realservers`: each holds the VIPs on lo, has weight, and answers for them itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from selfbalance.desired import DesiredNode, places
from selfbalance.gates.view import View
from selfbalance.model.words import IPAddress
from selfbalance.observed import NodeState, SeenService
from selfbalance.plugins import Problem, Verdict


def realservers(view: View) -> Verdict:
    """Every node can serve this second, seen from its own addresses and from the MASTER."""
    problems: list[Problem] = []
    for want, seen in view.pairs():
        problems += _vips_on_lo(want, seen)
        problems += _unwraps(want, seen)
        problems += _listening(want, seen)
    problems += _weights(view)
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


def _unwraps(want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    if "links" in seen.unknown:
        return
    for interface in want.unwrapping:
        if interface not in seen.up:
            yield Problem(
                f"{seen.name}: {interface} is not up: what the MASTER sends here is dropped",
                seen.name,
                f"on {seen.name}: systemctl restart selfbalance-vip",
            )


def _weights(view: View) -> Iterator[Problem]:
    """A weight of 0 is a realserver that a check found dead; say once who found it so."""
    finders: dict[tuple[str, str], list[str]] = defaultdict(list)
    for seen in view.state.seen:
        for service in seen.table:
            for real in service.realservers:
                if real.weight == 0:
                    key = (_owner(view, real.address), _endpoint(view, service))
                    finders[key].append(seen.name)
    for (owner, endpoint), found_by in finders.items():
        yield Problem(
            f"{owner} has weight 0 for {endpoint} on {' and '.join(found_by)}: its check fails",
            owner if owner in view.desired else None,
            f"from {found_by[0]}: try its port, and see whether its keepalived runs (BFD)",
        )


def _owner(view: View, address: IPAddress) -> str:
    owners = (n.name for n in view.cluster.nodes if address in (n.address, n.address6))
    return next(owners, str(address))


def _endpoint(view: View, service: SeenService) -> str:
    """Return what clients connect to, also for a service that the kernel knows by its mark."""
    wanted = (each for want in view.desired.values() for each in want.services)
    described = next((each for each in wanted if each.key == service.key), None)
    return f"{described.vip}:{described.port}" if described else service.endpoint


def _listening(want: DesiredNode, seen: NodeState) -> Iterator[Problem]:
    if "listening" in seen.unknown:
        return
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
    """Check, on the owner of a VIP, that each peer answered for it, a near one from its own MAC."""
    if "claims" in seen.unknown:
        return
    for service in want.services:
        if view.holders(service.vip) != (seen,):
            continue
        for peer in dict.fromkeys((*want.peers, *want.tunnelled)):
            mac = seen.answers.get((service.vip, service.port, peer))
            if mac is None:
                yield Problem(
                    f"{peer} does not answer for {service.vip}:{service.port} "
                    f"what {seen.name} sends it",
                    peer,
                    f"on {peer}: ip addr show dev {want.vip_interface}; ss -ltn",
                )
            elif peer in want.peers and mac != seen.peer_macs.get(peer):
                yield Problem(
                    f"{peer} sent a connection for {service.vip}:{service.port} on to {mac}: "
                    f"it balances again what {seen.name} has balanced",
                    peer,
                    f"on {peer}: {_STANDBY[want.marks]}",
                )


_STANDBY = {
    False: "sysctl net.ipv4.vs.backup_only; ipvsadm --list --daemon",
    True: f"{places.MARKS} show; ip link",
}
"""Where to look if a node balances what it should serve: does it mark clients?"""
