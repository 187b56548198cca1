"""One description, said twice: as TOML and as Python code, so that errors can be compared."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from selfbalance.errors import DescriptionError
from selfbalance.model import Cluster, from_toml

THREE_NODES: dict[str, Any] = {
    "name": "web",
    "interface": "bond0",
    "nodes": [
        {"name": "web1", "address": "192.0.2.11", "address6": "2001:db8::11"},
        {"name": "web2", "address": "192.0.2.12", "address6": "2001:db8::12"},
        {"name": "web3", "address": "192.0.2.13", "address6": "2001:db8::13"},
    ],
    "vips": [{"address": "192.0.2.10"}, {"address": "2001:db8::10"}],
    "services": [{"name": "http", "port": 80}, {"name": "https", "port": 443}],
}
GONE = object()


def changed(*changes: tuple[str, object]) -> dict[str, Any]:
    """The cluster of three nodes with some keys set, or taken away by `GONE`: `nodes.0.name`."""
    description = deepcopy(THREE_NODES)
    for path, value in changes:
        *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place: Any = description
        for part in way:
            place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
        if value is GONE:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(deepcopy(value))
        else:
            place[last] = deepcopy(value)
    return description


def toml(description: dict[str, Any]) -> str:
    """The description as TOML. None is a key that is not written."""
    return "".join(f"{_text(key)} = {_toml(value)}\n" for key, value in _said(description))


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(k)} = {_toml(v)}" for k, v in _said(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)


def _said(table: dict[str, Any]) -> list[tuple[str, object]]:
    return [(key, value) for key, value in table.items() if value is not None]


def _text(text: str) -> str:
    escaped = (c if c.isascii() and c.isalnum() else f"\\U{ord(c):08x}" for c in text)
    return '"' + "".join(escaped) + '"'


def refused_in_toml(description: dict[str, Any]) -> str:
    """What the error says after the name of the TOML file."""
    with pytest.raises(DescriptionError) as caught:
        from_toml(toml(description), "prod.toml")
    return _after(str(caught.value), "prod.toml: ").removeprefix("the description: ")


def refused_in_code(description: dict[str, Any]) -> str:
    """What the error says after the name and line of the Python file, and the class there."""
    source = f"from selfbalance import Cluster\n\nweb = Cluster(**{description!r})\n"
    with pytest.raises(DescriptionError) as caught:
        exec(compile(source, "/srv/web/prod.py", "exec"), {"__name__": "prod"})
    said = _after(str(caught.value), "/srv/web/prod.py line 3: Cluster")
    return said.removeprefix(".").removeprefix(": ")


def _after(said: str, place: str) -> str:
    assert said.startswith(place), said
    assert len(said.splitlines()) == 1, said
    assert said.isprintable(), said
    return said[len(place) :]


def cluster(*changes: tuple[str, object]) -> Cluster:
    """A valid cluster: the one of three nodes with some keys set."""
    return Cluster(**changed(*changes))
