"""Forwarding `tun` and `tun-gue`: packets go to realservers wrapped, also to other networks.

The realserver unwraps them and answers the client itself, as with direct routing.
"""

from __future__ import annotations

from dataclasses import replace

from selfbalance.plugins.builtin.dr import DR
from selfbalance.plugins.spec import Register, hook
from selfbalance.plugins.things import ForwardingMethod, Tunnel

GUE_PORT = 6080
"""GUE's own UDP port (draft-ietf-intarea-gue)."""

_GUE_OVERHEAD = 12
"""Bytes of a UDP header and GUE's."""

# The segment size of answers is rewritten by tc-pedit(8); see docs/decisions/0012-tunnels.md.
_PEDIT = ("act_pedit", "act_csum")

TUN = ForwardingMethod(
    lvs_method="TUN",
    ipvsadm="-i --tun-type ipip",
    listed="Tunnel",
    wrapped="ipip",
    # Not lo: what comes out of an interface without an address fails even a loose rp_filter
    # (net/ipv4/fib_frontend.c, __fib_validate_source, no_addr).
    vip_interface="tunl0",
    description="tunnelled in IP: also to nodes on other networks",
    sysctls={
        **DR.sysctls,
        # Clients' packets come out of the tunnel, and answers leave by another interface
        # (Documentation/networking/ip-sysctl.rst, rp_filter).
        "net.ipv4.conf.tunl0.rp_filter": "2",
        # Documentation/networking/ipvs-sysctl.rst. pmtu_disc: what does not fit is sent in
        # fragments, so that no upload depends on the ICMP that asks the client for less.
        # ignore_tunneled: what another director has sent here is never balanced again.
        "net.ipv4.vs.pmtu_disc": "0",
        "net.ipv4.vs.ignore_tunneled": "1",
    },
    modules=("ipip", *_PEDIT),
    tunnels={
        4: Tunnel("tunl0", overhead=20),
        6: Tunnel("ip6tnl0", overhead=40, modules=("ip6_tunnel",)),
    },
)

TUN_GUE = replace(
    TUN,
    lvs_method=f"TUN type gue port {GUE_PORT}",
    ipvsadm=f"-i --tun-type gue --tun-port {GUE_PORT}",
    wrapped=f"gue:{GUE_PORT}",
    description=f"tunnelled in UDP (GUE, port {GUE_PORT}), where IP in IP does not pass",
    # fou hands on what it unwraps as IP in IP. The port may be open already.
    tunnels={
        4: Tunnel(
            "tunl0",
            overhead=20 + _GUE_OVERHEAD,
            modules=("fou",),
            setup=(f"-/bin/ip fou add port {GUE_PORT} gue",),
        ),
        6: Tunnel(
            "ip6tnl0",
            overhead=40 + _GUE_OVERHEAD,
            modules=("ip6_tunnel", "fou6"),
            setup=(f"-/bin/ip -6 fou add port {GUE_PORT} gue",),
        ),
    },
)


@hook
def register_forwarding_methods(register: Register[ForwardingMethod]) -> None:
    """Register `tun` and `tun-gue`."""
    register("tun", TUN)
    register("tun-gue", TUN_GUE)
