"""`gatecrash repro ID [TARGET]`: one Python file, standard library only, that shows the broken rule."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gatecrash.commands.options import add_broken_rule
from gatecrash.commands.remembered import remembered
from gatecrash.errors import UsageError
from gatecrash.language import say
from gatecrash.reproduction import script
from gatecrash.rulebook import load
from gatecrash.shell import word


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add_broken_rule(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write it (default: repro_ID.py; - for stdout)")


def run(options: argparse.Namespace) -> int:
    """0 when the script was written. Raises UsageError where none can show the fault."""
    rule = load().get(options.rule)
    saved = remembered(options.target)
    _, verdict = saved.broken(rule.id)
    prepared = saved.record.prepared
    text = script(verdict, rule, prepared.contract, saved.record.named, prepared.address)
    name = options.output or f"repro_{rule.id.lower().replace('-', '_')}.py"
    if name == "-":
        sys.stdout.write(text)
        return 0
    path = Path(name)
    try:
        path.write_text(text)
        path.chmod(0o755)
    except OSError as error:
        raise UsageError(
            say("--output {name}: it cannot be written: {strerror}.", name=name, strerror=error.strerror)
        ) from None
    print(say("{path} is written. Start the server, then: {command}", path=path, command=f"python3 {word(name)} PORT"))
    return 0
