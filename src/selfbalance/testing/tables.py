"""The kernel's IPVS table of a lab node, in ipvsadm's own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from selfbalance.lab import Lab
from selfbalance.testing.site import VIP


@dataclass(frozen=True)
class Realserver:
    """How it is reached, for instance `-g` for direct routing, and its weight."""

    method: str
    weight: int


@dataclass(frozen=True)
class Table:
    """One virtual service; realservers by their address."""

    scheduler: str
    flags: frozenset[str]
    realservers: Mapping[str, Realserver]


def table_of(lab: Lab, node: str, vip: str = VIP, port: int = 80) -> Table:
    """Return the service of a VIP in a node's table; raises `StopIteration` where there is none."""
    return read_table(lab.run(node, "ipvsadm --save --numeric").stdout, vip, port)


def read_table(saved: str, vip: str = VIP, port: int = 80) -> Table:
    """Return the service of a VIP in what `ipvsadm --save` prints (ipvsadm(8)).

    Raises `StopIteration` where there is none.
    """
    endpoint = f"{vip}:{port}"
    ours = [words for words in map(str.split, saved.splitlines()) if words[2] == endpoint]
    service = _options(next(words for words in ours if words[0] == "-A"))
    return Table(
        service["-s"],
        frozenset(filter(None, service.get("-b", "").split(","))),
        {
            words[4].rpartition(":")[0]: Realserver(words[5], int(_options(words)["-w"]))
            for words in ours
            if words[0] == "-a"
        },
    )


def _options(words: list[str]) -> dict[str, str]:
    """Take each word that begins with a dash with the word behind it."""
    return {word: after for word, after in pairwise(words) if word[0] == "-"}
