"""The user's files of a site that has none of its own: those of selfbalance's own repository.

tests/unit/testing/test_testing_site.py keeps them the same.
"""

USERS_FILES = {
    "config.py": '''\
"""pyinfra reads this file from the folder it is run in."""

from pyinfra import config

from selfbalance.rails import fail_percent, refuse_unsafe_flags

config.REQUIRE_PYINFRA_VERSION = ">=3.10,<4"

refuse_unsafe_flags()

# The first node that fails stops a change; a look goes on without it, and says so.
config.FAIL_PERCENT = fail_percent()
''',
    "deploys/cluster.py": '''\
"""Make the cluster as described:  pyinfra inventories/prod.py deploys/cluster.py"""

from selfbalance.deploys import cluster

cluster()
''',
    "deploys/status.py": '''\
"""Is the cluster healthy?  pyinfra inventories/prod.py deploys/status.py [--data output=PATH]"""

from selfbalance.deploys import status

status()
''',
    "deploys/handover.py": '''\
"""The MASTER that --data node=NAME names gives its VIPs to the next node, and loses nothing."""

from selfbalance.deploys import handover

handover()
''',
    "deploys/drain.py": '''\
"""Send a realserver no new clients:  --data node=NAME [--data timeout=SECONDS, 300 unless said]"""

from selfbalance.deploys import drain

drain()
''',
    "deploys/undrain.py": '''\
"""Send a drained realserver clients again:  --data node=NAME"""

from selfbalance.deploys import undrain

undrain()
''',
    "deploys/teardown.py": '''\
"""Take a node out of the cluster, as bare as before:  --data node=NAME [--data timeout=SECONDS]"""

from selfbalance.deploys import teardown

teardown()
''',
    "deploys/upgrade.py": '''\
"""Upgrade a component node by node:  --data component=keepalived|packages|reboot"""

from selfbalance.deploys import upgrade

upgrade()
''',
}
