"""pytest as a child: its own settings, folders and search path, so that nothing of a submission's folder is loaded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from gatecrash.errors import EngineFault, UsageError
from gatecrash.tree import tree_root
from gatecrash.verdicts import Verdict

_SETTINGS = "[pytest]\naddopts =\nfilterwarnings =\n"
#: pytest's exit codes (pytest.ExitCode) that a run of suites may end with; all others are a fault of ours.
_SECONDS_TO_END = 5.0
_EXPECTED = frozenset({0, 1, 2, 5})


@dataclass(frozen=True)
class Outcome:
    """How the child ended, and all it printed."""

    code: int
    output: str
    heard: int

    @property
    def fault(self) -> str | None:
        """What went wrong when it was our fault."""
        broke_off = self.code == 1 and not self.heard
        return self.output[-6000:] if broke_off or self.code not in _EXPECTED else None


class Suites:
    """The suites running in a child. `listen` hears them to their end; leaving the block ends them."""

    def __init__(self, child: subprocess.Popen[bytes], reading: int, log: Path) -> None:
        self._child = child
        self._reading = reading
        self._log = log

    def listen(self, on_verdict: Callable[[Verdict], None]) -> Outcome:
        """Call `on_verdict` with each verdict as it comes, until the child has ended."""
        heard = 0
        with os.fdopen(self._reading, "rb", closefd=False) as lines:
            for line in lines:
                on_verdict(_read(line))
                heard += 1
        return Outcome(self._child.wait(), self._log.read_text(errors="replace"), heard)

    def __enter__(self) -> Suites:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)
            try:
                self._child.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        os.close(self._reading)


def _read(line: bytes) -> Verdict:
    try:
        return Verdict.from_json(json.loads(line))
    except (ValueError, TypeError, KeyError, UsageError) as error:
        raise EngineFault(f"a verdict of our own could not be read: {error}") from None


def start_suites(folder: Path, options: Sequence[str], *, jobs: int) -> Suites:
    """Start the suites in a child. `folder` is the run's own."""
    settings = folder / "pytest.ini"
    settings.write_text(_SETTINGS)
    reading, writing = os.pipe()
    log = folder / "pytest.log"
    command = [sys.executable, "-P", "-m", "pytest", "-c", str(settings), "--rootdir", str(tree_root())]
    command += [
        "-p",
        "no:cacheprovider",
        "-q",
        "--tb=short",
        "--color=no",
        "--assert=plain",
        f"--gatecrash-run={folder}",
        *options,
    ]
    command += ["-n", str(jobs), "--dist", "load"] if jobs > 1 else ["-p", "no:xdist"]
    command.append(str(tree_root() / "suites"))
    with log.open("wb") as printed:
        child = subprocess.Popen(
            command, cwd=folder, env=_environment(folder, writing), stdin=subprocess.DEVNULL, stdout=printed,
            stderr=subprocess.STDOUT, pass_fds=(writing,),
        )  # fmt: skip
    os.close(writing)
    return Suites(child, reading, log)


def _environment(folder: Path, writing: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "HYPOTHESIS_"))}
    kept.pop("PYTHONPATH", None)
    return {
        **kept,
        "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
        "GATECRASH_RECORD_FD": str(writing),
        "GATECRASH_PARENT": str(os.getpid()),
    }
