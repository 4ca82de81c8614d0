"""From a target to a command that starts it: compiled, made, or taken as it is."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from gatecrash.config.contract_file import FILE_NAME
from gatecrash.errors import TargetError, Unavailable
from gatecrash.language import say
from gatecrash.target.compilers import MAKEFILES, Runner, check_python, compile_source, programs, run_build, run_make
from gatecrash.target.resolve import Target
from gatecrash.target.sanitized_make import make_sanitized


@dataclass(frozen=True)
class Built:
    """A target ready to start: its command with {port} in it, and how it was built, in one line."""

    argv: tuple[str, ...]
    how: str


def build_sanitized_copy(target: Target, copy: Path, folder: Path, runner: Runner | None = None) -> Built:
    """Build a copy of a target that is a folder with the sanitizers; compilers that add them are put below `folder`.

    Raises Unavailable where its program has none in it then, TargetError with the build's words when it fails.
    """
    program = target.argv[0] if target.argv else None
    made, how = make_sanitized(copy, target.build_command, program, folder / "compilers", runner)
    return Built((str(made), *(target.argv[1:] if target.argv else target.arguments or ("{port}",))), how)


def build(target: Target, folder: Path, *, sanitize: bool = False, runner: Runner | None = None) -> Built:
    """Build the target; what is compiled goes into `folder`, which is created. `runner`: who runs the commands.

    With `sanitize`, C and C++ are built with AddressSanitizer and UndefinedBehaviorSanitizer; Unavailable when the
    target or the compiler does not allow it. Raises TargetError, with the compiler's words, when it does not build.
    """
    if sanitize and (target.language != "c" or target.source is None):
        raise Unavailable(
            say("a sanitized build"), say("only a C or C++ source file that Gatecrash compiles can have one")
        )
    folder.mkdir(parents=True, exist_ok=True)
    if target.kind == "source" and target.source is not None:
        return _build_source(target, target.source, folder, sanitize=sanitize, runner=runner)
    if target.kind == "folder":
        return _build_folder(target, target.folder or target.cwd, runner)
    if target.kind == "address":
        return Built((), say("running already at {name}", name=target.name))
    return Built(target.argv, say("started as {names}", names=shlex.join(target.argv)))


def _build_source(target: Target, source: Path, folder: Path, *, sanitize: bool, runner: Runner | None) -> Built:
    if target.language == "python":
        check_python(source, runner=runner)
        return Built(
            (sys.executable, str(source), *target.argv), say("run with {executable}", executable=sys.executable)
        )
    program = folder.resolve() / source.stem
    how = compile_source(source, program, sanitize=sanitize, runner=runner)
    return Built((str(program), *target.argv), how)


def _build_folder(target: Target, folder: Path, runner: Runner | None) -> Built:
    how, program = say("started without a build"), None
    if target.build_command is not None:
        how = run_build(target.build_command, folder, runner=runner)
    elif any((folder / name).is_file() for name in MAKEFILES):
        how, program = run_make(folder, runner=runner)
    if target.argv:
        return Built((_in_folder(target.argv[0], folder), *target.argv[1:]), how)
    if program is None:
        raise TargetError(_which_program(target.name, how, programs(folder)))
    return Built((str(program), *(target.arguments or ("{port}",))), how)


def _which_program(name: str, how: str, found: tuple[str, ...]) -> str:
    """Why no program could be chosen after a build, and the next step."""
    written = say("a {file_name} there with [target] and command =", file_name=FILE_NAME)
    if not found:
        return say(
            "There is no program in {name} after {how}. Let {how} build the server into that folder, or write "
            '{written} "./path/to/server {{port}}".',
            name=name,
            how=how,
            written=written,
        )
    return say(
        "It is not clear which program of {name} is the server: the folder holds {names} after {how}. Write "
        '{written} "./{found} {{port}}".',
        name=name,
        names=", ".join(found),
        how=how,
        written=written,
        found=found[0],
    )


def _in_folder(word: str, folder: Path) -> str:
    """The program of a contract's command: a path is taken from the folder, a bare name from PATH."""
    if "/" not in word:
        if shutil.which(word) is None:
            hint = say('; write "./{word}" for the one in the folder', word=word) if (folder / word).exists() else ""
            raise TargetError(
                say(
                    "{file_name} says command = {word!r}, which is not a command in PATH{hint}.",
                    file_name=FILE_NAME,
                    word=word,
                    hint=hint,
                )
            )
        return word
    path = Path(os.path.abspath(folder / word))
    if not path.is_file():
        raise TargetError(
            say(
                "{file_name} starts {word}, and {path} does not exist after the build.",
                file_name=FILE_NAME,
                word=word,
                path=path,
            )
        )
    return str(path)
