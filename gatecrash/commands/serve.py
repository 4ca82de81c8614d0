"""`gatecrash serve NAME`: run a reference server, or a faulty one, in the foreground."""

from __future__ import annotations

import argparse
import subprocess
from difflib import get_close_matches
from pathlib import Path

from gatecrash.engine.preparation import SessionPool
from gatecrash.errors import UsageError
from gatecrash.language import say
from gatecrash.paths import tree_root
from gatecrash.target.build import build
from gatecrash.target.resolve import resolve


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "name", nargs="?", help="a server's name, such as c/http_fork or faulty/never_reaps (default: list them)"
    )
    parser.add_argument("--port", type=int, default=8080, help="the port (default: 8080)")


def servers() -> dict[str, Path]:
    """Every server of the tree by its name."""
    root = tree_root() / "servers"
    paths = sorted([*root.glob("*/*.c"), *root.glob("*/*.py")])
    return {
        f"{path.parent.name}/{path.stem}{path.suffix if path.parent.name == 'faulty' else ''}": path for path in paths
    }


def run(options: argparse.Namespace) -> int:
    """Build and run it until Ctrl-C."""
    known = servers()
    if options.name is None:
        print("\n".join(known))
        return 0
    path = _named(options.name, known)
    folder = SessionPool.new_folder()
    try:
        target, _ = resolve(str(path))
        built = build(target, folder)
        command = [word.replace("{port}", str(options.port)) for word in built.argv]
        print(say("{name} on port {port}; Ctrl-C ends it", name=path.name, port=options.port), flush=True)
        return subprocess.call(command)
    finally:
        SessionPool.remove_folder(folder)


def _named(name: str, known: dict[str, Path]) -> Path:
    wanted = [path for key, path in known.items() if name in (key, path.stem, path.name)]
    if not wanted:
        near = get_close_matches(name, known, n=3)
        hint = say(" Did you mean {names}?", names=" or ".join(near)) if near else ""
        raise UsageError(
            say("there is no server {name!r}.{hint} `gatecrash serve` lists them all.", name=name, hint=hint)
        )
    return wanted[0]
