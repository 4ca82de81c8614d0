"""The command `gatecrash`."""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import sys
import traceback
from collections.abc import Collection
from difflib import get_close_matches
from importlib import import_module
from typing import NoReturn

from gatecrash import __version__, languages, shell
from gatecrash.commands.options import with_args
from gatecrash.errors import GatecrashError, UsageError
from gatecrash.language import did_you_mean, first_mentions, marked, say, spoken
from gatecrash.results import exit_codes
from gatecrash.text import safe_text

#: Each is a module of gatecrash.commands, imported when it is the one that runs: the others' imports take longer
#: than it takes to print a rule.
_COMMANDS = {
    "check": marked("judge a target: which rules of accept, fork and response it breaks"),
    "watch": marked("judge again whenever a source is saved, the broken rules first"),
    "explain": marked("a rule: what it asks, why, the usual mistakes and their fixes"),
    "rules": marked("the rulebook, a line a rule"),
    "grade": marked("judge a class of submissions, and say what each is worth"),
    "points": marked("how the score of the last run came about"),
    "show": marked("draw what happened when the last run broke a rule"),
    "replay": marked("play the scenario again that broke a rule"),
    "repro": marked("write a Python file that shows a broken rule without Gatecrash"),
    "doctor": marked("what can be observed on this machine"),
    "init": marked("write the contract (gatecrash.toml) that discovery finds"),
    "serve": marked("run a reference server, or a faulty one"),
    "completion": marked("print what teaches a shell to complete commands, options, rules and servers"),
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
        options = _parsed(given)
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


def _parsed(given: list[str]) -> argparse.Namespace:
    """What was asked for. Raises UsageError, with what was probably meant, for what no command takes."""
    parser = _parser(given)
    options, strange = parser.parse_known_args(given)
    if strange:
        raise UsageError(_not_taken(options.command, strange, given))
    return options


def _not_taken(command: str, strange: list[str], given: list[str]) -> str:
    """A word that this command does not take, and what to do about it."""
    word = strange[0]
    options = _options_of(command)
    said = say("gatecrash {command} does not take {word}.", command=command, word=shell.word(word))
    if word.startswith("-"):
        near = get_close_matches(word.partition("=")[0], options, n=1, cutoff=0.6)
        known = say("`gatecrash {command} --help` lists the options.", command=command)
        return f"{said}{f' {did_you_mean(near)}' if near else ''} {known}"
    if "--args" not in options:
        return f"{said} {say('`gatecrash {command} --help` shows what it takes.', command=command)}"
    return f"{said} " + say(
        "It takes one target. Words for the server are its arguments: --args {words}",
        words=shell.word(" ".join(["{port}", *(one for one in strange if not one.startswith("-"))])),
    )


def _options_of(command: str) -> list[str]:
    """The options of one command."""
    alone = argparse.ArgumentParser(add_help=False)
    import_module(f"gatecrash.commands.{command}").add(alone)
    _add_lang(alone)
    return [*alone._option_string_actions, "--help"]


class _Parser(argparse.ArgumentParser):
    """One that says what was probably meant."""

    def error(self, message: str) -> NoReturn:
        """The message, with the word that is nearest to a wrong one."""
        wrong = _CHOICE.search(message)
        if wrong is not None:
            near = get_close_matches(wrong[1], re.findall(r"[\w./-]+", wrong[2]), n=1, cutoff=0.6)
            message += f". {did_you_mean(near)}" if near else ""
        super().error(message)


#: How argparse says that a word is none of those it may be.
_CHOICE = re.compile(r"invalid choice: '(.*)' \(choose from (.*)\)")


def _parser(given: Collection[str]) -> argparse.ArgumentParser:
    """The parser, with the options of the first command that is named; of all, where all are."""
    parser = _Parser(prog="gatecrash", description=say("The rudest client your server will ever meet."))
    parser.add_argument("--version", action="version", version=f"gatecrash {__version__}")
    _add_lang(parser)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    every = set(given) >= set(_COMMANDS)
    named = next((word for word in given if word in _COMMANDS), None)
    for name, sentence in _COMMANDS.items():
        said = spoken(sentence)
        command = commands.add_parser(name, help=said, description=said[0].upper() + said[1:] + ".")
        if name == "completion":
            command.set_defaults(whole=lambda: _parser(list(_COMMANDS)))
        if name == named or every:
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
