"""Make the cluster as described:  pyinfra inventories/prod.py deploys/cluster.py"""

from selfbalance.deploys import cluster

cluster()
