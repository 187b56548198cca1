"""`selfbalance report`: a journal as one HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from selfbalance.errors import JournalError, SelfbalanceError
from selfbalance.journal.reading import read
from selfbalance.journal.report import html


@click.command(name="report")
@click.argument("journal", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Where the page goes. Otherwise beside the journal, under its name with .html.",
)
def report(journal: Path, output: Path | None) -> None:
    """Make one HTML page of the run that JOURNAL tells of, and print where it is."""
    try:
        text = html(read(journal))
        page = output or journal.with_suffix(".html")
        _write(page, text, journal)
    except SelfbalanceError as error:
        raise click.ClickException(str(error)) from None
    click.echo(page)


def _write(page: Path, text: str, journal: Path) -> None:
    try:
        if page.exists() and page.samefile(journal):
            raise JournalError(f"{page} is the journal itself; name another file with --output")
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise JournalError(f"{page}: {error.strerror or error}") from None
