"""What can go wrong in the lab, as one line that names the next command."""

from __future__ import annotations

from selfbalance.errors import SelfbalanceError


class LabError(SelfbalanceError):
    """The lab, or one of its nodes, is not what was asked for."""


class MissingOnHost(LabError):  # noqa: N818 - it names an outcome, not an accident
    """Something that the lab needs is not on this machine. The message names the fix."""
