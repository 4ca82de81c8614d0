"""Where a program that nobody trusts is built: in confined arenas, whose results are brought out file by file."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from gatecrash.errors import TargetError, Unavailable, Unfinished
from gatecrash.language import say
from gatecrash.model.confinement import Confined, Confinement, Place
from gatecrash.model.launch import NO_HOME
from gatecrash.paths import lacks_room
from gatecrash.sandbox.arena import Arena
from gatecrash.sandbox.trees import Room, TooMuch, add_written, copy_tree
from gatecrash.text import safe_text

Kind = Literal["auto", "namespace", "loopback"]
#: What a build sees of our environment; that may hold what is nobody's business.
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
#: With an input that is at its end; the one of a target never says anything.
_WITHOUT_INPUT = ("/bin/sh", "-c", 'exec "$@" </dev/null', "sh")


class Workshop:
    """For one target. `folder` is where all of it lies: its files, and what is made of them, each in a folder there."""

    def __init__(self, folder: Path, limits: Confinement, kind: Kind = "auto") -> None:
        self.folder = folder
        self._limits = limits.for_builds()
        self._kind = kind

    def move_in(self, submission: Path) -> Path:
        """A copy of what was handed in, a folder or a file in one: where it is. Raises TargetError, OSError.

        The latter where there is no room for it, which is nothing of its own.
        """
        folder = submission if submission.is_dir() else submission.parent
        copy = self.folder / "tree" / (folder.resolve().name or "submission")
        if not copy.exists():
            try:
                copy_tree(folder, copy, self._room())
            except TooMuch:
                raise TargetError(self._too_much()) from None
            except OSError as error:
                if lacks_room(error):
                    raise
                raise TargetError(
                    say("{name} cannot be copied: {reason}.", name=folder.name, reason=error.strerror or str(error))
                ) from None
        return copy if submission.is_dir() else copy / submission.name

    def copy(self, folder: Path, place: Path) -> Path:
        """One more copy of a folder that was moved in, below `place`. Raises Unavailable; OSError as `move_in` does."""
        copy = place / folder.name
        try:
            copy_tree(folder, copy, self._room())
        except (TooMuch, OSError) as error:
            if isinstance(error, OSError) and lacks_room(error):
                raise
            raise Unavailable(say("a sanitized build"), str(error) or self._too_much()) from None
        return copy

    def as_given(self, path: Path, submission: Path) -> Path:
        """Where a file of the copy lies in what was handed in."""
        folder = submission if submission.is_dir() else submission.parent
        return folder / path.relative_to(self.folder / "tree" / folder.resolve().name)

    def places(self) -> tuple[Place, ...]:
        """What the program sees when it runs: all that is here, and copies of its own files."""
        trees = sorted((self.folder / "tree").iterdir())
        return (Place(self.folder, "read-only"), *(Place(tree, "copied") for tree in trees))

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        limit: float | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """As gatecrash.target.compilers.run, in an arena of its own, within the limits.

        What it leaves in the folders that it runs in or names is there afterwards. Raises TargetError where a limit was
        hit (Unfinished), or too much is left.
        """
        seconds = self._limits.build_seconds if limit is None else min(limit, self._limits.build_seconds)
        folders = self._written_to((str(cwd), *command))
        places = (Place(self.folder, "read-only"), *(Place(folder, "copied") for folder in folders))
        with Arena.open(kind=self._kind, confined=Confined(self._limits, places)) as arena:
            process = arena.spawn([*_WITHOUT_INPUT, *command], cwd=cwd, env=_environment(environment))
            status = process.wait(seconds)
            hit, text = process.hit(), process.output().text
            arena.clear()
            if hit is not None:
                raise Unfinished(
                    say(
                        "the build ({names}) was ended: {why}. It says:\n{output}",
                        names=shlex.join(command),
                        why=hit.said,
                        output=_last(text),
                    )
                )
            if status is None:
                raise Unfinished(
                    say(
                        "{names} did not end within {limit:g} seconds. Run it by hand to see what it waits for.",
                        names=shlex.join(command),
                        limit=seconds,
                    )
                )
            if arena.kind == "namespace":
                self._bring_out(arena, folders)
        return status, safe_text(text.expandtabs()).rstrip("\n")

    def _written_to(self, words: Sequence[str]) -> list[Path]:
        """The folders of ours that a command runs in, or names a file of."""
        return [one for one in sorted(self.folder.iterdir()) if any(f"{one}/" in f"{word}/" for word in words)]

    def _bring_out(self, arena: Arena, folders: Sequence[Path]) -> None:
        room = self._room()
        try:
            for folder in folders:
                with arena.written(folder) as written:
                    add_written(written, folder, room)
        except TooMuch:
            raise TargetError(self._too_much()) from None

    def _room(self) -> Room:
        return Room(self._limits.disk << 20, self._limits.inodes, self.folder.parent)

    def _too_much(self) -> str:
        return say(
            "its files are more than the {disk} MiB or the {inodes} files that they may be.",
            disk=self._limits.disk,
            inodes=self._limits.inodes,
        )


def _environment(wanted: Mapping[str, str] | None) -> dict[str, str]:
    own = {name: value for name, value in (wanted or {}).items() if os.environ.get(name) != value}
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {"PATH": os.defpath, **kept, **own, "HOME": NO_HOME}


def _last(text: str) -> str:
    return safe_text(text.strip()[-600:]) or say("nothing")
