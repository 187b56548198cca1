"""Upgrade a component node by node:  --data component=keepalived|packages|reboot"""

from selfbalance.deploys import upgrade

upgrade()
