"""Prints the README's picture: a real run on a faulty server, as SVG: `python -m tests.still > docs/still.svg`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from gatecrash.paths import tree_root
from gatecrash.reports import short, terminal
from gatecrash.results import last_run
from gatecrash.results.mending import to_mend
from gatecrash.results.record import RunRecord

#: A server that SIGPIPE ends: short to tell, and not to be seen without holding its `send`.
_SERVER = tree_root() / "servers" / "faulty" / "dies_of_sigpipe.c"
_TARGET = "server.c"
_COLUMNS = 96
_FONT_FACE = re.compile(r"@font-face \{\{.*?\}\}\n", re.DOTALL)


def picture(record: RunRecord) -> str:
    """What `gatecrash check server.c` prints of this run on a terminal, as SVG that fetches nothing."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(
            file=nowhere,
            record=True,
            width=_COLUMNS,
            height=60,
            force_terminal=True,
            color_system="truecolor",
            highlight=False,
            _environ={},
        )
        console.print(f"[bold]$ gatecrash check {_TARGET}[/]")
        terminal.header(console, record.prepared, dict(record.missing))
        terminal.areas(console, record)
        short.broken(console, to_mend(record), record.prepared.contract, _TARGET)
        terminal.unjudged(console, record)
        terminal.closing(console, record, strict=False)
        short.first_again(console, to_mend(record), _TARGET)
        # rich's own format names a web font; a reader's own monospace does.
        form = _FONT_FACE.sub("", CONSOLE_SVG_FORMAT).replace("Fira Code, monospace", "ui-monospace, Menlo, monospace")
        return console.export_svg(title="Gatecrash", code_format=form, unique_id="gatecrash")


def main() -> int:
    """Run the command as its user would, then draw what it found."""
    with tempfile.TemporaryDirectory(prefix="gatecrash-") as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        place = Path(folder) / "place"
        place.mkdir()
        shutil.copy(_SERVER, place / _TARGET)
        command = [sys.executable, "-m", "gatecrash", "--lang", "en", "check", _TARGET]
        subprocess.run(command, cwd=place, stdout=sys.stderr, check=False)
        print(picture(last_run.load(str(place / _TARGET)).record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
