"""Where things lie on a node. All of it root's, none of it in /tmp."""

CONFIG = "/etc/keepalived/keepalived.conf"
STAGED_CONFIG = "/etc/keepalived/keepalived.conf.staged"
MODULES = "/etc/modules-load.d/selfbalance.conf"
SYSCTLS = "/etc/sysctl.d/60-selfbalance.conf"
VIP_UNIT = "/etc/systemd/system/selfbalance-vip.service"
WATCH_UNIT = "/etc/systemd/system/selfbalance-watch.service"
DROP_IN = "/etc/systemd/system/keepalived.service.d/selfbalance.conf"
GUARD = "/etc/keepalived/selfbalance-guard"
WATCH = "/etc/keepalived/selfbalance-watch"
MARKS = "/etc/keepalived/selfbalance-marks"
DEMOTION = "/var/lib/selfbalance/demotion"
LOCK = "/var/lib/selfbalance/lock"
UPGRADE = "/var/lib/selfbalance/upgrade"
"""The mark of an upgrade that goes on, or was interrupted."""
ROLLBACK = "/var/lib/selfbalance/rollback"
"""Packages as they were before an upgrade."""
UPGRADE_LOG = "/var/log/selfbalance-upgrade.log"
DRAINED = "/var/lib/selfbalance/drained"
FACTS = "/var/lib/selfbalance/facts"
EVENTS = "/run/selfbalance-watch/vrrp"
MARKER = "/run/selfbalance-marks"
DUMPS = "/run/selfbalance"
UNITS = "/etc/systemd/system"
NAMESPACE = "/run/netns/selfbalance"
"""Network namespace of the table that keepalived fills, where a standby mode sets it apart."""
STAGING = "/var/lib/selfbalance/staging"


def demotion(vrid: int | None) -> str:
    """Return the file that says how far a node stands back: in that VRRP instance, or the first."""
    return DEMOTION if vrid is None else f"{DEMOTION}-{vrid}"


def drained(node: str) -> str:
    """Return the file that says, on every director, that a realserver gets no new clients."""
    return f"{DRAINED}-{node}"
