"""The target: from what somebody typed to a command that starts a server."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from gatecrash import shell
from gatecrash.config.contract_file import FILE_NAME, TargetSection, misplaced, read_contract
from gatecrash.errors import UsageError
from gatecrash.language import marked, say, spoken
from gatecrash.model.contract import Contract
from gatecrash.paths import tree_root
from gatecrash.target.compilers import (
    C_SUFFIXES,
    CXX_SUFFIXES,
    MAKEFILES,
    find_compiler,
    is_program,
)

Language = Literal["c", "python", "other"]
SOURCE_SUFFIXES = C_SUFFIXES | CXX_SUFFIXES | {".py"}
_HEADERS = frozenset({".h", ".hh", ".hpp", ".hxx"})
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>\d+)")
_PORT_ALONE = ("{port}",)
_USAGE = marked("Give a source file, a folder, a command, or HOST:PORT; for example: gatecrash check server.c")


@dataclass(frozen=True)
class Target:
    """The server under test. `argv` is the command to start it, where it is known before the build."""

    kind: Literal["source", "folder", "command", "address"]
    name: str
    argv: tuple[str, ...] = ()
    cwd: Path = field(default_factory=Path.cwd)
    env: Mapping[str, str] = field(default_factory=dict)
    source: Path | None = None
    language: Language = "other"
    folder: Path | None = None  # kind "folder": what is built
    arguments: tuple[str, ...] = ()  # kind "folder": what its program is given, where no contract has a command
    build_command: str | None = None  # from gatecrash.toml
    address: tuple[str, int] | None = None  # kind "address": a server that is running already

    def section(self) -> TargetSection:
        """The [target] table that describes this target, for a gatecrash.toml in its folder."""
        command = shlex.join(self.argv) if self.kind != "source" and self.argv else None
        given = self.arguments or (self.argv if self.kind == "source" and self.argv != _PORT_ALONE else ())
        return TargetSection(
            build=self.build_command,
            command=_with_plain_port(command),
            args=_with_plain_port(shlex.join(given) if given else None),
            env=dict(self.env),
        )


def resolve(text: str | None, contract_path: Path | None = None, *, foreign: bool = False) -> tuple[Target, Contract]:
    """What `text` names, and what its contract says. Nothing is built or run yet.

    A source file, a folder, a command (with or without {port}), HOST:PORT of a running server, or None: what the
    contract starts, or else the reference fork server. Without `contract_path`, a gatecrash.toml beside the target
    is read. `foreign`: the contract was written by somebody else than the target; what lies beside the target is not
    read, and the contract's relative paths are from the target's folder.
    Raises UsageError, with the next step, for anything else.
    """
    if text is None and contract_path is not None and _can_start(contract_path):
        text = str(contract_path.resolve().parent)
    if text is None:
        target, place = _reference(), None
    elif not text.strip():
        raise UsageError(say("The target is empty. {usage}", usage=spoken(_USAGE)))
    else:
        target, place = _named(text)
    own = _beside(place) if not foreign else None
    found = contract_path or own
    contract, section = read_contract(found) if found else (Contract(), TargetSection())
    home = found.resolve().parent if found and not foreign else target.cwd
    target = _apply(target, section, home)
    return target, replace(contract, source=target.language)


def contract_beside(text: str) -> Path | None:
    """The contract that is read for this target where no other is named. Raises UsageError for what is no target."""
    return _beside(_named(text)[1])


def _beside(place: Path | None) -> Path | None:
    return place / FILE_NAME if place and (place / FILE_NAME).is_file() else None


def _can_start(contract_path: Path) -> bool:
    """Whether a contract says by itself how its target is started."""
    section = read_contract(contract_path)[1]
    return section.command is not None or section.build is not None


# -- what was named ------------------------------------------------------------------------------------------


def _named(text: str) -> tuple[Target, Path | None]:
    """The target, and the folder whose gatecrash.toml speaks for it."""
    path = Path(text).expanduser()
    if path.is_dir():
        return _folder(path), path.resolve()
    if path.is_file():
        return _file(path.resolve(), [])
    if address := _ADDRESS.fullmatch(text):
        return _address(text, address["host"].strip("[]"), int(address["port"])), None
    return _command(text)


def _folder(path: Path) -> Target:
    folder = path.resolve()
    return Target("folder", f"{folder.name}/", cwd=folder, folder=folder)


def _runs_itself(path: Path, word: str) -> bool:
    """Whether a source file is meant as a command: ./server.py with a first line that names its interpreter."""
    if "/" not in word or not os.access(path, os.X_OK):
        return False
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def _file(path: Path, arguments: list[str]) -> tuple[Target, Path]:
    if path.suffix in SOURCE_SUFFIXES:
        return _source(path, arguments), path.parent
    if os.access(path, os.X_OK):
        return Target("command", path.name, (str(path), *arguments), cwd=Path.cwd()), path.parent
    raise UsageError(_no_target(path))


def _no_target(path: Path) -> str:
    """Why a file that is there cannot be a target, and what can."""
    if is_program(path):
        return say(
            "{name} is a program that is not executable. Make it so: chmod +x {from_here}",
            name=path.name,
            from_here=_from_here(path),
        )
    if path.name in MAKEFILES:
        return say(
            "{name} is a Makefile. Name the folder it is in: gatecrash check {from_here}",
            name=path.name,
            from_here=_from_here(path.parent),
        )
    if path.name == FILE_NAME:
        return say(
            "{name} is a contract. Name the folder it is in, or the target, and this file with --contract.",
            name=path.name,
        )
    if path.suffix in _HEADERS:
        return say(
            "{name} is a header, and no program by itself. Name the source file, or the folder with a Makefile.",
            name=path.name,
        )
    kinds = " ".join(sorted(SOURCE_SUFFIXES))
    return say(
        "{name} is neither source that Gatecrash builds ({kinds}) nor a program. {usage}",
        name=path.name,
        kinds=kinds,
        usage=spoken(_USAGE),
    )


def _from_here(path: Path) -> str:
    """A path as it can be typed here."""
    here, path = Path.cwd().resolve(), path.resolve()
    return shell.word(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _source(path: Path, arguments: list[str]) -> Target:
    language: Language = "python" if path.suffix == ".py" else "c"
    words = tuple(arguments) or _PORT_ALONE
    return Target("source", path.name, words, cwd=path.parent, source=path, language=language)


def _address(text: str, host: str, port: int) -> Target:
    if not 1 <= port <= 65535:
        raise UsageError(say("{text} has port {port}; a port is a number from 1 to 65535.", text=text, port=port))
    return Target("address", text, address=(host, port))


def _command(text: str) -> tuple[Target, Path]:
    if (wrong := misplaced(text)) is not None:
        raise UsageError(say("The command {text!r}: {wrong}", text=text, wrong=wrong))
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(
            say("The command {text!r} cannot be split into words: {error}. Check its quotes.", text=text, error=error)
        ) from None
    first = Path(words[0]).expanduser()
    if _ADDRESS.fullmatch(words[0]):
        raise UsageError(say("{address} runs already, and is given no arguments.", address=words[0]))
    if first.is_dir() and shutil.which(words[0]) is None:
        return replace(_folder(first), arguments=tuple(words[1:])), first.resolve()
    if first.is_file() and first.suffix in SOURCE_SUFFIXES and not _runs_itself(first, words[0]):
        return _file(first.resolve(), words[1:])
    here = Path.cwd()
    if "/" not in words[0]:
        if shutil.which(words[0]) is None:
            raise UsageError(_not_found(words[0], text))
    elif not first.is_file():
        raise UsageError(_not_found(words[0], text))
    elif not os.access(first, os.X_OK):
        raise UsageError(_no_target(first))
    else:
        words[0] = os.path.abspath(first)  # not where a link leads: a virtual environment's python is one
    return Target("command", text, tuple(words), cwd=here, language=_language(words)), here


def _language(words: Sequence[str]) -> Language:
    """The language of a command's program, as far as its words tell: advice is given in it."""
    in_python = Path(words[0]).name.startswith("python") if words else False
    in_python = in_python or any(word.endswith(".py") for word in words)
    return "python" if in_python else "other"


def _not_found(word: str, text: str) -> str:
    path = Path(word).expanduser()
    if path.is_file():
        return say(
            "{word} is a file here, and not a command in PATH; write {text} for the file.",
            word=word,
            text=shell.word(f"./{text}"),
        )
    if path.exists():
        return say("{word} is neither a file nor a folder. {usage}", word=word, usage=spoken(_USAGE))
    parent = path.parent
    if not parent.is_dir():
        return say(
            "{word} does not exist: there is no folder {parent}. {usage}",
            word=word,
            parent=parent,
            usage=spoken(_USAGE),
        )
    near = _near(path) or _near(Path(text).expanduser())
    hint = say("Did you mean {near}?", near=shell.word(near)) if near is not None else spoken(_USAGE)
    if "/" in word or path.suffix in SOURCE_SUFFIXES:
        return say("{word} does not exist. {hint}", word=word, hint=hint)
    return say("{word} is not a file or folder here, and not a command in PATH. {hint}", word=word, hint=hint)


def _near(path: Path) -> str | None:
    """What can be a target beside `path` and is named almost like it, as it has to be written."""
    beside = {one.name: one for one in path.parent.iterdir() if _may_be_target(one)}
    near = get_close_matches(path.name, beside, n=1, cutoff=0.6)
    if not near:
        return None
    found = beside[near[0]]
    named = found.is_dir() or found.suffix in SOURCE_SUFFIXES or path.parent != Path()
    return f"{found}{'/' if found.is_dir() else ''}" if named else f"./{found}"


def _may_be_target(path: Path) -> bool:
    return path.is_dir() or (path.is_file() and (path.suffix in SOURCE_SUFFIXES or os.access(path, os.X_OK)))


def _reference() -> Target:
    servers = tree_root() / "servers"
    compiled, script = servers / "c" / "http_fork.c", servers / "python" / "http_fork.py"
    chosen = compiled if compiled.is_file() and find_compiler(".c") else script
    if not chosen.is_file():
        raise UsageError(
            say("The reference servers are missing ({chosen}). {usage}", chosen=chosen, usage=spoken(_USAGE))
        )
    return replace(_source(chosen, []), name=f"{chosen.name} (reference server)")


# -- what the contract adds ----------------------------------------------------------------------------------


def _apply(target: Target, section: TargetSection, home: Path) -> Target:
    """The target with the [target] table of its contract; relative paths there are from the contract's folder."""
    if section.cwd is not None:
        cwd = (home / section.cwd).resolve()
        if not cwd.is_dir():
            raise UsageError(
                say(
                    "{file_name} says cwd = {cwd!r}, and {folder} is not a folder. Create or correct it.",
                    file_name=FILE_NAME,
                    cwd=section.cwd,
                    folder=cwd,
                )
            )
        target = replace(target, cwd=cwd)
    target = replace(target, env={**target.env, **section.env})
    if target.kind == "source":
        return _source_with(target, section)
    if target.kind == "folder":
        return _folder_with(target, section)
    return target


def _source_with(target: Target, section: TargetSection) -> Target:
    """A named source file is always built by its own compiler; of `command` only the arguments count."""
    if target.argv != _PORT_ALONE:
        return target
    if section.args is not None:
        return replace(target, argv=tuple(_split(section.args)))
    if section.command is None:
        return target
    words = _split(section.command)
    names = [Path(word).name for word in words]
    program = names.index(target.name) if target.name in names else 0
    return replace(target, argv=tuple(words[program + 1 :]))


def _folder_with(target: Target, section: TargetSection) -> Target:
    folder = target.folder or target.cwd
    argv = tuple(_split(section.command)) if section.command else ()
    arguments = target.arguments or (tuple(_split(section.args)) if section.args else ())
    if argv and arguments:
        raise UsageError(
            say(
                "{file_name} says command = {command!r}, so the arguments belong there, and not into --args or args.",
                file_name=FILE_NAME,
                command=section.command,
            )
        )
    language = _language(argv)
    target = replace(target, argv=argv, build_command=section.build, arguments=arguments, language=language)
    if section.build or any((folder / name).is_file() for name in MAKEFILES):
        return replace(target, language=_language_made(folder, language))
    if argv:
        return target
    sources = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in SOURCE_SUFFIXES)
    if len(sources) == 1:
        return replace(_source(sources[0], list(arguments)), cwd=target.cwd, env=target.env)
    held = (
        say("it holds {names}", names=", ".join(path.name for path in sources[:5]))
        if sources
        else say("it holds no source file")
    )
    advice = say("Name one of them") if sources else say("Name the folder with the server's source")
    raise UsageError(
        say(
            "{name} is a folder without a Makefile and without a command in a {file_name}, and {held}. {advice}, "
            'or write a {file_name} there with [target] and command = "./server {{port}}".',
            name=target.name,
            file_name=FILE_NAME,
            held=held,
            advice=advice,
        )
    )


def _language_made(folder: Path, told: Language) -> Language:
    """The language of what a build makes of this folder: that of its command, else C where there is source in C."""
    sources = (path for pattern in ("*", "*/*") for path in folder.glob(pattern))
    in_c = any(path.suffix in C_SUFFIXES | CXX_SUFFIXES for path in sources)
    return "c" if told == "other" and in_c else told


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UsageError(
            say(
                "{file_name}: the command {command!r} cannot be split into words: {error}.",
                file_name=FILE_NAME,
                command=command,
                error=error,
            )
        ) from None


def _with_plain_port(command: str | None) -> str | None:
    return command.replace("'{port}'", "{port}") if command else None
