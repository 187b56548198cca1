"""`selfbalance ...`: what is not a deploy. Each group is imported only when it is called."""

from __future__ import annotations

from importlib import import_module

import click

#: Command -> where it is, and the line that the list of commands shows for it.
_COMMANDS = {
    "plugins": ("selfbalance.listing:plugins", "What is registered, from where."),
    "report": ("selfbalance.journal.command:report", "A run's journal as one HTML page."),
    "lab": ("selfbalance.lab.commands:lab", "Real nodes on this machine: boot them, break them."),
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        own = {name: command.get_short_help_str() for name, command in self.commands.items()}
        lines = {**own, **{name: line for name, (_, line) in _COMMANDS.items()}}
        with formatter.section("Commands"):
            formatter.write_dl(sorted(lines.items()))


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="selfbalance")
def main() -> None:
    """Self-balancing clusters: web servers that share one virtual IP and direct each other."""
