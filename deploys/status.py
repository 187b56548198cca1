"""Is the cluster healthy?  pyinfra inventories/prod.py deploys/status.py [--data output=PATH]"""

from selfbalance.deploys import status

status()
