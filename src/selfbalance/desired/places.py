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
FACTS = "/var/lib/selfbalance/facts"
EVENTS = "/run/selfbalance-watch/vrrp"
MARKER = "/run/selfbalance-marks"
DUMPS = "/run/selfbalance"
UNITS = "/etc/systemd/system"
STAGING = "/var/lib/selfbalance/staging"


def demotion(vrid: int | None) -> str:
    """Return the file that says how far a node stands back: in that VRRP instance, or the first."""
    return DEMOTION if vrid is None else f"{DEMOTION}-{vrid}"
