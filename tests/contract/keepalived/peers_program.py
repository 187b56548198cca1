"""Two keepaliveds with a cable between them, of which one reads another file.

python peers_program.py FOLDER SECONDS, in a network and a process namespace of its own, which end
with it. The folder has a.conf and b.conf, which both begin with; `a` becomes MASTER. Then one of
them reads a.new or b.new, whichever is there. Prints what that one says from then on, until it
enters MASTER STATE, for so many seconds at most.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

WITHIN_S = 10
FOR_S = float(sys.argv[2])
folder = Path(sys.argv[1])
other = subprocess.Popen(["unshare", "--net", "sleep", "60"])


def sh(*words):
    subprocess.run(words, check=True, capture_output=True)


def there(*words):
    return ["nsenter", f"--net=/proc/{other.pid}/ns/net", "--", *words]


def wait_for(seen, within_s=WITHIN_S):
    deadline = time.monotonic() + within_s
    while not seen():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def said(name):
    return (folder / f"{name}.log").read_text().splitlines()


def start(name, before=()):
    files = [f"--{key}={folder}/{name}.{key}" for key in ("pid", "vrrp_pid")]
    with (folder / f"{name}.log").open("w") as log:
        return subprocess.Popen(
            [*before, "keepalived", "-P", "-n", "-l", "-D", f"-f{folder}/{name}.conf", *files],
            stdout=log,
            stderr=log,
        )


def is_master(name):
    return any("Entering MASTER STATE" in line for line in said(name))


assert wait_for(
    lambda: os.readlink(f"/proc/{other.pid}/ns/net") != os.readlink("/proc/self/ns/net")
)
sh("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", str(other.pid))
for way, address in ((list, "192.0.2.11"), (there, "192.0.2.12")):
    for command in (
        "ip link set lo up",
        "ip link set eth0 up",
        f"ip address add {address}/24 dev eth0",
        "ip address add 192.0.2.31/24 dev eth0" if way is list else "true",
    ):
        sh(*(there(*command.split()) if way is there else command.split()))
running = {"a": start("a")}
assert wait_for(lambda: is_master("a")), said("a")
running["b"] = start("b", there())
assert wait_for(lambda: any("Entering BACKUP STATE" in line for line in said("b"))), said("b")
time.sleep(0.5)
changed = "a" if (folder / "a.new").exists() else "b"
before = len(said(changed))
(folder / f"{changed}.new").rename(folder / f"{changed}.conf")
running[changed].send_signal(signal.SIGHUP)
wait_for(lambda: any("Entering MASTER STATE" in line for line in said(changed)[before:]), FOR_S)
print("\n".join(said(changed)[before:]))
