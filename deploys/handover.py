"""The MASTER that --data node=NAME names gives its VIPs to the next node, and loses nothing."""

from selfbalance.deploys import handover

handover()
