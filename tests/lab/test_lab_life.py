"""A lab that is interrupted, killed or left behind, and one with a router."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from lab_fixtures import (
    call,
    cli,
    left_since,
    machine,
    namespace,
    networks_of,
    pids_in,
    private_state,
    running,
    skip_unless_bootable,
)

from selfbalance.lab import building, image
from selfbalance.lab.processes import recorded
from selfbalance.lab.state import StateFolder

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]


@pytest.fixture
def state(tmp_path):
    skip_unless_bootable()
    with private_state(tmp_path / "state") as patch:
        yield patch


def _until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def _start_up(*words):
    return subprocess.Popen(
        cli("up", "--nodes", "1", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _booting(name):
    """A lab whose node has begun to boot, and the network that it is in."""
    up, folder = _start_up("--name", name), StateFolder(name)
    assert _until(lambda: recorded(folder.record("web1")) is not None), up.communicate()
    return up, folder, {namespace(recorded(folder.record("holder")).pid, "net")}


def test_ctrl_c_takes_everything_down(state):
    image.ensure("bookworm", print)
    before = machine()
    up, folder, networks = _booting("interrupted")
    assert pids_in("net", networks)
    up.send_signal(signal.SIGINT)
    _, err = up.communicate(timeout=30)
    assert up.returncode == 130
    assert err == "selfbalance: interrupted; nothing was left behind.\n"
    assert pids_in("net", networks) == set()
    assert not folder.path.exists()
    assert left_since(before) == {}


def test_a_killed_up_is_cleaned_by_the_next_one(state):
    up, folder, networks = _booting("killed")
    holder = recorded(folder.record("holder"))
    up.kill()
    up.communicate()
    assert holder.alive, "the test is about what a killed up leaves"
    again = call("up", "--name", "killed", "--nodes", "1")
    assert again.returncode == 0, again.stderr
    assert "did not end well the last time; cleaning up what it left" in again.stdout
    assert pids_in("net", networks) == set()
    fresh = call("up", "--name", "killed", "--nodes", "1", "--fresh")
    assert (fresh.returncode, fresh.stdout.splitlines()[0]) == (0, "Taking down lab 'killed'")
    assert "pyinfra inventories/lab.py deploys/cluster.py -y" in fresh.stdout.splitlines()[-1]
    assert call("down", "--name", "killed").returncode == 0


def test_killing_the_root_of_the_tree_kills_the_lab(tmp_path):
    with running("rooted", tmp_path, nodes=1) as lab:
        folder = StateFolder("rooted")
        holder = recorded(folder.record("holder"))
        networks = {namespace(recorded(folder.record(w)).pid, "net") for w in ("holder", "client")}
        os.kill(holder.pid, signal.SIGKILL)
        assert _until(lambda: not pids_in("net", networks), 10)
        status = call("status", "--name", "rooted")
        assert (status.returncode, status.stderr) == (
            1,
            "selfbalance: Lab 'rooted' is not running. Next: selfbalance lab up --name rooted\n",
        )
        assert lab.name == "rooted"


def _builders(cache):
    """The build's processes here: those that have the cache's path on their command line."""
    found = set()
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                words = (path / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if str(cache).encode() in words:
                found.add(int(path.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_image_leaves_nothing_but_what_the_next_one_sweeps(state, tmp_path, number):
    cache = tmp_path / "cache"
    state.setenv("XDG_CACHE_HOME", str(cache))
    before = machine()
    up = _start_up("--name", "unbuilt")
    assert _until(lambda: _builders(cache)), up.communicate()
    time.sleep(3)
    up.send_signal(number)
    up.communicate(timeout=30)
    assert up.returncode == (-9 if number == signal.SIGKILL else 130)
    assert _until(lambda: not _builders(cache), 10)
    left = [path for path in (cache / "selfbalance/lab").iterdir() if path.is_dir()]
    assert len(left) == (1 if number == signal.SIGKILL else 0)
    for path in left:
        building.sweep(path.with_name(path.name.partition(".tmp-")[0]))
        assert not path.exists()
    assert left_since(before) == {}


def test_far_nodes_are_behind_a_router_and_down_leaves_nothing(tmp_path):
    image.ensure("bookworm", print)
    before = machine()
    with running("split", tmp_path, nodes=2, far=1) as lab:
        networks = networks_of(lab)
        assert len(networks) == 3
        near, far = lab.nodes
        for url in (f"http://{far.address}", f"http://[{far.address6}]"):
            assert {probe.node for probe in lab.requests(url, 5)} == {far.name}
        hops = f"ping -c1 -W2 -t 1 {far.address}; ping -c1 -W2 -t 2 {far.address} >/dev/null"
        assert "exceeded" in lab.run(near.name, hops).stdout
        for plugged in (False, True):
            lab.cable(far.name, plugged)
            assert [one.plugged for one in lab.status()] == [True, plugged]
            (probe,) = lab.requests(f"http://{far.address}", 1)
            assert probe.ok is plugged
    assert pids_in("net", networks) == set()
    assert left_since(before) == {}
