"""A folder with a Makefile, or a build command, built once more with the sanitizers, in a copy of it.

What a Makefile says of its compilers and flags is its author's and stays: compilers of the usual names stand first in
PATH and add the sanitizers to whatever they are told. Only where that changes nothing (a compiler called by its path)
are CC, CFLAGS, CXXFLAGS and LDFLAGS given, in the environment and to make. A build whose program has no sanitizer in it
is none: its words would be those of a plain one.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gatecrash.errors import TargetError, Unavailable, Unfinished
from gatecrash.language import say
from gatecrash.target.compilers import (
    C_COMPILERS,
    CXX_COMPILERS,
    SANITIZERS,
    Runner,
    Variables,
    run_build,
    run_make,
    sanitizing_flags,
)

_MOST_BYTES = 64 << 20
_LEFT_OUT = (".git", ".hg", ".svn", "__pycache__", ".venv", "node_modules")
#: What a program that was linked with AddressSanitizer has in it, stripped or not.
_TRACES = (b"__asan_init", b"AddressSanitizer")
_PIECE = 1 << 20


@dataclass(frozen=True)
class _Attempt:
    """How a build is told of the sanitizers: variables of its environment, and of make's command line."""

    environment: Mapping[str, str]
    variables: Variables
    told: str


def copy_of(folder: Path, place: Path) -> Path:
    """A copy of the folder below `place`, without what no build needs. Raises Unavailable for one that is too large."""
    size = sum(path.stat().st_size for path in _files(folder))
    if size > _MOST_BYTES:
        raise _none(say("its folder holds {size} MiB, too many to copy", size=size >> 20))
    copy = place / folder.name
    try:
        shutil.copytree(folder, copy, symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    except (OSError, shutil.Error) as error:
        raise _none(say("its folder cannot be copied: {error}", error=error)) from None
    return copy


def _files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        found += [path for name in names if (path := Path(here) / name).is_file() and not path.is_symlink()]
    return found


def make_sanitized(
    copy: Path, command: str | None, program: str | None, tools: Path, runner: Runner | None = None
) -> tuple[Path, str]:
    """Build the copy: its program, and how it was built. `command`: the contract's; `program`: what that starts.

    `tools`: where the compilers that add the sanitizers are put. Raises Unavailable where the program has none in it,
    TargetError with the build's words when it fails.
    """
    refused: TargetError | None = None
    for attempt in _attempts(tools, runner):
        try:
            built = _built(copy, command, program, attempt, runner)
        except Unfinished:
            raise  # whoever has not ended in its time will not another time
        except TargetError as error:
            refused = refused or error
            continue
        if built is not None and has_sanitizer(built):
            how = f"{command or 'make'}{attempt.told}"
            return built, say("{how}, with {flags}, in a copy of the folder", how=how, flags=SANITIZERS[0])
    if refused is not None:
        raise refused
    raise _none(
        say(
            "its build takes neither a compiler that is found in PATH nor CC, CFLAGS and LDFLAGS, so that its program "
            "has no sanitizer in it"
        )
    )


def has_sanitizer(program: Path) -> bool:
    """Whether AddressSanitizer is in this program."""
    before = b""
    try:
        with program.open("rb") as file:
            while content := file.read(_PIECE):
                if any(trace in before + content for trace in _TRACES):
                    return True
                before = content[-max(map(len, _TRACES)) :]
    except OSError:
        return False
    return False


def _attempts(tools: Path, runner: Runner | None) -> tuple[_Attempt, ...]:
    compilers = _compilers(tools, runner)
    again = {**os.environ, "MAKEFLAGS": "-B"}  # what was built before has no sanitizer in it
    first = {**again, "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    flags = shlex.join(next(iter(compilers.values())))
    told = {"CFLAGS": f"-g -O1 {flags}", "CXXFLAGS": f"-g -O1 {flags}", "LDFLAGS": flags}
    told |= {name: known for name, known in (("CC", _first(C_COMPILERS)), ("CXX", _first(CXX_COMPILERS))) if known}
    return _Attempt(first, {}, ""), _Attempt({**again, **told}, told, " (CC, CFLAGS, CXXFLAGS, LDFLAGS)")


def _first(names: tuple[str, ...]) -> str | None:
    return next((name for name in names if shutil.which(name)), None)


def _compilers(tools: Path, runner: Runner | None) -> dict[str, tuple[str, ...]]:
    """Write a compiler of each usual name that is there into `tools`: it adds these flags to what it is told."""
    tools.mkdir(parents=True, exist_ok=True)
    found: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys((*C_COMPILERS, *CXX_COMPILERS)):
        path = shutil.which(name)
        flags = None
        if path is not None:
            flags = sanitizing_flags(path, ".c" if name in C_COMPILERS else ".cpp", tools, runner)
        if path is None or flags is None:
            continue
        script = tools / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(path)} "$@" {shlex.join(flags)} -g\n')
        script.chmod(0o755)
        found[name] = flags
    if not found:
        raise _none(say("no compiler here can do it (looked for {names})", names=", ".join(C_COMPILERS)))
    return found


def _built(
    copy: Path, command: str | None, program: str | None, attempt: _Attempt, runner: Runner | None
) -> Path | None:
    if command is not None:
        run_build(command, copy, environment=attempt.environment, runner=runner)
        made = None
    else:
        _, made = run_make(copy, environment=attempt.environment, variables=attempt.variables, runner=runner)
    if program is None:
        return made
    return Path(os.path.abspath(copy / program)) if "/" in program else None


def _none(reason: str) -> Unavailable:
    return Unavailable(say("a sanitized build"), reason)
