"""Hosts that live in memory: a pyinfra connector with state, and one log of all that reached them.

The command line finds `@sim/NAME` by its entry point, which the fixtures lay beside this file's
folder on PYTHONPATH: pyinfra itself runs unpatched. A host remembers what it was told:

    set KEY VALUE     remembers
    get KEY           prints what it remembers, or fails when that is nothing
    count KEY         adds one and prints the sum
    fail ...          fails
    ...               anything else succeeds in silence

Host data changes one host: `sim_answers`, a callable (memory, command) -> None | str | Failure, is
asked first and may keep its own state in `memory`; `sim_memory` is what the host knows at the
start; `sim_down` refuses the connection; `sim_delay` is how long a command takes, in seconds.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

import gevent
from pyinfra.api.exceptions import ConnectError
from pyinfra.connectors.fake import FakeConnector
from pyinfra.connectors.util import CommandOutput, OutputLine


@dataclass(frozen=True)
class Failure:
    """A command that ends with a non-zero exit code."""

    stderr: str = "failed"


def record(host: str, did: str, what: str) -> None:
    """Append a line to the log that all hosts of a run share: its order is the events' order."""
    line = json.dumps({"host": host, "did": did, "what": what}) + "\n"
    log = os.open(os.environ["SIM_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(log, line.encode())
    finally:
        os.close(log)


def note(what: object) -> None:
    """Let a deploy file write what it saw into the same log."""
    record("", "note", str(what))


class SimConnector(FakeConnector):
    """`@sim/NAME`: pyinfra's fake host, with a memory."""

    def __init__(self, state, host) -> None:
        super().__init__(state, host)
        self.memory = dict(host.data.get("sim_memory", {}))

    @staticmethod
    def make_names_data(name=None):
        yield f"@sim/{name}", {}, ["@sim"]

    def connect(self) -> None:
        record(self.host.name, "connect", "")
        if self.host.data.get("sim_down", False):
            raise ConnectError("no route to host")

    def run_shell_command(self, command, print_output=False, print_input=False, **arguments):
        text = str(command)
        record(self.host.name, "run", text)
        gevent.sleep(self.host.data.get("sim_delay", 0))
        answer = None
        if answers := self.host.data.get("sim_answers"):
            answer = answers(self.memory, text)
        if answer is None:
            answer = self._remember(text)
        if isinstance(answer, Failure):
            return False, CommandOutput([OutputLine("stderr", answer.stderr)])
        return True, CommandOutput([OutputLine("stdout", line) for line in answer.splitlines()])

    def put_file(self, filename_or_io, remote_filename, *args, **kwargs) -> bool:
        record(self.host.name, "put", remote_filename)
        return True

    def _remember(self, command: str) -> str | Failure:
        verb, *words = command.split()
        if verb == "set":
            self.memory[words[0]] = " ".join(words[1:])
        elif verb == "get":
            return self.memory.get(words[0]) or Failure(f"no {words[0]}")
        elif verb == "count":
            self.memory[words[0]] = str(int(self.memory.get(words[0], "0")) + 1)
            return self.memory[words[0]]
        elif verb == "fail":
            return Failure()
        return ""
