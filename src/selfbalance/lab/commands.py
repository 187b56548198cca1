"""`selfbalance lab ...`: the lab for a person at a terminal."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click
from rich.console import Console
from rich.table import Table

from selfbalance.errors import SelfbalanceError
from selfbalance.lab import host, ssh
from selfbalance.lab.lab import DEFAULT_NAME, Lab, NodeStatus, take_down
from selfbalance.lab.model import INTERFACES, SUITES

_PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}
_named = click.option(
    "--name",
    envvar="SELFBALANCE_LAB",
    default=DEFAULT_NAME,
    show_default=True,
    help="Which lab, where there are several (also SELFBALANCE_LAB).",
)


@contextmanager
def said_in_one_line() -> Iterator[None]:
    """Errors for the operator become one line and exit code 1; Ctrl-C becomes 130."""
    try:
        yield
    except SelfbalanceError as error:
        click.echo(f"selfbalance: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("selfbalance: interrupted; nothing was left behind.", err=True)
        sys.exit(130)


@click.group("lab")
def lab() -> None:
    """Real nodes on this machine: boot them, break them, look at them."""


@lab.command()
@_named
@click.option("--nodes", default=3, show_default=True, help="How many (1 to 60).")
@click.option(
    "--far",
    default=0,
    show_default=True,
    help="How many of them, the last ones, are on another network behind a router.",
)
@click.option("--suite", type=click.Choice(SUITES), default="bookworm", show_default=True)
@click.option(
    "--interface",
    type=click.Choice(INTERFACES),
    default="eth0",
    show_default=True,
    help="The nodes' data interface; bond0 is a real bond over eth0.",
)
@click.option("--memory", default=384, show_default=True, help="Per node, in MiB.")
@click.option(
    "--install", is_flag=True, help="As root: install the Debian packages that the lab needs."
)
@click.option("--fresh", is_flag=True, help="Take a running lab of this name down first.")
def up(  # noqa: PLR0913, PLR0917 - one per option
    name: str,
    nodes: int,
    far: int,
    suite: str,
    interface: str,
    memory: int,
    install: bool,
    fresh: bool,
) -> None:
    """Boot a lab and wait until ssh answers on every node."""
    with _booting(), said_in_one_line(), _progress() as progress:
        running = Lab.up(
            name=name,
            nodes=nodes,
            far=far,
            suite=suite,
            interface=interface,
            memory_mb=memory,
            install=install,
            fresh=fresh,
            progress=progress,
        )
    _show([NodeStatus(node, powered=True, plugged=True, answers=True) for node in running.nodes])
    chosen = "" if name == DEFAULT_NAME else f"SELFBALANCE_LAB={name} "
    click.echo(f"Next: {chosen}pyinfra inventories/lab.py deploys/cluster.py -y")


@lab.command()
@_named
def down(name: str) -> None:
    """Take the lab down; nothing of it is left but the image."""
    with said_in_one_line():
        there = take_down(name)
    click.echo(f"Lab {name!r} is down." if there else f"Lab {name!r} was not up.")


@lab.command()
@_named
def status(name: str) -> None:
    """Show every node; exit code 1 if one has no power, no cable or no answer."""
    with said_in_one_line():
        nodes = Lab.running(name).status()
    _show(nodes)
    if not all(one.powered and one.plugged and one.answers for one in nodes):
        sys.exit(1)


@lab.command("ssh", context_settings=_PASS_ON)
@_named
@click.argument("node")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh_(name: str, node: str, command: tuple[str, ...]) -> None:
    """A shell on a node, or one command there; its exit code is passed on."""
    with said_in_one_line():
        running = Lab.running(name)
        argv = [*ssh.command(running.ssh_config, running.node(node).name), *command]
    _become(argv)


@lab.command(context_settings=_PASS_ON)
@_named
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def client(name: str, command: tuple[str, ...]) -> None:
    """A shell on the client's network, or one command there; its exit code is passed on."""
    with said_in_one_line():
        argv = Lab.running(name).client_command(*(command or ("sh",)))
    _become(argv)


@lab.command("power-off")
@_named
@click.argument("node")
def power_off(name: str, node: str) -> None:
    """A power failure: the node dies at once. Its disk keeps what was written to it."""
    with said_in_one_line():
        Lab.running(name).power_off(node)
    click.echo(f"{node} has no power.")


@lab.command("power-on")
@_named
@click.option("--fresh", is_flag=True, help="With empty disks: another machine of that name.")
@click.argument("node")
def power_on(name: str, fresh: bool, node: str) -> None:
    """Boot a node from its own disk and wait until ssh answers."""
    with said_in_one_line():
        Lab.running(name).power_on(node, fresh)
    click.echo(f"{node} answers ssh.")


@lab.command()
@_named
@click.argument("node")
@click.argument("direction", type=click.Choice(["in", "out"]))
def cable(name: str, node: str, direction: str) -> None:
    """Plug a node's network cable in, or pull it out."""
    with said_in_one_line():
        Lab.running(name).cable(node, plugged=direction == "in")
    click.echo(f"{node}: cable {direction}.")


@lab.command()
@_named
@click.argument("package")
@click.option("--version", help="Default: the newest version there + '+labN'.")
@click.option("--from", "suite", help="Another Debian to build it from, or the nodes' backports.")
def publish(name: str, package: str, version: str | None, suite: str | None) -> None:
    """Offer PACKAGE to the nodes under a new version, or add a .deb file."""
    if suite and version:
        raise click.UsageError("--from takes the version that Debian has; leave --version out.")
    with said_in_one_line(), _progress() as progress:
        running = Lab.running(name)
        if suite:
            published = running.publish_from(suite, package, progress)
        else:
            published = running.publish(package, version)
    click.echo(f"Published {package} {published}. The nodes see it at their next apt-get update.")


def _become(argv: list[str]) -> None:
    """Run with this terminal and exit with its code (128 + N for signal N, as a shell says it)."""
    try:
        code = subprocess.run(argv, env=host.environment(), check=False).returncode
    except KeyboardInterrupt:
        code = 130
    sys.exit(code if code >= 0 else 128 - code)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _booting() -> Iterator[None]:
    """A closed terminal and a polite kill end `up` as Ctrl-C does: with everything taken down."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Plain lines; at a terminal, also a spinner with the latest one."""
    console = Console(highlight=False)
    if not console.is_terminal:
        yield click.echo
        return
    with console.status("Looking at this machine") as spinner:

        def say(line: str) -> None:
            console.print(line, markup=False)
            spinner.update(line.strip())

        yield say


def _show(nodes: list[NodeStatus]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("node", "address", "address6", "power", "cable", "ssh"):
        table.add_column(column)
    for one in nodes:
        table.add_row(
            one.node.name,
            one.node.address,
            one.node.address6,
            "on" if one.powered else "[red]off[/red]",
            "in" if one.plugged else "[red]out[/red]",
            "answers" if one.answers else "[red]no answer[/red]",
        )
    Console(highlight=False, width=None if sys.stdout.isatty() else 100).print(table)
