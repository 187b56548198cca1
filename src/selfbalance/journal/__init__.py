"""Room: what a run leaves behind. Written line by line, read back, told as one HTML page."""

from selfbalance.journal.reading import History, read
from selfbalance.journal.records import (
    End,
    Gates,
    Look,
    Probes,
    Record,
    Result,
    Run,
    SeenNode,
    Step,
)
from selfbalance.journal.report import html
from selfbalance.journal.writing import Journal

__all__ = [
    "End",
    "Gates",
    "History",
    "Journal",
    "Look",
    "Probes",
    "Record",
    "Result",
    "Run",
    "SeenNode",
    "Step",
    "html",
    "read",
]
