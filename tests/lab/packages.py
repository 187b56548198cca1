"""Packages to upgrade the nodes to: newer ones, and ones that do not work."""

from __future__ import annotations

from pathlib import Path

from selfbalance.lab import Lab

NEWER_DEBIAN = "trixie"
KEEPALIVED = "usr/sbin/keepalived"
_ENDS_AT_ONCE = "#!/bin/sh\nexit 1\n"
_ONLY_ANSWERS = f"""\
#!/bin/sh
for word; do
    case $word in
        -t* | --config-test* | -v | --version | --signum*) exec /{KEEPALIVED}.real "$@" ;;
    esac
done
exit 1
"""


def newer_keepalived(lab: Lab) -> str:
    """Publish a real newer keepalived, that of the next Debian; returns its version.

    The first time on a machine it is built, which takes about two minutes.
    """
    return lab.publish_from(NEWER_DEBIAN, "keepalived")


def newer_nginx(lab: Lab) -> str:
    """Publish nginx under a higher version, as Debian does it: both of its packages in step.

    nginx-common is the one that restarts the service; the nodes keep the lab's nginx.conf.
    """
    version = lab.publish("nginx")
    lab.publish("nginx-common", version)
    return version


def keepalived_that_ends_at_once(lab: Lab) -> str:
    """Publish a keepalived whose program ends with 1, whatever it is asked; returns its version."""
    return lab.publish("keepalived", change=_ends_at_once)


def keepalived_that_only_answers(lab: Lab) -> str:
    """Publish one that tells its version and tests a configuration well, but does not start."""
    return lab.publish("keepalived", change=_only_answers)


def installed(lab: Lab, node: str, package: str) -> str:
    """The version that a node has."""
    return lab.run(node, f"dpkg-query -W -f '${{Version}}' {package}").stdout


def _ends_at_once(tree: Path) -> None:
    _replace(tree / KEEPALIVED, _ENDS_AT_ONCE)


def _only_answers(tree: Path) -> None:
    (tree / KEEPALIVED).rename(tree / f"{KEEPALIVED}.real")
    _replace(tree / KEEPALIVED, _ONLY_ANSWERS)


def _replace(program: Path, script: str) -> None:
    program.write_text(script)
    program.chmod(0o755)
