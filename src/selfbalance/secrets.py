"""Where secrets come from: the environment or a file of the controller, read late, kept nowhere."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from selfbalance.errors import DescriptionError
from selfbalance.model import Cluster, Secret

# keepalived takes at most 8 characters and reads a line by words (keepalived.conf(5), auth_pass).
_VRRP_PASSWORD = re.compile(r"[A-Za-z0-9._%+=,:/-]{1,8}")


def resolve(cluster: Cluster, place: str, base: Path) -> dict[Secret, str]:
    """Return the value of every secret that the cluster names.

    `base` is the folder that relative paths start from. Raises `DescriptionError` for one that is
    unset, unreadable or of no use; its message never holds the value.
    """
    reference = cluster.vrrp.password
    if reference is None:
        return {}
    value = _read(reference, f"{place}: vrrp.password", os.environ, base)
    if not _VRRP_PASSWORD.fullmatch(value):
        raise DescriptionError(
            f"{place}: vrrp.password: the value of '{reference}' is not usable; "
            "a VRRP password has 1 to 8 letters, digits or ._%+=,:/-"
        )
    return {reference: value}


def _read(secret: Secret, key: str, environ: Mapping[str, str], base: Path) -> str:
    if secret.kind == "env":
        if secret.place not in environ:
            raise DescriptionError(
                f"{key}: the environment has no {secret.place}; set it: "
                f"export {secret.place}=...; nothing was contacted"
            )
        return environ[secret.place]
    try:
        return (base / secret.place).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DescriptionError(
            f"{key}: cannot read '{secret.place}': {reason}; nothing was contacted"
        ) from None
