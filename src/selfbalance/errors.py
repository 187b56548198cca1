"""The one tree of errors: what happened, on which node or in which file, what to do next."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    _Base = Exception
else:
    # Inside a pyinfra run our errors are pyinfra's own kind: its command line says those in one
    # line, and everything else with a stack trace (pyinfra_cli/util.py, exec_file). Outside of a
    # run pyinfra is not imported for it. See docs/decisions/0003-errors-in-one-line.md.
    _Base = getattr(sys.modules.get("pyinfra.api.exceptions"), "PyinfraError", Exception)


# pyinfra_cli prefixes its line with the innermost frame, which is ours and tells the operator
# nothing where the message itself names the operator's own file. An error with this has no frames.
_NO_FRAMES = property(lambda _self: None, lambda _self, _traceback: None)


class SelfbalanceError(_Base):
    """Said to the operator in one line, without a stack trace."""


class DescriptionError(SelfbalanceError):
    """The cluster as described is wrong. Nothing was contacted.

    The message names the file, the key, what is wrong and what would be right.
    """

    if _Base is not Exception:
        __traceback__ = _NO_FRAMES


class PluginError(SelfbalanceError):
    """A plugin is wrong. The message names the plugin, where it stands and what it should be."""

    if _Base is not Exception:
        __traceback__ = _NO_FRAMES


class ObservationError(SelfbalanceError):
    """What a node reported could not be read. What could not be observed counts as bad."""


class SnapshotError(SelfbalanceError):
    """A snapshot could not be kept, or is none that may be used. The message names it, and why."""


class JournalError(SelfbalanceError):
    """A journal could not be written or read. The message names the file, the line, and why."""


class UpgradeError(SelfbalanceError):
    """An upgrade cannot begin. The message says why; nothing was touched."""


class VolumeError(SelfbalanceError):
    """A volume cannot become as described: what it is, and what would be lost."""
