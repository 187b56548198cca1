"""Gate `vip`: exactly one node owns every VIP, by address, by ARP and by keepalived's own word."""

from __future__ import annotations

from collections.abc import Iterator

from selfbalance.gates.view import View, names
from selfbalance.model import VrrpInstance
from selfbalance.model.words import IPAddress
from selfbalance.observed import NodeState, Role
from selfbalance.plugins import Problem, Verdict


def vip(view: View) -> Verdict:
    """One owner for the VIPs of an instance, and all who can be asked agree who it is."""
    problems = [*_alive(view)]
    for instance in view.cluster.instances:
        problems += _roles(view, instance)
        for address in instance.vips:
            problems += _by_address(view, address, view.masters_of(instance))
            problems += _by_arp(view, address)
    owners = ", ".join(
        f"{' '.join(map(str, instance.vips))} owner {names(view.masters_of(instance))}"
        for instance in view.cluster.instances
    )
    old = any(seen.founding for seen in view.state.seen)
    how = "by address, by ARP" if old else "by address, by ARP, by keepalived"
    return Verdict(f"{owners} ({how})", tuple(problems))


def _roles(view: View, instance: VrrpInstance) -> Iterator[Problem]:
    masters = view.masters_of(instance)
    if len(masters) != 1:
        where = f" in VRRP instance {instance.name}" if len(view.cluster.instances) > 1 else ""
        yield Problem(
            f"keepalived is MASTER on {names(masters)}{where}{_unasked(view, 'keepalived')}; "
            "it should be on exactly one node",
            remedy="look at VRRP between the nodes: tcpdump -ni INTERFACE ip proto 112",
        )


def _alive(view: View) -> Iterator[Problem]:
    for want, seen in view.pairs():
        for role in dict.fromkeys(each.role for each in seen.instances):
            if role in (Role.FAULT, Role.INIT):
                yield Problem(
                    f"{seen.name}: keepalived is in {role.value}",
                    seen.name,
                    f"on {seen.name}: journalctl -u keepalived -n 50",
                )
        missing = [i.name for i in view.cluster.instances if seen.role_in(i.name) is None]
        asked = seen.keepalived_active and "keepalived" not in seen.unknown
        if want.director and missing and asked:
            yield Problem(
                f"{seen.name}: keepalived runs but has no VRRP instance {' nor '.join(missing)}",
                seen.name,
                f"on {seen.name}: systemctl restart keepalived",
            )


def _unasked(view: View, section: str) -> str:
    unasked = " and ".join(view.unasked(section))
    return f" ({unasked} could not be asked)" if unasked else ""


def _by_address(
    view: View, address: IPAddress, masters: tuple[NodeState, ...]
) -> Iterator[Problem]:
    """Compare who holds the address with keepalived's MASTER, where `_roles` found one.

    A MASTER that is pending may not know yet that the address is its own.
    """
    holders = view.holders(address)
    one_master = len(masters) == 1
    if not holders and one_master and masters[0].name in view.pending:
        return
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
    elif holders and one_master and holders != masters:
        yield Problem(
            f"{address} is on {names(holders)}, but keepalived is MASTER on {names(masters)}",
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
