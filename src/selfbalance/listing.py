"""`selfbalance plugins`: everything that is registered, from where, and what it is set to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import ModuleType

import click

from selfbalance.deployment import every_plugin
from selfbalance.errors import SelfbalanceError
from selfbalance.loading import plugins_from_outside


@dataclass(frozen=True)
class Entry:
    """One registered thing: its kind, its name, who registered it, and itself."""

    kind: str
    name: str
    origin: str
    thing: object

    @property
    def description(self) -> str:
        """One line: its own description, or the first line of its docstring."""
        text = getattr(self.thing, "description", None) or getattr(self.thing, "__doc__", None)
        return (text or "no description").strip().splitlines()[0]

    def options(self) -> Iterator[tuple[str, str]]:
        """Yield what it is set to, a name and a value in words each."""
        if is_dataclass(self.thing):
            for each in fields(self.thing):
                yield each.name, _in_words(getattr(self.thing, each.name))


def entries(inventory: Path) -> list[Entry]:
    """Return everything that a cluster of that folder's inventories could use.

    Raises `PluginError` where a plugin is wrong.
    """
    outside = plugins_from_outside(inventory)
    plugins = every_plugin(outside)
    origins = {module.__name__: _origin(module) for module in outside}
    return [
        Entry(registry.kind, name, origins.get(registry.plugin_of(name), "built in"), thing)
        for registry in plugins.registries
        for name, thing in registry.items()
    ]


def _origin(module: ModuleType) -> str:
    file = Path(module.__file__ or module.__name__)
    return str(file.relative_to(Path.cwd())) if file.is_relative_to(Path.cwd()) else str(file)


def _in_words(value: object) -> str:
    if callable(value):
        told = getattr(value, "__doc__", None) or getattr(value, "__name__", "a function")
        return str(told).strip().splitlines()[0]
    if is_dataclass(value) and not isinstance(value, type):
        parts = ((each.name, _in_words(getattr(value, each.name))) for each in fields(value))
        return ", ".join(f"{name}={said.partition(chr(10))[0]}" for name, said in parts)
    if isinstance(value, (tuple, list, frozenset)):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{name}={each}" for name, each in value.items()) or "-"
    return str(value)


@click.group(name="plugins", invoke_without_command=True)
@click.pass_context
def plugins(context: click.Context) -> None:
    """List what is registered: built in, in the folder plugins/, and in packages."""
    if context.invoked_subcommand is None:
        found = _entries()
        width = max(len(each.name) for each in found)
        origin = max(len(each.origin) for each in found)
        for number, each in enumerate(found):
            if number == 0 or found[number - 1].kind != each.kind:
                click.echo(f"{'' if number == 0 else chr(10)}{each.kind}")
            click.echo(f"  {each.name:<{width}}  {each.origin:<{origin}}  {each.description}")


@plugins.command()
@click.argument("name")
def show(name: str) -> None:
    """Show where NAME comes from and what it is set to."""
    found = [each for each in _entries() if each.name == name]
    if not found:
        known = ", ".join(sorted({each.name for each in _entries()}))
        raise click.ClickException(f"nothing is registered as '{name}'; known are: {known}")
    for each in found:
        click.echo(f"{each.kind} {each.name}, {each.origin}: {each.description}")
        for option, value in each.options():
            if option != "description":
                click.echo(f"  {option}: {value}")


def _entries() -> list[Entry]:
    try:
        return entries(Path.cwd() / "inventories")
    except SelfbalanceError as error:
        raise click.ClickException(str(error)) from None
