"""The conformance suites: one file for each swap point."""
