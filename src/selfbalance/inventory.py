"""For inventories: from a described cluster to the hosts that pyinfra works on."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from selfbalance.deployment import Deployment, deployment
from selfbalance.model import Cluster, Node

DATA_KEY = "selfbalance"


def hosts(
    description: Cluster | str | Path, plugins: Iterable[ModuleType] = (), **data: object
) -> list[tuple[str, dict[str, object]]]:
    """Return the pyinfra group of a cluster, given in code or as the path of a TOML file.

    A relative path starts from the folder of the calling file. `plugins` are modules that have
    hooks, beside those of the drop-in folder and of packages (loading.py). `data` is pyinfra's, for
    every host: `ssh_user="root"`, `_sudo=True`. Raises `DescriptionError` or `PluginError` in one
    line, before anything is contacted.

    **Example:**

        web = hosts("prod.toml", ssh_user="deploy", _sudo=True)
    """
    caller = Path(sys._getframe(1).f_code.co_filename)
    source = description if isinstance(description, Cluster) else Path(description)
    ready: Deployment = deployment(source, str(caller), caller.parent, plugins)
    return [
        (node.name, {DATA_KEY: ready, **_where_to_connect(node), **data})
        for node in ready.cluster.nodes
    ]


def _where_to_connect(node: Node) -> dict[str, object]:
    return {"ssh_hostname": node.ssh} if node.ssh else {}
