"""Gatecrash: the rudest client your server will ever meet."""

__version__ = "0.1.0"
