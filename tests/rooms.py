"""Prints the rooms of the engine as docs/architecture.md shows them: `python -m tests.rooms`."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

_ROOT = Path(__file__).parents[1]
PAGE = _ROOT / "docs" / "architecture.md"
START, END = "<!-- rooms: made by `python -m tests.rooms` -->", "<!-- rooms end -->"


def layers() -> list[list[str]]:
    """The rooms, from the door down, as the contract of import-linter in pyproject.toml has them."""
    tool = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    contract = next(one for one in tool["contracts"] if one["type"] == "layers")
    return [[name.strip() for name in line.split("|")] for line in contract["layers"]]


def table() -> str:
    """A row for each room: what its own docstring says of it first."""
    rows = ["| room | what lives there |", "|---|---|"]
    for names in layers():
        rows += [_row(name) for name in names]
    return "\n".join([START, *rows, END])


def renewed(page: str) -> str:
    """The page with its table made anew."""
    before, _, rest = page.partition(START)
    return before + table() + rest.partition(END)[2]


def _row(name: str) -> str:
    folder = _ROOT / "gatecrash" / name
    source = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    said = (ast.get_docstring(ast.parse(source.read_text())) or "").partition("\n")[0]
    return f"| `{name}{'/' if folder.is_dir() else '.py'}` | {said} |"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(renewed(PAGE.read_text()))
    else:
        print(table())
