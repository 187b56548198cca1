"""The whole lab as an ordinary user: its image, its nodes, its load, in that user's own folders."""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lab_fixtures import skip_unless_bootable

import selfbalance
from selfbalance.lab import host

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

USER = "selfbalance-test"
STORY = """
from selfbalance.lab import Lab
lab = Lab.up("user", nodes=2)
try:
    print("TRANSPORT", lab.transport)
    assert [probe.node for probe in lab.requests("http://192.0.2.12", 4)] == ["web2"] * 4
    lab.run("web1", "apt-get update -q && apt-get install -qy ipvsadm", timeout=120)
    sent = lab.run("web1", "head -c 5000000 /dev/zero | tr '\\\\0' x", timeout=60).stdout
    assert len(sent) == 5000000, "bulk transfers hang"
    got = lab.run("web1", "cat | wc -c", input="x" * 2000000, timeout=60).stdout
    assert got.strip() == "2000000", "bulk transfers hang"
    with lab.load("http://[2001:db8:5b::11]", sessions=20, duration=4, session_seconds=4) as load:
        pass
    assert not load.report().failed_probes and not load.report().lost_sessions
    lab.power_off("web2")
    lab.power_on("web2")
    lab.cable("web2", plugged=False)
    assert not lab.requests("http://192.0.2.12", 1)[0].ok
    assert lab.publish("ipvsadm").endswith("+lab1")
finally:
    lab.down()
print("DONE")
"""


@pytest.fixture
def user():
    """An ordinary user of this machine: the one that runs the tests, or a temporary one."""
    if not host.is_root():
        yield None
        return
    subprocess.run(["userdel", "-r", USER], capture_output=True, check=False)  # a killed run's
    subprocess.run(["useradd", "-m", "-s", "/bin/sh", USER], check=True)
    try:
        yield pwd.getpwnam(USER)
    finally:
        subprocess.run(["userdel", "-r", USER], capture_output=True, check=False)


@pytest.fixture
def readable_source():
    """The lab alone, where everybody may read it: it needs no more than the standard library."""
    folder = Path("/tmp") / f"selfbalance-lab-{os.getpid()}"
    package, source = folder / "selfbalance", Path(selfbalance.__file__).parent
    package.mkdir(parents=True)
    shutil.copytree(source / "lab", package / "lab", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(source / "errors.py", package)
    (package / "__init__.py").touch()
    yield folder
    shutil.rmtree(folder)


def _interpreter(user):
    """The interpreter of these tests, or the machine's where the user may not run that one."""
    if user is None:
        return sys.executable
    try:
        subprocess.run([sys.executable, "-c", ""], user=user.pw_uid, cwd="/", check=True)
    except (OSError, subprocess.CalledProcessError):
        return "/usr/bin/python3"
    return sys.executable


def test_a_lab_needs_no_root(user, readable_source):
    skip_unless_bootable()
    script = readable_source / "story.py"
    script.write_text(STORY)
    argv = [_interpreter(user), "-B", str(script)]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(readable_source)}
    if user:
        environment["HOME"] = user.pw_dir
    identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    done = subprocess.run(
        argv,
        env={**os.environ, **environment} if user is None else environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
        **identity,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "DONE"
    if user:
        left = subprocess.run(
            ["ps", "-u", USER, "-o", "stat=,args="], capture_output=True, check=False
        )
        assert [line for line in left.stdout.splitlines() if not line.startswith(b"Z")] == []
