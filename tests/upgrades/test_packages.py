"""Packages that upgrades are tried with: apt installs them, and they are as good or bad as said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab_fixtures import running
from packages import (
    installed,
    keepalived_that_ends_at_once,
    keepalived_that_only_answers,
    newer_keepalived,
    newer_nginx,
)

from selfbalance.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

NODE = "web1"
UP = "systemctl is-active keepalived"
CONF = """\
vrrp_instance one {
    interface eth0
    virtual_router_id 7
    virtual_ipaddress { 192.0.2.7 }
}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A node with a keepalived that runs."""
    with running("packages", tmp_path_factory.mktemp("state"), nodes=1) as lab:
        lab.run(NODE, "apt-get update -q && apt-get install -qy keepalived", timeout=120)
        lab.run(NODE, "cat > /etc/keepalived/keepalived.conf", input=CONF)
        lab.run(NODE, "systemctl restart keepalived")
        yield lab


@pytest.mark.parametrize("answers", [False, True])
def test_a_keepalived_that_does_not_start_is_installed_all_the_same(
    lab: Lab, answers: bool
) -> None:
    before = installed(lab, NODE, "keepalived")
    version = (keepalived_that_only_answers if answers else keepalived_that_ends_at_once)(lab)
    _install(lab, f"keepalived={version}")
    assert installed(lab, NODE, "keepalived") == version
    assert lab.run(NODE, UP, check=False).returncode != 0
    assert (lab.run(NODE, "keepalived -v", check=False).returncode == 0) is answers
    config = "/etc/keepalived/keepalived.conf"
    assert (lab.run(NODE, f"keepalived -t -f {config}", check=False).returncode == 0) is answers

    lab.withdraw("keepalived", version)
    _install(lab, f"--allow-downgrades keepalived={before}")
    lab.run(NODE, UP)


def test_the_next_debians_keepalived_is_installed_by_apt_alone(lab: Lab) -> None:
    version = newer_keepalived(lab)
    others = "dpkg-query -W -f '${Package} ${Version}\\n' | grep -v ^keepalived"
    before = lab.run(NODE, others).stdout
    _install(lab, f"keepalived={version}")
    lab.run(NODE, UP)
    upstream = version.partition(":")[2].partition("-")[0]
    assert f"Keepalived v{upstream}" in lab.run(NODE, "keepalived -v 2>&1").stdout
    assert lab.run(NODE, others).stdout == before


def test_a_newer_nginx_answers_as_the_lab_wants_it(lab: Lab) -> None:
    version = newer_nginx(lab)
    _install(lab, "nginx")
    assert {installed(lab, NODE, package) for package in ("nginx", "nginx-common")} == {version}
    url = f"http://{lab.node(NODE).address}"
    with lab.load(url, sessions=3, duration=2, session_seconds=2) as load:
        report = load.report()
    assert (report.failed_probes, report.lost_sessions) == ([], [])
    assert {probe.node for probe in report.probes} == {NODE}


def _install(lab: Lab, what: str) -> None:
    command = f"apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy {what}"
    lab.run(NODE, command, timeout=180)
