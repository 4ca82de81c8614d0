"""`gatecrash init TARGET`: write the contract that discovery finds; `init gradescope`: a ready autograder."""

from __future__ import annotations

import argparse
from pathlib import Path

from gatecrash.commands import absolute
from gatecrash.commands.course import write_gradescope
from gatecrash.commands.options import add_args
from gatecrash.commands.screen import Screen
from gatecrash.config.contract_writing import write_contract
from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.prerequisites import missing_instruments
from gatecrash.errors import UsageError
from gatecrash.language import say
from gatecrash.reports import terminal
from gatecrash.shell import command
from gatecrash.target.resolve import contract_beside, resolve


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "target", help="the target to look at; or gradescope, for a folder to upload (./gradescope is a target)"
    )
    add_args(parser)
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
        raise UsageError(
            say(
                "init takes one target; {folder} is one too many. --output names the file to write.",
                folder=options.folder,
            )
        )
    output = Path(options.output)
    if output.exists() and not options.force:
        raise UsageError(say("{output} exists already; --force overwrites it.", output=output))
    folder = SessionPool.new_folder()
    try:
        with SessionPool(folder) as session_pool:
            prepared = session_pool.prepare(absolute(options.target) or options.target)
    finally:
        SessionPool.remove_folder(folder)
    terminal.header(Screen(highlight=False, soft_wrap=True), prepared, missing_instruments(prepared.unseen))
    target, _ = resolve(absolute(options.target))
    output.write_text(write_contract(prepared.contract, target))
    print(
        say(
            "wrote {output}; change what is not as it should be, then run {command}",
            output=output,
            command=command("check", target=options.target, options=_read_back(options.target, output)),
        )
    )
    return 0


def _read_back(target: str, output: Path) -> tuple[str, ...]:
    """The options with which a run of the target reads what was written, where it does not by itself."""
    beside = contract_beside(str(absolute(target)))
    return () if beside is not None and beside.samefile(output) else ("--contract", str(output))


def _gradescope(folder: Path, *, force: bool) -> int:
    for path in write_gradescope(folder, force=force):
        print(say("wrote {path}", path=path))
    print(
        say(
            "say in {contract} what is promised and what it is worth; {readme} has the rest",
            contract=folder / "gatecrash.toml",
            readme=folder / "README.md",
        )
    )
    return 0
