"""Send a drained realserver clients again:  --data node=NAME"""

from selfbalance.deploys import undrain

undrain()
