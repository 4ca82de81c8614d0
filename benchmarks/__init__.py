"""Measurements, each run by itself with `python -m`."""
