"""pyinfra's command line, ready at once: a process that has imported it, and forks for each run.

To import it, and to compile templates, takes longer than most runs, and there are hundreds. A
program: with a path as argument it makes a Unix socket there, says that it is ready, takes runs,
and ends with its standard input.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path


@cache
def _at_hand() -> str:
    """Start the program, once for each process that tests; return its socket's path."""
    folder = tempfile.TemporaryDirectory(prefix="command-line-")
    atexit.register(folder.cleanup)
    place = f"{folder.name}/socket"
    process = subprocess.Popen(
        [sys.executable, __file__, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    atexit.register(process.stdin.close)
    assert process.stdout.readline() == "ready\n"
    return place


def run(
    words: list[str], cwd: Path, env: Mapping[str, str], answers: str, limit_s: int
) -> tuple[int, str, str]:
    """Run pyinfra as its script would; return its exit code, output, and errors.

    A signal that ended it is a negative code; SIGALRM's means that it took longer than `limit_s`.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("in", "out", "err")]
        for file, text in zip(files, (answers, "", ""), strict=True):
            file.write_text(text)
        asked = {
            "words": words,
            "cwd": str(cwd),
            "env": dict(env),
            "files": [str(file) for file in files],
            "limit_s": limit_s,
        }
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(_at_hand())
            connection.sendall(json.dumps(asked).encode() + b"\n")
            code = connection.makefile().readline()
            assert code, "the process that forks runs has died"
        return int(code), files[1].read_text(), files[2].read_text()


def _serve(place: str) -> None:
    """Take runs for as long as there is somebody at standard input."""
    # As the script does: this is what patches the standard library for gevent.
    from gevent.monkey import get_original
    from pyinfra_cli.main import main

    _warm_up()
    # gevent must not have begun when a run is forked off: nothing of it is used here.
    fork, wait = get_original("os", ["fork", "waitpid"])
    select, original_socket = get_original("select", "select"), get_original("socket", "socket")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with original_socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen(64)
        print("ready", flush=True)
        while select([listener, sys.stdin.fileno()], [], [])[0] == [listener]:
            connection, _ = listener.accept()
            if fork() == 0:
                break
            connection.close()
        else:
            return
    # From here on one run's own process, which waits for it and tells how it ended.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asked = json.loads(connection.makefile().readline())
    run_pid = fork()
    if run_pid == 0:
        connection.close()
        _become(**asked)
        sys.exit(main())
    code = os.waitstatus_to_exitcode(wait(run_pid, 0)[1])
    connection.sendall(f"{code}\n".encode())
    os._exit(0)


def _warm_up() -> None:
    """Have at hand what every run imports and compiles: nothing of a run's own follows from it."""
    import hypothesis  # noqa: F401 - the nodes' connector makes theirs by it
    from pyinfra.api.connectors import get_all_connectors

    import selfbalance.deploys  # noqa: F401
    from selfbalance import Cluster, Node, Service, Vip
    from selfbalance.deployment import deployment
    from selfbalance.observed import observation_script

    get_all_connectors()
    cluster = Cluster(
        name="any",
        interface="eth0",
        nodes=[Node(name="web1", address="192.0.2.11"), Node(name="web2", address="192.0.2.12")],
        vips=[Vip(address="192.0.2.10")],
        services=[Service(name="http", port=80)],
    )
    for want in deployment(cluster, "here", Path(__file__).parent).desired.values():
        observation_script(cluster, want)


def _become(
    words: list[str], cwd: str, env: Mapping[str, str], files: list[str], limit_s: int
) -> None:
    """Have what a process of pyinfra's script is started with."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, file in enumerate(files):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND if number else os.O_RDONLY), number)
    sys.path[:0] = env["PYTHONPATH"].split(os.pathsep)
    sys.argv = ["pyinfra", *words]
    signal.alarm(limit_s)


if __name__ == "__main__":
    _serve(sys.argv[1])
