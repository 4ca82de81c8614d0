"""Compilers and make: from a source to a program, with the compiler's own words when it fails."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from gatecrash.errors import TargetError, Unavailable, Unfinished
from gatecrash.language import say
from gatecrash.model.signals import end_named
from gatecrash.text import safe_text

C_SUFFIXES = frozenset({".c"})
CXX_SUFFIXES = frozenset({".cc", ".cpp", ".cxx"})
C_COMPILERS = ("cc", "gcc", "clang")
CXX_COMPILERS = ("c++", "g++", "clang++")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-omit-frame-pointer")
#: GCC's shared runtimes are two, and only the first of them heeds log_path; linked statically they become one.
#: Clang has but one, and does not know these flags.
ONE_RUNTIME = ("-static-libasan", "-static-libubsan")
_SANITIZING = ((*SANITIZERS, *ONE_RUNTIME), SANITIZERS)


class Runner(Protocol):
    """Runs a command to its end: exit status and what it printed. Raises TargetError where it does not come to that."""

    def __call__(
        self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None
    ) -> tuple[int, str]: ...


#: Variables of make, by name.
Variables = Mapping[str, str]
MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
#: No student's server takes longer than this (seconds) to compile.
TIME_LIMIT = 120.0
_MOST_OUTPUT = 64 * 1024


def find_compiler(suffix: str) -> str | None:
    """The path of the usual compiler for this kind of source file, or None."""
    names = C_COMPILERS if suffix in C_SUFFIXES else CXX_COMPILERS
    return next((path for path in map(shutil.which, names) if path), None)


def compile_source(source: Path, program: Path, *, sanitize: bool = False, runner: Runner | None = None) -> str:
    """Compile one C or C++ file to `program`; the command as one line.

    Raises TargetError with the compiler's output; Unavailable when the compiler has no sanitizers.
    """
    compiler = find_compiler(source.suffix)
    if compiler is None:
        names = C_COMPILERS if source.suffix in C_SUFFIXES else CXX_COMPILERS
        raise TargetError(
            say(
                "{name} has to be compiled, and there is no compiler (looked for {names}). Install one (Debian: "
                "apt install build-essential), or give a command that starts the built program.",
                name=source.name,
                names=", ".join(names),
            )
        )
    flags = ["-std=gnu11"] if source.suffix in C_SUFFIXES else []
    flags += ["-O1", "-g", "-pthread"]
    choices: tuple[tuple[str, ...], ...] = _SANITIZING if sanitize else ((),)
    for extra in choices:
        command = [Path(compiler).name, *flags, *extra, "-o", str(program), str(source)]
        status, output = (runner or run)([compiler, *command[1:]], cwd=source.parent)
        if status == 0:
            return shlex.join([command[0], *flags, *extra, "-o", program.name, source.name])
    if sanitize:
        _check_sanitizers(compiler, source.suffix, program.parent, runner)
    hint = ""
    if "undefined reference" in output or "undefined symbol" in output:
        hint = say(
            "\nIf it consists of several files or needs a library, put a Makefile beside it and name the folder."
        )
    raise TargetError(
        say(
            "{name} does not compile. {names} says:\n{output}{hint}",
            name=source.name,
            names=shlex.join(command),
            output=output,
            hint=hint,
        )
    )


def sanitizing_flags(compiler: str, suffix: str, folder: Path, runner: Runner | None = None) -> tuple[str, ...] | None:
    """The flags with which this compiler builds the smallest program sanitized; None where it cannot."""
    return next((flags for flags in _SANITIZING if _probed(compiler, flags, suffix, folder, runner)[0] == 0), None)


def _probed(compiler: str, flags: Sequence[str], suffix: str, folder: Path, runner: Runner | None) -> tuple[int, str]:
    probe = folder / f"probe{suffix}"
    probe.write_text("int main(void) { return 0; }\n" if suffix in C_SUFFIXES else "int main() { return 0; }\n")
    return (runner or run)([compiler, *flags, "-o", str(folder / "probe"), str(probe)], cwd=folder)


def _check_sanitizers(compiler: str, suffix: str, folder: Path, runner: Runner | None) -> None:
    """Raise Unavailable when the compiler cannot even build the smallest program with the sanitizers."""
    status, output = _probed(compiler, SANITIZERS, suffix, folder, runner)
    if status != 0:
        reason = next((line for line in output.splitlines() if line.strip()), say("it says nothing"))
        raise Unavailable(
            say("a sanitized build"), say("{name} cannot do it: {reason}", name=Path(compiler).name, reason=reason)
        )


#: Parses a file, and prints what is wrong with it: the line, the reason, the line's text. A parser is a compiler, too.
_PARSE = """\
import json, sys, warnings
warnings.simplefilter("ignore")
try:
    compile(open(sys.argv[1], "rb").read(), sys.argv[1], "exec")
except (SyntaxError, ValueError) as error:
    print(json.dumps([getattr(error, "lineno", None), getattr(error, "msg", str(error)), getattr(error, "text", None)]))
"""


def check_python(source: Path, *, runner: Runner | None = None) -> None:
    """Raise TargetError with the place when a Python file does not parse. Nothing of it is run."""
    mistake = _mistake(source) if runner is None else _mistake_elsewhere(source, runner)
    if mistake is not None:
        number, reason, text = mistake
        line = say(", line {lineno}", lineno=number) if number else ""
        shown = f"\n{text.rstrip()}" if text else ""
        version = ".".join(map(str, sys.version_info[:2]))
        advice = say("Correct it, or give the command that starts it by another Python.")
        raise TargetError(
            say(
                "{name}{line} is not Python {version}: {reason}. {advice}{shown}",
                name=source.name,
                line=line,
                version=version,
                reason=reason,
                advice=advice,
                shown=safe_text(shown),
            )
        )


def _mistake(source: Path) -> tuple[int | None, str, str | None] | None:
    """The line, the reason and the line's text of what is no Python in it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python thinks of its style is not ours to say
            compile(source.read_bytes(), str(source), "exec")
    except SyntaxError as error:
        return error.lineno, error.msg, error.text
    except ValueError as error:
        return None, str(error), None
    return None


def _mistake_elsewhere(source: Path, runner: Runner) -> tuple[int | None, str, str | None] | None:
    """The same, found out by a Python that may come to harm."""
    status, output = runner([sys.executable, "-I", "-S", "-c", _PARSE, str(source)], cwd=source.parent)
    if status == 0 and not output:
        return None
    try:
        line, reason, text = json.loads(output)
    except ValueError:  # it ended otherwise: no memory, or too deep
        last = next((line for line in reversed(output.splitlines()) if line.strip()), say("nothing"))
        return None, last, None
    return line, safe_text(str(reason)), text


def run_make(
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    variables: Variables | None = None,
    runner: Runner | None = None,
) -> tuple[str, Path | None]:
    """Run make in the folder: the command, and the one program that is new, changed or the only one there.

    `variables`: those of its command line, which win over what the Makefile says.
    Raises TargetError with make's output when it fails or is not installed.
    """
    make = shutil.which("make")
    if make is None:
        raise TargetError(
            say(
                "{name} has a Makefile, and make is not installed. Install it (Debian: apt install make), or "
                "give a command that starts the built program.",
                name=folder.name,
            )
        )
    before = _programs(folder)
    words = [make, *(f"{name}={value}" for name, value in (variables or {}).items())]
    status, output = (runner or run)(words, cwd=folder, environment=environment)
    if status != 0:
        raise TargetError(
            say(
                "make failed in {folder} ({how}). It says:\n{output}",
                folder=folder,
                how=end_named(status),
                output=output,
            )
        )
    after = _programs(folder)
    changed = [path for path, when in after.items() if before.get(path) != when]
    candidates = changed or list(after)
    return "make", candidates[0] if len(candidates) == 1 else None


def programs(folder: Path) -> tuple[str, ...]:
    """The names of the programs in a folder, sorted."""
    return tuple(sorted(path.name for path in _programs(folder)))


def is_program(path: Path) -> bool:
    """Whether a file is a script with an interpreter or a linked ELF file (elf(5)), executable or not yet."""
    try:
        with path.open("rb") as file:
            start = file.read(18)
    except OSError:
        return False
    linked = (b"\x02\x00", b"\x03\x00", b"\x00\x02", b"\x00\x03")  # ET_EXEC and ET_DYN, in either byte order
    return start.startswith(b"#!") or (start.startswith(b"\x7fELF") and start[16:18] in linked)


def _programs(folder: Path) -> dict[Path, int]:
    """Executable ELF files of the folder itself, with the time of their last change."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and os.access(path, os.X_OK) and path.suffix not in {".so", ".o"}:
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    found[path] = path.stat().st_mtime_ns
    return found


def run_build(
    command: str, folder: Path, *, environment: Mapping[str, str] | None = None, runner: Runner | None = None
) -> str:
    """Run a contract's build command in a shell; the command. Raises TargetError with its output when it fails."""
    status, output = (runner or run)(["/bin/sh", "-c", command], cwd=folder, environment=environment)
    if status != 0:
        raise TargetError(
            say(
                "the build command failed ({how}): {command}\nIt says:\n{output}",
                how=end_named(status),
                command=command,
                output=output,
            )
        )
    return command


def run(
    command: Sequence[str], *, cwd: Path, limit: float = TIME_LIMIT, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run to the end: exit status and what it printed. Raises Unfinished after `limit` seconds."""
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )
    except OSError as error:
        raise TargetError(
            say("{command} cannot be run: {strerror}.", command=command[0], strerror=error.strerror)
        ) from None
    with process:
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise Unfinished(
                say(
                    "{names} did not end within {limit:g} seconds. Run it by hand to see what it waits for.",
                    names=shlex.join(command),
                    limit=limit,
                )
            ) from None
    text = safe_text(output[:_MOST_OUTPUT].decode("utf-8", "replace").expandtabs())
    return process.returncode, text.rstrip("\n")
