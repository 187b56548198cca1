"""A registry: things by name, and who registered them. Errors name the culprit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from selfbalance.errors import DescriptionError, PluginError

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind, for instance "scheduler", in the order in which they came."""

    def __init__(self, kind: str, *types: type) -> None:
        """Keep things of `kind`, of one of these types; without any, of any that is callable."""
        self.kind = kind
        self._types = types
        self._things: dict[str, T] = {}
        self._plugins: dict[str, str] = {}
        self._places: dict[str, str] = {}

    def enter(self, plugin: str, name: str, thing: T, place: str = "") -> None:
        """Enter a thing. Raises `PluginError` if it is none of the kind, or the name is taken.

        `place` is where the plugin's file enters it, " (FILE:LINE)", for such an error.
        """
        fits = isinstance(thing, self._types) if self._types else callable(thing)
        if not fits:
            wanted = " or ".join(f"a {each.__name__}" for each in self._types) or "a function"
            raise PluginError(
                f"plugin {plugin}: {self.kind} '{name}' is a {type(thing).__name__}; "
                f"it should be {wanted}{place}"
            )
        if name in self._things:
            raise PluginError(
                f"plugin {plugin}: {self.kind} '{name}' is already registered by plugin "
                f"{self._plugins[name]}{self._places[name]}; choose another name{place}"
            )
        self._things[name] = thing
        self._plugins[name] = plugin
        self._places[name] = place

    def named(self, name: str, place: str) -> T:
        """Return the thing of that name. Raises `DescriptionError` that lists the known ones."""
        if name not in self._things:
            known = ", ".join(self._things)
            raise DescriptionError(
                f"{place}: {self.kind} '{name}' is not known; known are: {known}"
            )
        return self._things[name]

    def __getitem__(self, name: str) -> T:
        return self._things[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def items(self) -> Iterator[tuple[str, T]]:
        """Yield names and things in the order in which they were registered."""
        yield from self._things.items()

    def plugin_of(self, name: str) -> str:
        """Return the name of the plugin that registered `name`. Raises `KeyError`."""
        return self._plugins[name]
