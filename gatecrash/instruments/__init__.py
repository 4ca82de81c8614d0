"""Kernel interfaces: what a server does, seen (and held) from outside."""
