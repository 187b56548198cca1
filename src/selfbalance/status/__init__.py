"""Room: showing a look at the cluster, to a person and to a machine. Decides nothing."""

from selfbalance.status.screen import show, status
from selfbalance.status.summary import as_json, node_row

__all__ = ["as_json", "node_row", "show", "status"]
