"""The same model from TOML or JSON. Pure: text in, cluster out; whoever calls reads the file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from pydantic import ValidationError

from selfbalance.errors import DescriptionError
from selfbalance.model.cluster import Cluster
from selfbalance.model.described import one_line

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def from_toml(text: str, place: str) -> Cluster:
    """Read a cluster from TOML `text`; `place` is the file's name for messages.

    Raises `DescriptionError` with one line that names the place and the key.
    """
    return _cluster(tomllib.loads, "TOML", text, place)


def from_json(text: str, place: str) -> Cluster:
    """Read a cluster from what `Cluster.to_text` makes.

    Raises `DescriptionError` with one line that names the place and the key.
    """
    return _cluster(json.loads, "JSON", text, place)


def _cluster(parse: Callable[[str], object], form: str, text: str, place: str) -> Cluster:
    try:
        described = parse(text)
    except (ValueError, RecursionError) as error:
        # Parsers let two of Python's own limits through: digits of a number, nested brackets.
        raise DescriptionError(f"{place}: not readable as {form}: {error}") from None
    try:
        return Cluster.model_validate(described)
    except ValidationError as error:
        raise one_line(error, place) from None
