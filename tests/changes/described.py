"""How the cluster of these tests is described: as usual, or with some keys otherwise."""

from __future__ import annotations

NODES = 3
SPARE = "web4"
OTHER_VIP = "192.0.2.20"


def nodes(count: int = NODES, **otherwise: str) -> str:
    """Describe the first nodes of the lab; `otherwise` has arguments of `Node`, by node name."""
    others = "".join(f"{name!r}: dict({said}), " for name, said in otherwise.items())
    return (
        "[Node(**{**dict(name=n.name, address=n.address, address6=n.address6), "
        f"**{{{others}}}.get(n.name, {{}})}}) for n in _lab.nodes[:{count}]]"
    )


def vips(*addresses: str) -> str:
    """Describe virtual addresses."""
    return f"[{', '.join(f'Vip(address={address!r})' for address in addresses)}]"


def http(**otherwise: str) -> str:
    """Describe the web service; `otherwise` has arguments of `Service`, as text."""
    more = "".join(f", {key}={value}" for key, value in otherwise.items())
    return f"Service(name='http', port=80{more})"


def described(**otherwise: str) -> str:
    """Describe the cluster, with these keys instead of, or beside, the usual ones.

    Usual are three nodes and `calm`: nodes that share two CPUs stall for longer than `fast` allows.
    """
    keys = {"detection": "'calm'", "nodes": nodes(), **otherwise}
    return ", ".join(f"{key}={value}" for key, value in keys.items())


USUAL = described()
