"""Which of the files that were handed in is the server."""

from __future__ import annotations

import re
from pathlib import Path

from gatecrash.errors import GatecrashError, TargetError
from gatecrash.grading.submission import UNOPENED_SUFFIXES
from gatecrash.language import say
from gatecrash.target.compilers import MAKEFILES
from gatecrash.target.resolve import SOURCE_SUFFIXES
from gatecrash.text import safe_text

#: What a server's source has in it: a call that takes clients in C, or what takes them in Python.
_SERVES = re.compile(rb"\b(listen|bind|recvfrom|socketserver|HTTPServer|start_server|create_server|serve_forever)\b")
_MAIN = re.compile(rb"\bmain\s*\(")
_MOST_READ = 1 << 20  # bytes of a source that are looked at
_MOST_NAMED = 5


class Undecided(GatecrashError):
    """It is not known what is to be judged: whoever grades has to say it, and no student loses a point by it."""


def server_in(folder: Path, *, named: str | None, started: bool, left_out: tuple[str, ...] = ()) -> Path:
    """What is to be judged: a source file, or a folder that is built or started there.

    `named`: the server's file as the contract asks for it; `started`: the contract says how a folder is built or
    started; `left_out`: what was not unpacked, in sentences. Raises TargetError for what no server can be in, Undecided
    where it might be one of several.
    """
    folder = _peeled(folder)
    if named is not None:
        return _the_named(folder, named, left_out)
    if started or any((folder / name).is_file() for name in MAKEFILES):
        return folder
    sources = _sources(folder)
    unopened = sorted(one for one in folder.rglob("*") if one.name.lower().endswith(UNOPENED_SUFFIXES))
    if not sources and unopened:
        raise Undecided(
            say(
                "It is in an archive of a kind that is not opened: {held}. Unpack it into a folder, and grade again.",
                held=_names(folder, unopened),
            )
        )
    if not sources:
        raise TargetError(say("No source of a server was handed in: {held}.", held=_held(folder, left_out)))
    return sources[0] if len(sources) == 1 else _the_server(folder, sources)


def _peeled(folder: Path) -> Path:
    """The folder without folders around it that hold nothing else."""
    while True:
        inside = [one for one in folder.iterdir() if not one.name.startswith(".")]
        if len(inside) != 1 or not inside[0].is_dir():
            return folder
        folder = inside[0]


def _the_named(folder: Path, named: str, left_out: tuple[str, ...]) -> Path:
    found = sorted(one for one in folder.rglob(Path(named).name) if one.is_file() and one.match(named))
    if not found:
        raise TargetError(
            say(
                "{name} is asked for, and was not handed in: {held}.",
                name=named,
                held=_held(folder, left_out),
            )
        )
    if len(found) > 1 and found[0].parent != folder:
        raise Undecided(
            say(
                "{name} is there more than once: {held}. Write server = with more of its path under [submission].",
                name=named,
                held=_names(folder, found),
            )
        )
    return found[0]


def _sources(folder: Path) -> list[Path]:
    return sorted(one for one in folder.rglob("*") if one.is_file() and one.suffix in SOURCE_SUFFIXES)


def _the_server(folder: Path, sources: list[Path]) -> Path:
    """The one of several sources that is a whole server."""
    texts = {one: _text(one) for one in sources}
    serving = [
        one for one, text in texts.items() if _SERVES.search(text) and (one.suffix == ".py" or _MAIN.search(text))
    ]
    if len(serving) == 1 and not _needs_others(serving[0], texts):
        return serving[0]
    if len(serving) == 1:
        raise Undecided(
            say(
                "{server} is not all of it: there is no Makefile, and there is {held}. Write build = under [target].",
                server=_names(folder, serving),
                held=_names(folder, sources),
            )
        )
    raise Undecided(
        say(
            "It is not clear which file is the server: {held}. Write server = with its name under [submission].",
            held=_names(folder, serving or sources),
        )
    )


def _needs_others(server: Path, texts: dict[Path, bytes]) -> bool:
    """Whether a server in C has sources beside it that are no programs of their own: they would be linked with it."""
    if server.suffix == ".py":
        return False
    return any(one.suffix != ".py" and not _MAIN.search(text) for one, text in texts.items() if one != server)


def _text(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MOST_READ)


def _held(folder: Path, left_out: tuple[str, ...]) -> str:
    """What is there instead: half a sentence, to which its full stop is added."""
    paths = sorted(folder.rglob("*"))
    if files := [one for one in paths if one.is_file()]:
        return say("there is {names}", names=_names(folder, files))
    if left_out:
        return say("it holds nothing else than this. {left_out}", left_out=" ".join(left_out).removesuffix("."))
    return say("there are only folders: {names}", names=_names(folder, paths)) if paths else say("it is empty")


def _names(folder: Path, files: list[Path]) -> str:
    shown = [safe_text(str(one.relative_to(folder))) for one in files[:_MOST_NAMED]]
    more = [say("{count} more", count=len(files) - _MOST_NAMED)] if len(files) > _MOST_NAMED else []
    return ", ".join((*shown, *more))
