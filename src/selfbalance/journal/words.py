"""Numbers as a person reads them in a report."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """Return `1 node`, `1,200 nodes`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def seconds_in_words(seconds: float) -> str:
    """Return `0.4 s`, `42.1 s`, `5 min 12 s`, `1 h 0 min 3 s`."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min {rest} s" if hours else f"{minutes} min {rest} s"
