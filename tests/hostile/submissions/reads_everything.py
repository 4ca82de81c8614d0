"""Reads the contract, a canary, homes and other submissions. Expect: serves"""

import os

from hostile import attempt, got_away, read, serve

canary = os.environ["CANARY"]
secrets = os.path.dirname(canary)
for path in (
    canary,
    secrets,
    f"{os.path.dirname(secrets)}/neighbour/server.c",
    f"{os.path.dirname(secrets)}/course.toml",
):
    attempt(path, read, path)
for path in ("/etc/shadow", "/root/.ssh", "/root/.bashrc", "/home", "/var/lib", "/run", "/srv", "/boot", "/sys/kernel"):
    attempt(path, read, path)
for here, _, names in os.walk("/tmp"):
    got_away.extend(f"{here}/{name}" for name in names if name in ("canary", "course.toml") or name.endswith(".lock"))
serve()
