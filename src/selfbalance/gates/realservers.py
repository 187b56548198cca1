"""Gate `realservers`: each holds the VIPs on lo, has weight, and answers for them itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from selfbalance.desired import DesiredNode, places
from selfbalance.gates.view import View, names
from selfbalance.model.words import IPAddress
from selfbalance.observed import NodeState
from selfbalance.plugins import Problem, Verdict


def realservers(view: View) -> Verdict:
    """Every node can serve this second, seen from its own addresses and from the MASTER."""
    problems: list[Problem] = []
    for want, seen in view.pairs():
        problems += _vips_on_lo(want, seen)
        problems += _unwraps(want, seen)
        problems += _listening(want, seen)
    problems += _weights(view)
    problems += _drains(view)
    problems += _answers(view)
    drained = view.drained()
    serving = " ".join(seen.name for seen in view.state.seen if seen.name not in drained)
    words = f"{serving or 'none'} answer through the VIP"
    if drained:
        words += f", {' '.join(drained)} drained"
    return Verdict(words, tuple(problems), tuple(_notes(view)))


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
    """A weight of 0 is a realserver that a check found dead; say once who found it so.

    What only nodes find that are pending themselves is theirs. Where a realserver is pending, and
    so serves by what is well known, the check is new: the problem is that of the node which checks.
    """
    finders: dict[tuple[str, str], list[str]] = defaultdict(list)
    for seen in view.state.seen:
        for service in seen.table:
            for real in service.realservers:
                owner = _owner(view, real.address)
                if real.weight == 0 and owner not in seen.drained:
                    finders[owner, view.endpoint_of(service)].append(seen.name)
    for (owner, endpoint), found_by in finders.items():
        yield Problem(
            f"{owner} has weight 0 for {endpoint} on {' and '.join(found_by)}: its check fails",
            _whose(view, owner, found_by),
            f"from {found_by[0]}: try its port, and see whether its keepalived runs (BFD)",
        )


def _whose(view: View, owner: str, found_by: list[str]) -> str | None:
    running = {seen.name for seen in view.state.seen if seen.keepalived_active}
    changed = [name for name in found_by if name not in view.pending]
    if not changed:
        return found_by[0]
    if owner in view.pending & running:
        return changed[0]
    return owner if owner in view.desired else None


def _drains(view: View) -> Iterator[Problem]:
    """Every director has been told of a drain, and every keepalived has taken it."""
    directors = [s for want, s in view.pairs() if want.director and "drained" not in s.unknown]
    for name, told in view.drained().items():
        untold = tuple(seen for seen in directors if seen not in told)
        if untold:
            yield Problem(
                f"{name} is drained on {names(told)}, but not on {names(untold)}",
                name,
                f"decide: drain.py or undrain.py, --data node={name}",
            )
        late = [s for s in told if s.keepalived_active and any(view.weights_of(name, s))]
        for seen in late:
            yield Problem(
                f"{name} is drained, but has weight on {seen.name}: "
                "keepalived there has not taken it",
                seen.name,
                f"on {seen.name}: journalctl -u keepalived -n 50",
            )


def _notes(view: View) -> Iterator[Problem]:
    """Say who drained what: an operator that comes by should not have to wonder."""
    for name, told in view.drained().items():
        drain = told[0].drained[name]
        since = "" if drain.since is None else f" for {_lasting(told[0].clock - drain.since)}"
        yield Problem(
            f"{name} has been drained{since} by {drain.by}",
            name,
            f"put it back: undrain.py --data node={name}",
        )
    for want, seen in view.pairs():
        if strays := sorted(map(str, seen.held_resets - {*want.vips})):
            yield Problem(
                f"{seen.name} still takes {' '.join(strays)}, not described any more",
                seen.name,
                "take it away: run cluster.py",
            )


def _lasting(seconds: int) -> str:
    """Return a time as a person says it: "40 s", "41 min", "5 h", "3 d"."""
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds // unit} {name}"
    return f"{max(0, seconds)} s"


def _owner(view: View, address: IPAddress) -> str:
    owners = (n.name for n in view.cluster.nodes if address in (n.address, n.address6))
    return next(owners, str(address))


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


def _answers(view: View) -> Iterator[Problem]:
    """Check, on the owner of a VIP, that each peer answered for it, a near one from its own MAC."""
    for seen, service, peer in view.asked():
        want = view.desired[seen.name]
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
