"""Secrets by reference: a description names where a secret is, never the secret itself."""

from __future__ import annotations

import re

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from selfbalance.errors import DescriptionError
from selfbalance.model.described import place_of_caller

_ENV = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")
_FILE = re.compile(r"file:[^\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_BY_REFERENCE = (
    "a secret is given by reference; write 'env:NAME' or 'file:PATH', not the secret itself"
)


class Secret:
    """A reference like `env:VRRP_PASSWORD` or `file:/etc/selfbalance/vrrp`.

    `kind` is `env` or `file`, `place` the variable's name or the file's path.
    """

    __slots__ = ("kind", "place")

    def __init__(self, reference: str) -> None:
        if not _is_reference(reference):
            raise DescriptionError(f"{place_of_caller()}: Secret: {_BY_REFERENCE}")
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
        return core_schema.no_info_plain_validator_function(
            cls._read, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def _read(cls, value: object) -> Secret:
        """Read a part of a description: what is wrong belongs to the whole's one line."""
        if isinstance(value, Secret):
            return value
        if not _is_reference(value):
            raise ValueError(_BY_REFERENCE)
        return cls(str(value))


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and bool(_ENV.fullmatch(value) or _FILE.fullmatch(value))
