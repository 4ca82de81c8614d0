"""The commands of `gatecrash`: one module each, with `add` (its options) and `run` (returns the exit code)."""
