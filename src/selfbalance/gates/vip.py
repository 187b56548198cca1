"""Gate `vip`: exactly one node owns every VIP, by address, by ARP and by keepalived's own word."""

from __future__ import annotations

from collections.abc import Iterator

from selfbalance.gates.view import View, names
from selfbalance.model.words import IPAddress
from selfbalance.observed import NodeState, Role
from selfbalance.plugins import Problem, Verdict


def vip(view: View) -> Verdict:
    """One owner for all VIPs, and all who can be asked agree who it is."""
    problems = [*_roles(view)]
    for address in view.vips:
        problems += _by_address(view, address)
        problems += _by_arp(view, address)
    owner = names(view.masters)
    listed = " ".join(map(str, view.vips))
    return Verdict(f"{listed} owner {owner} (by address, by ARP, by keepalived)", tuple(problems))


def _roles(view: View) -> Iterator[Problem]:
    if len(view.masters) != 1:
        yield Problem(
            f"keepalived is MASTER on {names(view.masters)}{_unasked(view, 'keepalived')}; "
            "it should be on exactly one node",
            remedy="look at VRRP between the nodes: tcpdump -ni INTERFACE ip proto 112",
        )
    for want, seen in view.pairs():
        if seen.role is Role.FAULT or (seen.role is Role.INIT):
            yield Problem(
                f"{seen.name}: keepalived is in {seen.role.value}",
                seen.name,
                f"on {seen.name}: journalctl -u keepalived -n 50",
            )
        elif (
            want.director
            and seen.role is None
            and seen.keepalived_active
            and "keepalived" not in seen.unknown
        ):
            yield Problem(
                f"{seen.name}: keepalived runs but has no VRRP instance",
                seen.name,
                f"on {seen.name}: systemctl restart keepalived",
            )


def _unasked(view: View, section: str) -> str:
    unasked = " and ".join(view.unasked(section))
    return f" ({unasked} could not be asked)" if unasked else ""


def _by_address(view: View, address: IPAddress) -> Iterator[Problem]:
    """Compare who holds the address with keepalived's MASTER, where `_roles` found one."""
    holders = view.holders(address)
    one_master = len(view.masters) == 1
    if len(holders) > 1:
        yield Problem(
            f"{address} is on the network interface of {names(holders)}; one may hold it",
            remedy="on the one that is not MASTER: systemctl restart keepalived",
        )
    elif not holders and (one_master or not view.unasked("addresses")):
        yield Problem(
            f"{address} is on no node's network interface{_unasked(view, 'addresses')}: "
            "nobody answers for it",
            remedy="journalctl -u keepalived on every node; then run cluster.py",
        )
    elif holders and one_master and holders != view.masters:
        yield Problem(
            f"{address} is on {names(holders)}, but keepalived is MASTER on {names(view.masters)}",
            remedy=f"on {names(holders)}: systemctl restart keepalived",
        )


def _by_arp(view: View, address: IPAddress) -> Iterator[Problem]:
    """Compare who answered on the network with who holds the address (RFC 5227; RFC 4861)."""
    holders = view.holders(address)
    own = {view.mac_of(holder.name) for holder in holders}
    unasked = {view.mac_of(name) for name in view.unasked("addresses")}
    for want, seen in view.pairs():
        if not want.director:
            continue  # It may be on a network where nobody asks for the VIP.
        claims = seen.claims.get(address, frozenset())
        if len(holders) == 1:
            as_expected = claims == (set() if seen in holders else own)
        else:
            # That none or many hold it is told already; what somebody else answers is not.
            as_expected = claims <= own | unasked
        if as_expected or "claims" in seen.unknown:
            continue
        answered = ", ".join(_whose(view, mac) for mac in sorted(claims)) or "nobody"
        yield Problem(
            f"{seen.name} asked the network who has {address}: {answered} answered; "
            f"{_expected(seen, holders)}",
            seen.name,
            "a node or machine that should be silent answers: compare `ip addr` on every node",
        )


def _expected(seen: NodeState, holders: tuple[NodeState, ...]) -> str:
    if seen in holders:
        return "nobody else should, as it holds the address itself"
    return f"only {names(holders)} should" if holders else "nobody should"


def _whose(view: View, mac: str) -> str:
    owners = (name for name in view.desired if view.mac_of(name) == mac)
    return f"{next(owners, 'unknown')} ({mac})"
