"""A node that is lost is an answer and no traceback: noticed soon, and found again once back."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest
from paramiko import SSHException
from pyinfra.api.exceptions import ConnectError, PyinfraError

from selfbalance.observed import Unobserved
from selfbalance.operations import context, looking
from selfbalance.operations.connecting import connect, notice_loss
from selfbalance.operations.context import Answer, ask

LOST = [
    SSHException("SSH session not active"),
    EOFError(),
    ConnectionResetError(104, "Connection reset by peer"),
    TimeoutError(),
    ConnectError("no route to host"),
    PyinfraError("no such user"),
]


class Transport:
    """An ssh connection, as long as it is active."""

    def __init__(self, active: bool = True, sock: object = None) -> None:
        self.active, self.sock = active, sock

    def is_active(self) -> bool:
        return self.active


class Node:
    """A host as our operations use it. What it `raises`, it raises at every command."""

    def __init__(
        self,
        connected: bool = True,
        transport: Transport | None = None,
        raises: Exception | None = None,
        name: str = "web1",
    ) -> None:
        self.name, self.connected, self.raises = name, connected, raises
        self.did: list[str] = []
        self.connector = SimpleNamespace(client=SimpleNamespace(get_transport=lambda: transport))

    def connect(self, show_errors: bool, raise_exceptions: bool) -> None:
        assert (show_errors, raise_exceptions) == (False, True)
        self.did.append("connect")
        self.connected = True

    def disconnect(self) -> None:
        self.did.append("disconnect")
        self.connected = False

    def run_shell_command(self, command, **_):
        self.did.append(str(command))
        if self.raises:
            raise self.raises
        return True, SimpleNamespace(stdout="fine\n", stderr_lines=[])

    def get_fact(self, *_args, **_kwargs):
        raise self.raises


@pytest.fixture
def pyinfra(monkeypatch):
    """A run of pyinfra in which nobody has failed yet."""
    state = SimpleNamespace(print_output=False, print_input=False, failed_hosts=())
    for module in (context, looking):
        monkeypatch.setattr(module, "ctx_state", SimpleNamespace(get=lambda: state))
    monkeypatch.setattr(context, "connector_arguments", lambda _: {})


def named(error: Exception) -> str:
    return type(error).__name__


@pytest.mark.parametrize("error", LOST, ids=named)
@pytest.mark.usefixtures("pyinfra")
def test_however_a_node_is_lost_that_is_an_answer(error):
    answer = ask(Node(raises=error), "true")

    assert answer == Answer(False, wrong=str(error) or named(error))
    assert answer.wrong


@pytest.mark.parametrize("error", LOST, ids=named)
@pytest.mark.usefixtures("pyinfra")
def test_a_node_that_is_lost_while_it_is_looked_at_is_not_observed(error):
    """Who raises here leaves whoever waits for the same look waiting."""
    seen = looking.look(Node(raises=error))

    assert seen == Unobserved("web1", str(error) or named(error))


@pytest.mark.usefixtures("pyinfra")
def test_a_node_that_was_never_connected_is_connected():
    """`--limit` has left it out, or it was down when the run began."""
    node = Node(connected=False)

    assert ask(node, "true") == Answer(True, "fine")
    assert node.did == ["connect", "true"]


@pytest.mark.usefixtures("pyinfra")
def test_a_connection_that_is_gone_is_made_anew_before_the_next_command():
    node = Node(transport=Transport(active=False))

    assert ask(node, "true").good
    assert node.did == ["disconnect", "connect", "true"]


def test_a_connection_that_is_there_is_kept_unless_a_new_one_is_asked_for():
    node = Node(transport=Transport())

    connect(node)
    assert node.did == []

    connect(node, anew=True)
    assert node.did == ["disconnect", "connect"]


def test_a_connector_without_ssh_is_taken_as_it_is():
    node = Node()
    node.connector = SimpleNamespace()

    connect(node)

    assert node.did == []


def test_the_kernel_ends_a_connection_whose_other_end_is_gone_within_half_a_minute():
    with socket.socket() as sock:
        notice_loss(Transport(sock=sock))

        def has(option: int) -> int:
            return sock.getsockopt(socket.IPPROTO_TCP, option)

        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle, every = has(socket.TCP_KEEPIDLE), has(socket.TCP_KEEPINTVL)
        assert idle + every * has(socket.TCP_KEEPCNT) <= 30
        assert has(socket.TCP_USER_TIMEOUT) == 30_000


@pytest.mark.parametrize("transport", [None, Transport(), Transport(sock=object())])
def test_what_is_no_socket_of_the_kernels_is_left_alone(transport):
    notice_loss(transport)
