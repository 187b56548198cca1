"""Reading a journal back: a file becomes a history. A run that was killed has one too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import NoReturn, TypeVar

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from selfbalance.errors import JournalError
from selfbalance.journal.records import FORMAT, KINDS, End, Record, Result, Run

WITHOUT_A_WORD = "the run ended without a word: it was killed, or its machine was"
"""What is said of a journal without an `end`."""

_Kind = TypeVar("_Kind")


@dataclass(frozen=True)
class Entry:
    """A record, and when it was written: `t` in seconds since the run began."""

    at: AwareDatetime
    t: float
    record: Record


@dataclass(frozen=True)
class History:
    """A whole run, as far as it was written down. `end` is None where the run could not say one."""

    path: Path
    run: Run
    entries: tuple[Entry, ...]
    end: End | None

    @property
    def began(self) -> datetime:
        """When the first record was written."""
        return self.entries[0].at

    @property
    def ended(self) -> datetime:
        """When the last record was written."""
        return self.entries[-1].at

    @property
    def seconds(self) -> float:
        """From the first record to the last one."""
        return max(each.t for each in self.entries)

    @property
    def result(self) -> Result:
        """Its own word; `failed` where it has none."""
        return self.end.result if self.end else "failed"

    @property
    def said(self) -> str:
        """Its last words, in one line."""
        return self.end.said if self.end else WITHOUT_A_WORD

    def of(self, kind: type[_Kind]) -> Iterator[tuple[float, _Kind]]:
        """Yield every record of a kind with its `t`, in the order of writing."""
        for each in self.entries:
            if isinstance(each.record, kind):
                yield each.t, each.record


def read(path: Path) -> History:
    """Read a journal. A last line that is torn was never written.

    Raises `JournalError`, which names the file, and the line that is wrong.
    """
    entries = tuple(_entries(path))
    if not entries or not isinstance(entries[0].record, Run):
        raise JournalError(f"{path} is no journal: its first record is not that of a run")
    ends = [each.record for each in entries if isinstance(each.record, End)]
    return History(path, entries[0].record, entries, ends[-1] if ends else None)


def _entries(path: Path) -> Iterator[Entry]:
    try:
        *lines, last = path.read_bytes().split(b"\n")
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror or error}") from None
    for number, line in enumerate(lines, start=1):
        yield _entry(line, f"{path} line {number}")
    if _is_whole(last):
        yield _entry(last, f"{path} line {len(lines) + 1}")


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _entry(line: bytes, where: str) -> Entry:
    try:
        values = json.loads(line, parse_constant=_refuse)
    except ValueError:
        raise JournalError(f"{where} is no JSON") from None
    if not isinstance(values, dict) or values.get("kind") not in list(KINDS):
        raise JournalError(f"{where} is no record: its kind is none of {', '.join(KINDS)}")
    if values["kind"] == Run.kind and values.get("format") != FORMAT:
        form = values.get("format")
        raise JournalError(f"{where}: this is format {form}; this version reads {FORMAT}")
    try:
        record = _records(values["kind"]).validate_python(values)
        return _lines().validate_python({**values, "record": record})
    except ValidationError as error:
        raise JournalError(f"{where}: {_in_words(error)}") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


@cache
def _records(kind: str) -> TypeAdapter[Record]:
    return TypeAdapter(KINDS[kind])


@cache
def _lines() -> TypeAdapter[Entry]:
    return TypeAdapter(Entry)


def _in_words(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}"
