"""The command `gatecrash`."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import traceback
from importlib import import_module

from gatecrash import __version__, languages
from gatecrash.commands.options import with_args
from gatecrash.errors import GatecrashError
from gatecrash.language import first_mentions, marked, say, spoken
from gatecrash.results import exit_codes
from gatecrash.text import safe_text

#: Each is a module of gatecrash.commands, imported when it is the one that runs: the others' imports take longer
#: than it takes to print a rule.
_COMMANDS = {
    "check": marked("judge a target: which rules of accept, fork and response it breaks"),
    "watch": marked("judge again whenever a source is saved, the broken rules first"),
    "explain": marked("a rule: what it asks, why, the usual mistakes and their fixes"),
    "rules": marked("the rulebook, a line a rule"),
    "points": marked("how the score of the last run came about"),
    "show": marked("draw what happened when the last run broke a rule"),
    "replay": marked("play the scenario again that broke a rule"),
    "repro": marked("write a Python file that shows a broken rule without Gatecrash"),
    "doctor": marked("what can be observed on this machine"),
    "init": marked("write the contract (gatecrash.toml) that discovery finds"),
    "serve": marked("run a reference server, or a faulty one"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code (gatecrash.results.exit_codes)."""
    given = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that has no UTF-8 gets escapes, and not a traceback
            stream.reconfigure(errors="backslashreplace")
    try:
        asked, given = _language(given)
        languages.use(asked)
        options = _parser(given).parse_args(given)
        if getattr(options, "args", None) is not None:
            options.target = with_args(options.target, options.args)
    except SystemExit as stop:
        return exit_codes.of_error(stop)
    except GatecrashError as error:
        print(f"gatecrash: {error}", file=sys.stderr)
        return exit_codes.of_error(error)
    # Strategies that other libraries register with Hypothesis are of no use here, and cost time at each start.
    os.environ.setdefault("HYPOTHESIS_NO_PLUGINS", "1")
    module = import_module(f"gatecrash.commands.{options.command}")
    # SIGTERM ends a run as Ctrl-C does, with everything it started ended first; a shell's background job has
    # SIGINT ignored, and would not hear of it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with first_mentions():
            code: int = module.run(options)
    except GatecrashError as error:
        print(f"gatecrash: {error}", file=sys.stderr)
        return exit_codes.of_error(error)
    except KeyboardInterrupt as interrupt:
        print(say("gatecrash: interrupted; everything it started is ended."), file=sys.stderr)
        return exit_codes.of_error(interrupt)
    except BrokenPipeError as nobody_reads:
        return exit_codes.of_error(nobody_reads)
    except Exception as fault:  # noqa: BLE001 - a fault of ours must never read as "does not conform"
        traceback.print_exc()
        print(say("Gatecrash itself failed: {fault}", fault=safe_text(repr(fault))), file=sys.stderr)
        return exit_codes.of_error(fault)
    return code


def _language(given: list[str]) -> tuple[str | None, list[str]]:
    """The language asked for, and the arguments without it: wherever it stands, all else is said in it."""
    parser = argparse.ArgumentParser(prog="gatecrash", add_help=False, allow_abbrev=False)
    _add_lang(parser)
    asked, rest = parser.parse_known_args(given)
    return asked.lang, rest


def _add_lang(parser: argparse.ArgumentParser) -> None:
    known = " or ".join(languages.LANGUAGES)
    parser.add_argument(
        "--lang", metavar="LANGUAGE", help=say("{known} (default: the locale's, as LANG names it)", known=known)
    )


def _parser(given: list[str]) -> argparse.ArgumentParser:
    """The parser, with the options of the one command that is named."""
    parser = argparse.ArgumentParser(prog="gatecrash", description=say("The rudest client your server will ever meet."))
    parser.add_argument("--version", action="version", version=f"gatecrash {__version__}")
    _add_lang(parser)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    named = next((word for word in given if word in _COMMANDS), None)
    for name, sentence in _COMMANDS.items():
        said = spoken(sentence)
        command = commands.add_parser(name, help=said, description=said[0].upper() + said[1:] + ".")
        if name == named:
            import_module(f"gatecrash.commands.{name}").add(command)
            _add_lang(command)
            _speak(command)
    _speak(parser)
    return parser


#: What argparse says of itself where --help is asked for.
_OF_ARGPARSE = (
    marked("show this help message and exit"),
    marked("show program's version number and exit"),
    marked("positional arguments"),
    marked("options"),
)


def _speak(parser: argparse.ArgumentParser) -> None:
    """Say what --help shows in the language that is spoken; the commands write it in English."""
    for action in parser._actions:
        action.help = spoken(action.help) if action.help else action.help
    for group in parser._action_groups:
        group.title = spoken(group.title) if group.title else group.title


if __name__ == "__main__":
    sys.exit(main())
