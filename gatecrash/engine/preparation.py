"""Builds and discovers targets once a run, whoever asks first, and keeps this process's sessions."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from gatecrash.engine.discovered import Discovery
from gatecrash.engine.discovery import discover
from gatecrash.engine.prerequisites import Prerequisites
from gatecrash.engine.session import Session
from gatecrash.errors import TargetError, Unavailable, UsageError
from gatecrash.language import say
from gatecrash.model.confinement import Confined, Confinement, Place
from gatecrash.model.contract import Contract
from gatecrash.model.launch import Launch
from gatecrash.model.prepared import Prepared
from gatecrash.rulebook import load
from gatecrash.target.program_text import mentions, sanitizers_named
from gatecrash.target.sanitizers import sanitizer_environment
from gatecrash.target.workshop import Workshop

_MOST_SITES = 2


if TYPE_CHECKING:
    from gatecrash.target.build import Built
    from gatecrash.target.resolve import Target


@dataclass
class OpenTarget:
    """One target in this process: its session, and which basic rules are known to hold."""

    session: Session
    prepared: Prepared
    prerequisites: Prerequisites = field(init=False)

    def __post_init__(self) -> None:
        self.prerequisites = Prerequisites(self.session)


class SessionPool:
    """Benches by target. The run's folder is shared by all processes of a run."""

    def __init__(
        self,
        folder: Path,
        *,
        arena: str = "auto",
        patience: float = 5.0,
        contract: str | None = None,
        sanitized: bool = True,
        confinement: Confinement | None = None,
    ) -> None:
        self.folder = folder
        self.arena = arena
        self.patience = patience
        self.sanitized = sanitized
        self.confinement = confinement
        self.contract = Path(contract) if contract else None
        self._opened: dict[str, OpenTarget] = {}

    @staticmethod
    def new_folder() -> Path:
        """A folder for one run."""
        return Path(tempfile.mkdtemp(prefix="gatecrash-"))

    @staticmethod
    def remove_folder(folder: Path | None) -> None:
        """Remove what new_folder made."""
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> SessionPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for opened in self._opened.values():
            opened.session.close()
        self._opened.clear()

    def open(self, target: str, build_name: str = "plain") -> OpenTarget | None:
        """This target, opened; None when it has no such build. Raises TargetError or UsageError."""
        if target not in self._opened:
            prepared = self.prepare(target)
            while len(self._opened) >= _MOST_SITES:
                self._opened.pop(next(iter(self._opened))).session.close()
            launches = self._with_own_reports(self._workshop(target), prepared.launches)
            session = Session(launches, prepared.contract, arena=self.arena, patience=self.patience)
            self._opened[target] = OpenTarget(session, prepared)
        opened = self._opened[target]
        return opened if build_name in opened.prepared.launches else None

    def _with_own_reports(self, workshop: Workshop | None, launches: Mapping[str, Launch]) -> dict[str, Launch]:
        """Sanitizer reports of this process go to a folder of its own: another worker's are not ours to read."""
        own = dict(launches)
        shared: tuple[Place, ...] = ()
        if "sanitized" in own:
            reports = Path(tempfile.mkdtemp(prefix="reports-", dir=self.folder))
            given = own["sanitized"]
            own["sanitized"] = replace(given, env={**given.env, **sanitizer_environment(reports)})
            shared = (Place(reports, "shared"),)
        return {name: self._in_copy(one, workshop, shared) for name, one in own.items()}

    # -- preparing ----------------------------------------------------------------------------------------------

    def prepare(self, target: str) -> Prepared:
        """Build and discover, or read what another process of this run found. Raises TargetError, UsageError."""
        place = self._place(target)
        with _locked(place.with_suffix(".lock")):
            saved = place.with_suffix(".json")
            if not saved.exists():
                prepared = self._prepare(target, place)
                saved.write_text(json.dumps(prepared.to_json()))
            prepared = Prepared.from_json(json.loads(saved.read_text()))
        if prepared.error is not None:
            raise TargetError(prepared.error)
        return prepared

    def resolve(self, text: str) -> tuple[Target, Contract]:
        """The target that is meant, and its contract. Raises UsageError, TargetError for one that is not there."""
        from gatecrash.target.resolve import (
            resolve,  # reads contracts: heavy, and not needed by workers that find it done
        )

        workshop = self._workshop(text)
        if workshop is None:
            return resolve(text, self.contract)
        submission = Path(text)
        if not submission.exists() or _is_special(submission):
            raise UsageError(
                say("{name} is neither a file nor a folder, and only those are judged confined.", name=text)
            )
        with _locked(workshop.folder.with_suffix(".lock-tree")):
            copy = workshop.move_in(submission)
        return resolve(str(copy), self.contract, foreign=True)

    def _place(self, target: str) -> Path:
        """Where everything of a target lies that is made in this run."""
        named = f"{target}\0{self.contract}".encode("utf-8", "surrogateescape")  # a file's name need not be UTF-8
        return self.folder / hashlib.sha256(named).hexdigest()[:16]

    def _workshop(self, target: str) -> Workshop | None:
        """Where it is built, if nobody trusts it."""
        if self.confinement is None:
            return None
        return Workshop(self._place(target), self.confinement, self.arena)  # type: ignore[arg-type]

    def _prepare(self, text: str, folder: Path) -> Prepared:
        try:
            target, contract = self.resolve(text)
        except TargetError as error:
            if self.confinement is None:
                raise
            return Prepared(Path(text).name, Contract(), {}, error=str(error))
        folder.mkdir(parents=True, exist_ok=True)
        workshop, given = self._workshop(text), Path(text)
        build = self._sanitized_build(target, folder, workshop)  # a folder is copied before the plain build changes it
        # The sanitized build is the slow one, and discovery does not need it.
        with ThreadPoolExecutor(1) as aside:
            sanitized = aside.submit(self._sanitized, target, build) if build is not None else None
            try:
                launch, how = _plain(target, folder, workshop)
                copied, text = self._in_copy(launch, workshop), _source_text(target)
                found = discover(copied, contract, text, arena=self.arena, patience=self.patience)
            except TargetError as error:
                return Prepared(target.name, contract, {}, error=str(error))
            other, said = sanitized.result() if sanitized is not None else (None, "")
        found.contract = replace(found.contract, confined=self.confinement is not None)
        launches = {"plain": launch} if other is None else {"plain": launch, "sanitized": other}
        prepared = _prepared(target, found, launches, (how, said) if said else (how,))
        if workshop is not None and target.source is not None:
            return replace(prepared, source=str(workshop.as_given(target.source, given)))
        return prepared

    def _in_copy(self, launch: Launch, workshop: Workshop | None, shared: tuple[Place, ...] = ()) -> Launch:
        """What our requests make it do is done to copies of its files."""
        if workshop is None or self.confinement is None:
            return replace(launch, room=self.folder)
        confined = Confined(self.confinement, (*workshop.places(), *shared))
        return replace(launch, room=self.folder, confined=confined)

    def _sanitized_build(self, target: Target, folder: Path, workshop: Workshop | None) -> Callable[[], Built] | None:
        """What builds it with the sanitizers; None where it is no C, or nobody asks for that."""
        if not self.sanitized or target.language != "c" or target.kind not in ("source", "folder"):
            return None
        from gatecrash.target.build import build, build_sanitized_copy
        from gatecrash.target.sanitized_make import copy_of

        if (word := sanitizers_named(target)) is not None:
            why = say("its source has {word} in it, so what the sanitizers say would not be theirs alone", word=word)
            return partial(_refuse, Unavailable(say("a sanitized build"), why))
        place, runner = folder / "sanitized", workshop.run if workshop is not None else None
        if target.kind == "source":
            return lambda: build(target, place, sanitize=True, runner=runner)
        try:
            original = target.folder or target.cwd
            copy = copy_of(original, place) if workshop is None else workshop.copy(original, place)
        except Unavailable as error:
            return partial(_refuse, error)
        return lambda: build_sanitized_copy(target, copy, folder, runner)

    @staticmethod
    def _sanitized(target: Target, build: Callable[[], Built]) -> tuple[Launch | None, str]:
        """The sanitized build, or why there is none."""
        try:
            built = build()
        except Unavailable as error:
            return None, str(error)
        except TargetError as error:
            return None, say("the sanitized build failed, so it is left out: {error}", error=error)
        return Launch(tuple(built.argv), target.cwd, dict(target.env)), built.how


def _refuse(error: Unavailable) -> Built:
    raise error


def _is_special(path: Path) -> bool:
    return not (path.is_dir() or path.is_file()) or (path.is_symlink() and not path.is_dir())


def _plain(target: Target, folder: Path, workshop: Workshop | None) -> tuple[Launch, str]:
    """The build that is judged. Raises TargetError with the compiler's words."""
    if target.address is not None:
        return Launch((), target.cwd, address=target.address), say("nothing: it runs already")
    from gatecrash.target.build import build

    built = build(target, folder / "plain", runner=workshop.run if workshop is not None else None)
    return Launch(tuple(built.argv), target.cwd, dict(target.env)), built.how


def _prepared(target: Target, found: Discovery, launches: Mapping[str, Launch], how: tuple[str, ...]) -> Prepared:
    return Prepared(
        name=target.name,
        contract=replace(found.contract, mentions=mentions(target, load().asked_of_source)),
        launches=launches,
        how_built=how,
        notes=tuple(found.notes),
        address=found.address,
        backlog=found.backlog,
        arena=found.arena,
        unseen=found.unseen,
        source=None if target.source is None else str(target.source),
    )


def _source_text(target: Target) -> str:
    if target.source is None:
        return ""
    try:
        with target.source.open(errors="replace") as file:
            return file.read(200_000)
    except OSError:
        return ""


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
