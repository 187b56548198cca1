"""What one node must have, as plain data."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from selfbalance.model.standing import Standing
from selfbalance.model.words import IPAddress

_SECRET = re.compile(r"(auth_pass )\S+")


@dataclass(frozen=True)
class File:
    """A file of root's, with its permission bits. `secret` files are shown masked."""

    path: str
    content: str = field(repr=False)
    mode: int
    secret: bool = False

    @property
    def sha256(self) -> str:
        """Hex digest of the content in UTF-8, as sha256sum(1) prints it."""
        return hashlib.sha256(self.content.encode()).hexdigest()


@dataclass(frozen=True)
class DesiredService:
    """One virtual service of the IPVS table: weights by realserver address."""

    vip: IPAddress
    port: int
    protocol: str
    scheduler: str
    flags: tuple[str, ...]
    weights: Mapping[IPAddress, int]
    consistent: bool = False


@dataclass(frozen=True)
class DesiredNode:
    """Everything that a node of the cluster has when it is as described."""

    name: str
    interface: str
    priority: int
    packages: tuple[str, ...]
    modules: tuple[str, ...]
    sysctls: Mapping[str, str]
    files: tuple[File, ...]
    config: File
    units: tuple[str, ...]
    vips: tuple[IPAddress, ...]
    vip_interface: str
    sync_daemon: bool
    services: tuple[DesiredService, ...]
    standings: Mapping[int, Standing]
    peers: Mapping[str, IPAddress]
    apart: bool = False

    @property
    def all_files(self) -> tuple[File, ...]:
        """Every managed file, keepalived.conf last."""
        return (*self.files, self.config)


def masked(text: str) -> str:
    """Return a configuration with every password hidden."""
    return _SECRET.sub(r"\1********", text)
