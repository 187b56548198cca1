"""What is missing is named, with the command that brings it."""

import os
import struct

import pytest

from selfbalance.lab import host


def test_missing_tools_are_named_as_packages_each_once():
    def find(tool):
        return None if tool in ("ip", "unshare", "nsenter") else f"/bin/{tool}"

    assert host.missing_packages(host.TOOLS.items(), find) == ("iproute2", "util-linux")


def test_nothing_missing_is_nothing_said():
    assert host.missing_packages(host.TOOLS.items(), lambda tool: tool) == ()


def test_root_is_told_of_install_and_a_user_of_root():
    root = host.missing_message(["iproute2"], root=True)
    assert "selfbalance lab up --install" in root
    assert "apt-get install iproute2" in root
    user = host.missing_message(["uidmap"], root=False)
    assert user.endswith("Next, as root: apt-get install uidmap")
    assert "--install" not in user
    assert "\n" not in root + user


def test_an_ordinary_user_needs_more(monkeypatch):
    monkeypatch.setattr(host, "wide_registers", lambda: False)
    assert dict(host.needed_tools(root=True)) == host.TOOLS
    assert dict(host.needed_tools(root=False)) == {**host.TOOLS, **host.USER_TOOLS}


def test_a_cpu_with_wide_registers_needs_a_compiler(monkeypatch):
    monkeypatch.setattr(host, "wide_registers", lambda: True)
    assert dict(host.needed_tools(root=True))["gcc"] == "gcc"


def test_the_room_of_a_signal_is_read_from_the_auxiliary_vector():
    vector = struct.pack("=6Q", 16, 7, 51, 11952, 0, 0)
    assert host.signal_room(vector) == 11952
    assert host.signal_room(vector[:16]) == 0
    assert host.signal_room(b"odd") == 0


def test_subids_are_found_by_name_or_number_and_must_hold_a_system():
    text = "ann:100000:65536\n1002:165536:65536\nbob:1:1000\nann\nann:x:y\n"
    assert host.has_subids(text, "ann", 1001)
    assert host.has_subids(text, "cid", 1002)
    assert not host.has_subids(text, "bob", 1003)
    assert not host.has_subids("", "ann", 1001)


def test_no_subids_names_the_file_and_the_fix():
    message = host.no_subids_message("ann", "/etc/subgid")
    assert message.startswith("/etc/subgid gives ann no range")
    assert message.endswith("--add-subgids 100000-165535 ann")


def test_tools_of_administrators_are_found_without_their_path(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert "/usr/sbin" in host.environment()["PATH"].split(os.pathsep)


def _lacking(monkeypatch, *answers, root=True):
    """A machine that lacks first this, then that."""
    lacks = iter(answers)
    monkeypatch.setattr(host, "is_root", lambda: root)
    monkeypatch.setattr(host, "missing_packages", lambda tools: next(lacks))


def test_without_install_nothing_is_installed(monkeypatch):
    _lacking(monkeypatch, ("mmdebstrap",))
    monkeypatch.setattr(host, "_install", pytest.fail)
    with pytest.raises(host.MissingOnHost, match="needs: mmdebstrap"):
        host.require(False, pytest.fail)


def test_install_brings_what_is_missing_and_looks_again(monkeypatch):
    installed = []
    monkeypatch.setattr(host, "_install", lambda packages, progress: installed.extend(packages))
    _lacking(monkeypatch, ("mmdebstrap", "uidmap"), ())
    host.require(True, pytest.fail)
    assert installed == ["mmdebstrap", "uidmap"]
    _lacking(monkeypatch, ("mmdebstrap",), ("mmdebstrap",))
    with pytest.raises(host.MissingOnHost, match="needs: mmdebstrap"):
        host.require(True, pytest.fail)


def test_a_user_who_asks_to_install_is_told_of_root(monkeypatch):
    _lacking(monkeypatch, ("uidmap",), root=False)
    monkeypatch.setattr(host, "_install", pytest.fail)
    with pytest.raises(host.MissingOnHost, match="Next, as root: apt-get install uidmap"):
        host.require(True, pytest.fail)


def test_apts_own_reason_is_passed_on(monkeypatch, tmp_path):
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho 'E: Unable to locate package x' >&2\nexit 100\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(host.MissingOnHost, match="could not install x: E: Unable to locate"):
        host._install(["x"], lambda line: None)


def test_nodes_take_turns_on_the_cpus_that_we_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {7, 2})
    assert [host.cpu(index) for index in range(4)] == [2, 7, 2, 7]
