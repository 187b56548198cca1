"""Writing a journal: one line of JSON a record, on the disk before the run goes on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from selfbalance.errors import JournalError
from selfbalance.journal.records import KINDS, Record, Run


class Journal:
    """A run's file, open for appending. One process writes it, from whichever greenlet."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        self._began_s = time.monotonic()

    @classmethod
    def begin(cls, folder: Path, **first_record: object) -> Journal:
        """Make a new file in a folder, which is made too, and write the fields of `Run` into it.

        Raises `JournalError` where that cannot be, `TypeError` where a field is missing or strange.
        """
        first = KINDS[Run.kind](**first_record)
        now = datetime.now(timezone.utc)
        path = folder / f"upgrade-{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}Z-{os.getpid()}"
        journal = _made(path.with_name(f"{path.name}.jsonl"))
        try:
            journal.write(first)
        except JournalError:
            journal.close()
            raise
        return journal

    def note(self, kind: str, **fields: object) -> None:
        """Append a record of that kind: `note("probes", sent=50, failed=0)`. Raises as `begin`."""
        self.write(KINDS[kind](**fields))

    def write(self, record: Record) -> None:
        """Append a record, which a type checker has seen. Raises `JournalError`.

        A line that does not go in whole is taken out again.
        """
        line = json.dumps(self._stamp(record) | _plain_fields(record), ensure_ascii=False)
        try:
            _append(self._handle, line.encode("utf-8", "replace") + b"\n")
        except OSError as error:
            raise _cannot_be_written(self.path, error) from None

    def _stamp(self, record: Record) -> dict[str, object]:
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        return {
            "at": now.replace("+00:00", "Z"),
            "t": round(time.monotonic() - self._began_s, 3),
            "kind": record.kind,
        }

    def close(self) -> None:
        """Let go of the file. A second time does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _made(path: Path) -> Journal:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        _flush(path.parent)
    except OSError as error:
        raise _cannot_be_written(path, error) from None
    return Journal(path, handle)


def _cannot_be_written(path: Path, error: OSError) -> JournalError:
    return JournalError(f"{path}: the journal cannot be written: {error.strerror or error}")


def _append(handle: int, line: bytes) -> None:
    size = os.fstat(handle).st_size
    try:
        while line:
            line = line[os.write(handle, line) :]
    except OSError:
        with suppress(OSError):
            os.ftruncate(handle, size)
        raise
    os.fsync(handle)


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _plain_fields(record: object) -> dict[str, object]:
    """Return a dataclass as JSON has it, without what is None because nobody gave it."""
    assert is_dataclass(record)  # noqa: S101 - for the type checker
    values = ((each, getattr(record, each.name)) for each in fields(record))
    return {
        each.name: _plain(value)
        for each, value in values
        if not (value is None and each.default is None)
    }


def _plain(value: object) -> object:
    """Return what JSON has for a value: a strange one must not end a run half-way."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if is_dataclass(value):
        return _plain_fields(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Iterable):
        return [_plain(each) for each in value]
    return str(value)
