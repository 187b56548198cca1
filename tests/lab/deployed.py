"""What the tests of this folder say of a deployed cluster: the shipped words."""

from selfbalance.testing import VIP, VIP6, Run, Site, problems

__all__ = ["VIP", "VIP6", "Run", "Site", "problems"]
