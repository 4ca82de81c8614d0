"""`gatecrash init TARGET`: write the contract that discovery finds; `init gradescope`: a ready autograder."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from gatecrash.commands import absolute
from gatecrash.contract_file import write_contract
from gatecrash.course import write_gradescope
from gatecrash.errors import UsageError
from gatecrash.judging import missing_instruments
from gatecrash.reports import terminal
from gatecrash.target import resolve
from gatecrash.workshop import Workshop


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "target", help="the target to look at; or gradescope, for a folder to upload (./gradescope is a target)"
    )
    parser.add_argument("folder", nargs="?", help="where the gradescope folder goes (default: gradescope)")
    parser.add_argument(
        "--output", default="gatecrash.toml", metavar="FILE", help="where to write (default: gatecrash.toml)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite what is there")


def run(options: argparse.Namespace) -> int:
    """Discover, write, say so."""
    if options.target == "gradescope":
        return _gradescope(Path(options.folder or "gradescope"), force=options.force)
    if options.folder is not None:
        raise UsageError(f"init takes one target; {options.folder} is one too many. --output names the file to write.")
    output = Path(options.output)
    if output.exists() and not options.force:
        raise UsageError(f"{output} exists already; --force overwrites it.")
    folder = Workshop.new_folder()
    try:
        with Workshop(folder) as workshop:
            prepared = workshop.prepare(absolute(options.target) or options.target)
    finally:
        Workshop.remove_folder(folder)
    terminal.header(Console(highlight=False, soft_wrap=True), prepared, missing_instruments(prepared.unseen))
    target, _ = resolve(absolute(options.target))
    output.write_text(write_contract(prepared.contract, target))
    print(f"wrote {output}; change what is not as it should be, then run gatecrash check {options.target}")
    return 0


def _gradescope(folder: Path, *, force: bool) -> int:
    for path in write_gradescope(folder, force=force):
        print(f"wrote {path}")
    print(
        f"say in {folder / 'gatecrash.toml'} what is promised and what it is worth; {folder / 'README.md'} has the rest"
    )
    return 0
