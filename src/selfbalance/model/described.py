"""The ground of every described thing: frozen, strict, and one line when something is wrong."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from selfbalance.errors import DescriptionError


class Described(BaseModel):
    """A part of a description. Wrong input raises `DescriptionError`, nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __init__(self, **values: Any) -> None:  # noqa: ANN401 - what pydantic accepts
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise one_line(error, place_of_caller(), type(self).__name__) from None

    # A part inside of a whole is validated as a part: its report belongs to the whole's one line.
    # pydantic calls an overridden __init__ for parts too, unless it carries this mark (as
    # pydantic's own RootModel does).
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


def one_line(error: ValidationError, place: str, thing: str = "") -> DescriptionError:
    """Turn pydantic's report into one line: file, key, what is wrong, what would be right."""
    details = error.errors(include_url=False, include_context=True)
    first = details[0]
    location = first["loc"]
    # pydantic marks a key that is wrong itself, beside a value of it.
    if location[-1:] == ("[key]",) and first["type"] != "extra_forbidden":
        location = location[:-1]
    key = _key(location, thing)
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return DescriptionError(f"{place}: {key}: {_words(first)}{more}")


def place_of_caller() -> str:
    """Name the file and line that described the thing: the first frame outside of this library."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _OURS:
        frame = frame.f_back
    path = frame.f_code.co_filename
    relative = os.path.relpath(path) if os.path.isabs(path) else path
    return f"{path if relative.startswith('..') else relative} line {frame.f_lineno}"


_OURS = ("selfbalance", "pydantic")


def _key(location: Iterable[int | str], thing: str) -> str:
    key = thing
    for part in location:
        if isinstance(part, int):
            key += f"[{part}]"
            continue
        # A key of TOML may be any text: shown as written only where that is one plain word.
        name = part if _PLAIN_KEY.fullmatch(part) else _shown(part)
        key += f".{name}" if key else name
    return key or "the description"


def _words(detail: ErrorDetails) -> str:
    """Say what is wrong and what would be right, in our words where pydantic's help nobody."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        return "is missing; it has to be given"
    if kind == "extra_forbidden":
        return "is not a known key; see docs/description.md for the ones that are"
    if kind in _SHAPES:
        return _SHAPES[kind]
    given = f"{_shown(detail['input'])}: " if isinstance(detail["input"], _SIMPLE) else ""
    message = detail["msg"]
    return f"{given}{message[0].lower()}{message[1:]}"


_SIMPLE = (int, float, str)
_SHAPES = {
    "tuple_type": "should be a list, also for a single one: [...]",
    "model_type": "should be a group of keys and values",
    "dict_type": "should be a group of keys and values",
}
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,40}")
_LONGEST = 60


def _shown(value: object) -> str:
    """Return a value as one short line, whatever it holds."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
