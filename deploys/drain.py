"""Send a realserver no new clients:  --data node=NAME [--data timeout=SECONDS, 300 unless said]"""

from selfbalance.deploys import drain

drain()
