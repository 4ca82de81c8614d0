"""Puts suites, strategies, servers and the rules' pages into the wheel under gatecrash/_bundle.

An editable install uses the checkout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_CARRIED = ("conftest.py", "suites", "strategies", "servers", "docs/rules")


class BundleHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the tree to a standard wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before the wheel is written; `version` is "standard" or "editable"."""
        if version != "standard":
            return
        root = Path(self.root)
        for name in _CARRIED:
            for path in [root / name, *(root / name).rglob("*")]:
                if path.is_file() and "__pycache__" not in path.parts:
                    build_data["force_include"][str(path)] = f"gatecrash/_bundle/{path.relative_to(root)}"
