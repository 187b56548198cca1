"""What every scheduler and every gate must hold, and what is special about these two."""

from selfbalance.testing import VIP, GateSuite, SchedulerSuite


class TestCanary(SchedulerSuite):
    name = "canary"

    def test_the_canary_gets_its_small_share(self, deployed):
        probes = deployed.lab.requests(f"http://{VIP}/", count=210)

        assert 5 <= [probe.node for probe in probes].count("web3") <= 15


class TestReleases(GateSuite):
    name = "releases"
    harm = "sed -i s/^VERSION_CODENAME=.*/VERSION_CODENAME=forky/ /etc/os-release"
    mend = "ln -sf ../usr/lib/os-release /etc/os-release"
