"""Take a node out of the cluster, as bare as before:  --data node=NAME [--data timeout=SECONDS]"""

from selfbalance.deploys import teardown

teardown()
