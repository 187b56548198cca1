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
            f"keepalived is MASTER on {names(view.masters)}; it should be on exactly one node",
            remedy="look at VRRP between the nodes: tcpdump -ni INTERFACE ip proto 112",
        )
    for seen in view.state.seen:
        if seen.role is Role.FAULT or (seen.role is Role.INIT):
            yield Problem(
                f"{seen.name}: keepalived is in {seen.role.value}",
                seen.name,
                f"on {seen.name}: journalctl -u keepalived -n 50",
            )
        elif seen.role is None and seen.keepalived_active and "keepalived" not in seen.unknown:
            yield Problem(
                f"{seen.name}: keepalived runs but has no VRRP instance",
                seen.name,
                f"on {seen.name}: systemctl restart keepalived",
            )


def _by_address(view: View, address: IPAddress) -> Iterator[Problem]:
    holders = view.holders(address)
    if len(holders) > 1:
        yield Problem(
            f"{address} is on the network interface of {names(holders)}; one may hold it",
            remedy="on the one that is not MASTER: systemctl restart keepalived",
        )
    elif not holders:
        yield Problem(
            f"{address} is on no node's network interface: nobody answers for it",
            remedy="journalctl -u keepalived on every node; then run cluster.py",
        )
    elif holders != view.masters:
        yield Problem(
            f"{address} is on {names(holders)}, but keepalived is MASTER on {names(view.masters)}",
            remedy=f"on {names(holders)}: systemctl restart keepalived",
        )


def _by_arp(view: View, address: IPAddress) -> Iterator[Problem]:
    """Compare who answered on the network with who holds the address (RFC 5227; RFC 4861)."""
    holders = view.holders(address)
    owner = holders[0].mac if len(holders) == 1 else None
    for seen in view.state.seen:
        claims = seen.claims.get(address, frozenset())
        expected = frozenset() if seen in holders else frozenset({owner} if owner else ())
        if claims == expected or "claims" in seen.unknown:
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
    return f"only {names(holders)} should"


def _whose(view: View, mac: str) -> str:
    return next((f"{n.name} ({mac})" for n in view.state.seen if n.mac == mac), f"unknown {mac}")
