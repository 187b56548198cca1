"""Changing a live cluster, under load: what is bad is caught at the canary, and nothing is lost.

tests/changes measures changes that are good.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from deployed import VIP, Run, Site, problems
from packages import installed

from selfbalance.desired import places
from selfbalance.lab.load import Probe, Report
from selfbalance.loading import FOLDER
from selfbalance.testing.stalls import noted_stalls

pytestmark = pytest.mark.timeout(900)

MANAGED = "/etc/keepalived /etc/sysctl.d /etc/systemd/system /etc/modules-load.d"
SESSIONS = 60
OLDER = "bullseye"
CALM = "detection='calm'"
NOBODY_LISTENS = (
    f"{CALM}, services=[Service(name='http', port=80), Service(name='none', port=81)]",
    "nothing listens on 192.0.2.10 port 81",
)
ALWAYS_FAILS = (
    f"{CALM}, services=[Service(name='http', port=80, "
    "check=Check(kind='http', path='/not-there'))]",
    "its check fails",
)
NEWER_WORD = '''
from selfbalance.plugins import Scheduler, hook


@hook
def register_schedulers(register):
    """Register `named`, which asks keepalived for what 2.1 does not know yet."""
    word = "snmp_name web"
    register("named", Scheduler("mh", "with a name", default_flags=("mh-port", word)))
'''


def state(site: Site) -> dict[str, str]:
    """What every node has: files, what its kernel is told, and its table without counters."""
    look = (
        f"find {MANAGED} /var/lib/selfbalance/description -type f ! -name '*.staged' "
        "| sort | xargs sha256sum; sysctl net.ipv4.conf.all.arp_ignore net.ipv4.vs.backup_only; "
        "ipvsadm --save --numeric | sort; ls /var/lib/selfbalance/kept 2>/dev/null; true"
    )
    return {name: site.lab.run(name, look).stdout for name in site.powered()}


def changed(
    site: Site, changes: str, *flags: str, env: Mapping[str, str] | None = None
) -> tuple[Run, Report, list[Probe]]:
    """Run cluster.py with another description, under load; what a client met, and what failed."""
    load = site.lab.steady_load(f"http://{VIP}", sessions=SESSIONS, probe_interval=0.05)
    with noted_stalls() as stalls, load:
        time.sleep(1)
        run = site.pyinfra("cluster", "-y", *flags, inventory=site.inventory(changes), env=env)
        time.sleep(3)
        report = load.report()
    failed = [probe for probe in report.failed_probes if not stalls.excuse(probe)]
    return run, report, failed


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param(*NOBODY_LISTENS, id="a port where nobody listens"),
        pytest.param(*ALWAYS_FAILS, id="a check that always fails"),
    ],
)
def test_what_keepalived_accepts_and_serves_nobody_is_caught_at_the_canary(
    calm: Site, changes: str, said: str
) -> None:
    before, backup = state(calm), calm.backups()[0]
    run, report, failed = changed(calm, changes)
    assert run.code == 1, run.text
    assert f"after {backup}: " in run.text
    assert said in run.text
    assert f"put back, and as before: {backup}; not touched: " in run.text
    assert (failed, Counter(s.outcome for s in report.lost_sessions)) == ([], Counter())
    assert state(calm) == before
    status = calm.status()
    assert status["healthy"], problems(status)


@pytest.fixture
def older(calm: Site) -> Iterator[str]:
    """A BACKUP whose keepalived is that of the Debian before."""
    node = calm.backups()[-1]
    now = installed(calm.lab, node, "keepalived")
    version = calm.lab.publish_from(OLDER, "keepalived")
    try:
        _install(calm, node, version)
        yield node
    finally:
        _install(calm, node, now)
        calm.lab.withdraw("keepalived", version)
        calm.wait_until_healthy()


def _install(site: Site, node: str, version: str) -> None:
    apt = "DEBIAN_FRONTEND=noninteractive apt-get -qq -y"
    site.lab.run(
        node,
        f"apt-get -qq update; {apt} -o Dpkg::Options::=--force-confold --allow-downgrades install "
        f"keepalived={version}",
        timeout=200,
    )


def test_what_only_an_older_keepalived_refuses_changes_nothing_on_any_node(
    calm: Site, older: str, tmp_path: Path
) -> None:
    """keepalived 2.1.5 knows no `snmp_name` in a virtual server; 2.2.7 does."""
    (tmp_path / "named.py").write_text(NEWER_WORD)
    before = state(calm)
    run, report, failed = changed(calm, _scheduled("named"), env={FOLDER: str(tmp_path)})
    assert run.code == 1, run.text
    assert f"[{older}] keepalived refuses {places.STAGED_CONFIG}" in run.text
    assert "Unknown keyword 'snmp_name'" in run.text
    assert "Starting operation: Self-balancing cluster | Prepare the node" not in run.text
    assert (failed, Counter(s.outcome for s in report.lost_sessions)) == ([], Counter())
    assert state(calm) == before


def _scheduled(name: str) -> str:
    return f"{CALM}, services=[Service(name='http', port=80, scheduler={name!r})]"


def test_peers_change_their_dialect_in_one_moment_and_back(calm: Site) -> None:
    """VRRP 3 to 2: adverts of the one are none to the other, so nobody may lag behind."""
    before = state(calm)
    version_2 = f"{CALM}, vrrp=VrrpOptions(version=2)"
    for flags in ((), ("--data", "rollback=true")):
        run, report, failed = changed(calm, version_2, *flags)
        assert run.code == 0, run.text
        assert "at the same second" in run.text
        assert (failed, Counter(s.outcome for s in report.lost_sessions)) == ([], Counter())
    after = state(calm)
    assert {n: _without_kept(text) for n, text in after.items()} == {
        n: _without_kept(text) for n, text in before.items()
    }


def _without_kept(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.isdigit()]
