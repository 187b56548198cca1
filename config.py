"""pyinfra reads this file from the folder it is run in."""

from pyinfra import config

from selfbalance.rails import fail_percent, refuse_unsafe_flags

config.REQUIRE_PYINFRA_VERSION = ">=3.10,<4"

refuse_unsafe_flags()

# The first node that fails stops a change; a look goes on without it, and says so.
config.FAIL_PERCENT = fail_percent()
