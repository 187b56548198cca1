"""A host's ssh connection: noticed within half a minute when it is gone, and made anew."""

from __future__ import annotations

import socket
from collections import defaultdict

from gevent.lock import RLock
from paramiko import SSHException, Transport
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host

LOST = (PyinfraError, SSHException, OSError, EOFError)
"""What it looks like when a node cannot be reached, or is lost in the middle of a command."""

_NOTICED = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 10,
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 5,
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 4,
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): 30_000,
}
"""tcp(7). Without them a command on a node that lost its power is waited for, for ever."""


_ONE_AT_A_TIME: dict[str, RLock] = defaultdict(RLock)
"""Whoever else would use a connection that is half made finds no transport there."""


def connect(host: Host, anew: bool = False) -> None:
    """See to it that there is a connection, or a new one. Raises one of `LOST`."""
    with _ONE_AT_A_TIME[host.name]:
        transport = _transport(host)
        gone = transport is not None and not transport.is_active()
        if host.connected and (anew or gone):
            host.disconnect()
        if not host.connected:
            host.connect(show_errors=False, raise_exceptions=True)
            notice_loss(_transport(host))


def notice_loss(transport: Transport | None) -> None:
    """Let the kernel end a connection whose other end is gone, where it is one of its own."""
    sock = getattr(transport, "sock", None)  # With a ProxyCommand it is another thing.
    if isinstance(sock, socket.socket):
        for (level, option), value in _NOTICED.items():
            sock.setsockopt(level, option, value)


def _transport(host: Host) -> Transport | None:
    client = getattr(host.connector, "client", None)
    return client.get_transport() if client is not None else None
