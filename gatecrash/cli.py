"""The command `gatecrash`."""

from __future__ import annotations

import argparse
import signal
import sys
from types import ModuleType

from gatecrash import __version__
from gatecrash.commands import check, doctor, explain, init, replay, rules, serve
from gatecrash.errors import GatecrashError

_COMMANDS: dict[str, tuple[ModuleType, str]] = {
    "check": (check, "judge a target: which rules of accept, fork and response it breaks"),
    "explain": (explain, "a rule: what it asks, why, the usual mistakes and their fixes"),
    "rules": (rules, "the rulebook, a line a rule"),
    "replay": (replay, "play the scenario again that broke a rule"),
    "doctor": (doctor, "what can be observed on this machine"),
    "init": (init, "write the contract (gatecrash.toml) that discovery finds"),
    "serve": (serve, "run a reference server, or a faulty one"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 conforming, 1 not, 2 interrupted, 3 our fault, 4 usage, 5 nothing ran, 6 the target did not build or start.
    """
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:
        return 4 if stop.code else 0
    module, _ = _COMMANDS[options.command]
    # SIGTERM ends a run as Ctrl-C does, with everything it started ended first; a shell's background job has
    # SIGINT ignored, and would not hear of it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        code: int = module.run(options)
    except GatecrashError as error:
        print(f"gatecrash: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("gatecrash: interrupted; everything it started is ended.", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gatecrash", description="The rudest client your server will ever meet.")
    parser.add_argument("--version", action="version", version=f"gatecrash {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, sentence) in _COMMANDS.items():
        module.add(commands.add_parser(name, help=sentence, description=sentence[0].upper() + sentence[1:] + "."))
    return parser


if __name__ == "__main__":
    sys.exit(main())
