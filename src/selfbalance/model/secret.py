"""Secrets by reference: a description names where a secret is, never the secret itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

_ENV = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")
_FILE = re.compile(r"file:[^\x00-\x1f]+")


class Secret:
    """A reference like `env:VRRP_PASSWORD` or `file:/etc/selfbalance/vrrp`.

    `kind` is `env` or `file`, `place` the variable's name or the file's path.
    """

    __slots__ = ("kind", "place")

    def __init__(self, reference: str) -> None:
        if not (_ENV.fullmatch(reference) or _FILE.fullmatch(reference)):
            raise ValueError(
                "a secret is given by reference; write 'env:NAME' or 'file:PATH', "
                "not the secret itself"
            )
        self.kind, self.place = reference.split(":", 1)

    def __str__(self) -> str:
        return f"{self.kind}:{self.place}"

    def __repr__(self) -> str:
        return f"Secret('{self}')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        read: Callable[[Any], Secret] = lambda value: (  # noqa: E731
            value if isinstance(value, Secret) else cls(str(value))
        )
        return core_schema.no_info_plain_validator_function(
            read, serialization=core_schema.to_string_ser_schema()
        )
