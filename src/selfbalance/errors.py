"""The one tree of errors: what happened, on which node or in which file, what to do next."""

from __future__ import annotations


class SelfbalanceError(Exception):
    """Said to the operator in one line, without a stack trace."""


class DescriptionError(SelfbalanceError):
    """The cluster as described is wrong. Nothing was contacted.

    The message names the file, the key, what is wrong and what would be right.
    """


class PluginError(SelfbalanceError):
    """A plugin is wrong. The message names the plugin, where it stands and what it should be."""


class ObservationError(SelfbalanceError):
    """What a node reported could not be read. What could not be observed counts as bad."""
