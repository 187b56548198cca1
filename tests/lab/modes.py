"""The standby modes that every test of `in_every_mode` goes through."""

MODES = ("backup-only", "source-mac", "snapshot")
