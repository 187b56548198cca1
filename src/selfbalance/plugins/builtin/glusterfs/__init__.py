"""Component `glusterfs`: the volumes that the nodes share. Needed where one is described.

What is done on a node stands in the scripts beside this file.
"""

from __future__ import annotations

import shlex
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from selfbalance.model import Cluster, Node
from selfbalance.plugins.spec import Register, hook
from selfbalance.plugins.things import Agreement, Component, Upgrade

#: All that glusterfs-server consists of in each version: apt takes none of them back by itself.
PACKAGES = (
    "glusterfs-server", "glusterfs-client", "glusterfs-common", "glusterfs-cli", "libglusterfs0",
    "libgfapi0", "libgfrpc0", "libgfxdr0", "libgfchangelog0",
)  # fmt: skip

_STATE = "var/lib/glusterd etc/glusterfs"
_INFO = "/var/lib/glusterd/vols/*/info"
_DROP_IN = "/run/systemd/system/glusterd.service.d/selfbalance-agreement.conf"
_TIMER = "selfbalance-agreement"
_PATIENCE_S = 60


@cache
def _scripts() -> Environment:
    return Environment(
        loader=PackageLoader(__name__, ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - shell, not HTML; values are quoted, or are ours
    )


def _script(name: str, **values: str) -> str:
    """Return a script of this folder, filled in."""
    return _scripts().get_template(f"{name}.sh").render(patience_s=_PATIENCE_S, **values).rstrip()


def _of(cluster: Cluster, name: str) -> str:
    return _script(
        name,
        mounts=" ".join(shlex.quote(volume.mount_unit) for volume in cluster.volumes),
        volumes=" ".join(shlex.quote(volume.name) for volume in cluster.volumes),
        state=_STATE,
    )


def _has_volumes(cluster: Cluster) -> bool:
    """Whether there is a volume."""
    return bool(cluster.volumes)


def _stop(cluster: Cluster, _node: Node) -> str:
    """Unmount, end glusterd and its bricks, and keep a copy of what it knows."""
    return _of(cluster, "stop")


def _start(cluster: Cluster, _node: Node) -> str:
    """Start glusterd twice, mount, and ask for heals."""
    return _of(cluster, "start")


def _restore(cluster: Cluster, _node: Node) -> str:
    """Put back what glusterd knew."""
    return _of(cluster, "restore")


def _finalize(cluster: Cluster) -> str:
    """Raise the op-version to the highest that all know."""
    return _of(cluster, "finalize")


def _agreement() -> Agreement:
    """Return how nfs.disable is taken out of every volume's file on every node."""
    words = {"info": _INFO, "drop_in": _DROP_IN, "timer": _TIMER}
    end = _script("agree_end", **words)
    return Agreement(
        begin=_script("agree_begin", end=shlex.quote(end), **words),
        end=end,
        undo=_script("agree_undo", **words),
    )


GLUSTERFS = Component(
    description="the volumes that the nodes share, where one is described",
    packages=("glusterfs-server",),
    units=("glusterd.service",),
    needed=_has_volumes,
    upgrade=Upgrade(
        packages=PACKAGES,
        stop=_stop,
        start=_start,
        restore=_restore,
        agreement=_agreement(),
        finalize=_finalize,
    ),
)


@hook
def register_components(register: Register[Component]) -> None:
    """Register `glusterfs`."""
    register("glusterfs", GLUSTERFS)
