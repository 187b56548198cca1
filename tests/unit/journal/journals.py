"""Journals of runs that never were, as files: what a test reads and what a report shows."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

BEGAN = datetime(2026, 11, 23, 9, 30, 12, 250_000, tzinfo=timezone.utc)
NODES = ("web1", "web2", "web3")
RUN = {
    "kind": "run",
    "format": 1,
    "cluster": "web",
    "component": "keepalived",
    "what": "keepalived -> 2.3.3",
    "command": ["pyinfra", "inventories/prod.py", "deploys/upgrade.py", "--data", "to=2.3.3"],
    "controller": "ops@bastion",
    "nodes": [*NODES],
    "order": ["web2", "web3", "web1"],
    "target": dict.fromkeys(NODES, "1:2.3.3-1"),
    "resumed": False,
    "soak_s": 10,
    "drain_timeout_s": 60,
}
LINES_OF_A_STEP = (
    ("mark", 0.4, ""),
    ("drain", 21.0, "38 sessions ended, none was cut"),
    ("snapshot", 0.9, "kept as keepalived-2.2.7"),
    ("act", 6.2, "1:2.2.7-1+b2 -> 1:2.3.3-1"),
    ("verify", 1.3, "keepalived 2.3.3 runs, VRID 51 is BACKUP"),
    ("undrain", 0.5, ""),
    ("soak", 10.0, ""),
    ("done", 0.0, ""),
)


class Told:
    """A run as it is told: each call is a record, time goes by in between."""

    def __init__(self, **run):
        self.t = 0.0
        self.lines: list[str] = []
        self.owner = "web1"
        self.sessions = dict.fromkeys(run.get("nodes", NODES), 40)
        self.weights = dict.fromkeys(run.get("nodes", NODES), 1)
        self.say(**{**RUN, **run})

    def say(self, **fields):
        at = (BEGAN + timedelta(seconds=self.t)).isoformat(timespec="milliseconds")
        stamp = {"at": at.replace("+00:00", "Z"), "t": round(self.t, 3)}
        self.lines.append(json.dumps({**stamp, **fields}))

    def step(self, node, step, seconds, said="", ok=True):
        self.say(kind="step", node=node, step=step, state="begin")
        self._pass(node, step, seconds)
        self.say(kind="step", node=node, step=step, state="end", ok=ok, seconds=seconds, said=said)

    def _pass(self, node, step, seconds):
        until = self.t + seconds
        self.weights[node] = {"drain": 0, "undrain": 1}.get(step, self.weights.get(node, 1))
        while self.t + 1 < until:
            self.t += 1
            if self.weights[node] == 0:
                self.sessions[node] = max(0, self.sessions[node] - 2)
            elif step == "soak":
                self.sessions[node] = min(40, self.sessions[node] + 3)
            self.look()
            self.say(kind="probes", sent=50, failed=0)
        self.t = until

    def look(self, **owners):
        self.say(
            kind="look",
            owners=owners or {"192.0.2.10": self.owner},
            nodes={
                name: {
                    "observed": True,
                    "role": "MASTER" if name == self.owner else "BACKUP",
                    "weight": self.weights[name],
                    "sessions": self.sessions[name],
                    "drained": self.sessions[name] == 0,
                }
                for name in self.sessions
            },
        )

    def gates(self, after, *good, problems=("web3: keepalived is not active",)):
        for number, each in enumerate(good, start=1):
            self.t += 1
            self.say(
                kind="gates",
                after=after,
                sample=number,
                needed=3,
                good=each,
                problems=[] if each else [*problems],
            )
            self.say(kind="probes", sent=50, failed=0)

    def end(self, result, said, states, *commands):
        self.say(kind="end", result=result, said=said, nodes=states, next=list(commands))

    def whole_node(self, node):
        for step, seconds, said in LINES_OF_A_STEP:
            if step == "drain" and node == self.owner:
                self.step(node, "hand-over", 1.6, "web2 is MASTER")
                self.owner = "web2"
                self.look()
            self.step(node, step, seconds, said)

    def into(self, path: Path) -> Path:
        path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        return path


def done() -> Told:
    """Three nodes, all well."""
    told = Told()
    told.look()
    told.gates(None, True, True, True)
    for node in RUN["order"]:
        told.whole_node(node)
        told.gates(node, True, True, True)
    told.end("done", "3 nodes have keepalived 2.3.3", dict.fromkeys(NODES, "1:2.3.3-1, serves"))
    return told


def failed() -> Told:
    """The second node's keepalived does not start; what follows is for a person."""
    told = Told()
    told.look()
    told.gates(None, True, True, True)
    told.whole_node("web2")
    told.gates("web2", True, False, True, True, True)
    for step, seconds, said in LINES_OF_A_STEP[:3]:
        told.step("web3", step, seconds, said)
    told.step("web3", "act", 9.0, "1:2.2.7-1+b2 -> 1:2.3.3-1")
    told.owner = None
    told.look()
    told.t += 2
    told.say(kind="probes", sent=100, failed=7)
    told.owner = "web2"
    told.look()
    told.step("web3", "verify", 5.0, "keepalived still in FAULT 5 s after its start", ok=False)
    told.step("web3", "roll back", 7.5, "1:2.3.3-1 -> 1:2.2.7-1+b2")
    told.gates("web3", False, False, True, True, True)
    told.end(
        "failed",
        "web3: keepalived still in FAULT 5 s after its start; rolled back, weight 0",
        {"web1": "as before", "web2": "1:2.3.3-1, serves", "web3": "as before, weight 0"},
        "ssh web3 journalctl -u keepalived",
        "pyinfra inventories/prod.py deploys/upgrade.py --data resume=true",
    )
    return told


def killed() -> Told:
    """A run in the middle of a drain, and then no more."""
    told = Told()
    told.look()
    told.step("web2", "mark", 0.4)
    told.say(kind="step", node="web2", step="drain", state="begin")
    told._pass("web2", "drain", 8)
    return told


def hostile() -> Told:
    """Everything that is text tries to be more than text, and is very long."""
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;{{ 7 * 7 }}"
    long = "w" * 70 + evil
    words = ("cluster", "component", "what", "controller")
    told = Told(
        **dict.fromkeys(words, evil),
        command=[evil, "x" * 300],
        nodes=[long],
        order=[long],
        target={long: evil},
    )
    told.step(long, evil, 3.0, evil * 3, ok=False)
    told.gates(long, False, problems=(evil, "y" * 300))
    told.look(**{evil: long})
    told.end("failed", evil * 4, {long: evil}, evil, "z" * 300)
    return told


def crowded() -> Told:
    """Twelve nodes and two VIPs."""
    nodes = [f"frontend-{number:02}.example" for number in range(1, 13)]
    told = Told(nodes=nodes, order=nodes, target=dict.fromkeys(nodes, "1:2.3.3-1"))
    told.owner = nodes[-1]
    told.look(**{"192.0.2.10": nodes[-1], "2001:db8:0:1::10": nodes[0]})
    for node in nodes:
        for step, seconds, said in LINES_OF_A_STEP:
            told.step(node, step, seconds, said)
        told.gates(node, True, True, True)
    told.end("done", "12 nodes have keepalived 2.3.3", dict.fromkeys(nodes, "1:2.3.3-1"))
    return told
