"""Who drained a node: the person that ran it, under whatever name there is."""

from __future__ import annotations

import getpass
import os
import socket

import pytest

from selfbalance.operations.locking import whoami


@pytest.fixture(autouse=True)
def host(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "bastion")
    monkeypatch.delenv("SUDO_USER", raising=False)


def test_it_is_who_runs_it(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "ops")

    assert whoami() == "ops@bastion"


def test_with_sudo_it_is_who_asked_for_it(monkeypatch):
    monkeypatch.setenv("SUDO_USER", "ana")

    assert whoami() == "ana@bastion"


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_user_without_a_name_is_a_number(monkeypatch, error):
    """As in a container: Python 3.13 says OSError, those before KeyError."""

    def nobody():
        raise error("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)

    assert whoami() == f"{os.getuid()}@bastion"
