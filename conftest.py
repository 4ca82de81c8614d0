"""Loads Gatecrash's side of pytest: the options, the fixture `trial`, the record of verdicts."""

pytest_plugins = ["gatecrash.plugin"]
