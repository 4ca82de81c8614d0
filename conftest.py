"""Loads Gatecrash's side of pytest: the options, the fixture `trial`, how a broken rule is told."""

pytest_plugins = ["gatecrash.plugin"]
