"""What is done to the files of a shared volume, on a node or on the client; python3-minimal does.

fill FOLDER COUNT SIZE PREFIX   check FOLDER   work FOLDER NAME   web URL SECONDS
"""

import hashlib
import http.client
import json
import os
import random
import signal
import sys
import threading
import time
from urllib.parse import urlsplit

SIZE = 8192
PACE_S = 1.0


def content(name, size):
    block = hashlib.sha256(name.encode()).hexdigest().encode()
    return (block * (size // len(block) + 1))[:size]


def fill(folder, count, size, prefix):
    for number in range(int(count)):
        name = f"{prefix}-{number}"
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content(name, int(size)))


def check(folder):
    names = sorted(os.listdir(folder))
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            there = file.read()
        if there != content(name, len(there)) or not there:
            sys.exit(f"{name}: wrong content, {len(there)} bytes")
    print(len(names))


def work(folder, who):
    """Write and read through a mount; while it is not there, wait."""
    over = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(True))
    mount = os.path.dirname(folder)
    written, read, failures = 0, 0, []
    while not over:
        name = f"{who}-{written}"
        if os.path.ismount(mount):
            try:
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(content(name, SIZE))
                    os.fsync(file.fileno())
                written += 1
                name = f"{who}-{random.randrange(written)}"
                with open(os.path.join(folder, name), "rb") as file:
                    if file.read() != content(name, SIZE):
                        failures.append(f"{name}: wrong content")
                read += 1
            except OSError as error:
                if os.path.ismount(mount):
                    failures.append(f"{time.strftime('%H:%M:%S')} {name}: {error}")
        time.sleep(PACE_S)
    print(json.dumps({"written": written, "read": read, "failures": failures}))


def web(url, seconds):
    """Write by PUT and read by GET, each on a connection of its own, until standard input ends."""
    parts, end = urlsplit(url), time.monotonic() + float(seconds)
    over = []
    threading.Thread(target=lambda: over.append(sys.stdin.read()), daemon=True).start()
    written, read, failures = 0, 0, []
    while not over and time.monotonic() < end:
        name = f"web-{written}"
        said = ask(parts, "PUT", name, content(name, SIZE))
        if said[0] in (201, 204):
            written += 1
            name = f"web-{random.randrange(written)}"
            said = ask(parts, "GET", name)
            if said == (200, content(name, SIZE)):
                read += 1
                said = None
        if said is not None:
            failures.append(f"{time.strftime('%H:%M:%S')} {name}: {said[0]} {said[1][:60]!r}")
        time.sleep(PACE_S)
    print(json.dumps({"written": written, "read": read, "failures": failures}))


def ask(parts, method, name, body=None):
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=5)
    try:
        connection.request(method, f"{parts.path}/{name}", body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__, str(error).encode()
    finally:
        connection.close()


if __name__ == "__main__":
    {"fill": fill, "check": check, "work": work, "web": web}[sys.argv[1]](*sys.argv[2:])
