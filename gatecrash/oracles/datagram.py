"""Oracles of this area."""
