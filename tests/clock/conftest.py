from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gatecrash.sandbox.arena import Arena
from tests.clock.skipping import EVERYTHING, Skipping, python
from tests.needs import need
from tests.nursery import compiled

Start = Callable[..., Skipping]


@pytest.fixture
def arena() -> Iterator[Arena]:
    need("clock")
    with Arena.open() as opened:
        yield opened


@pytest.fixture
def start(arena: Arena, tmp_path: Path) -> Iterator[Start]:
    """Starts `c="..."`, a program in C, `py="..."`, one in Python, or what `argv` says."""
    made: list[Skipping] = []

    def make(
        *,
        c: str = "",
        py: str = "",
        argv: tuple[str, ...] = (),
        traps: frozenset[str] = EVERYTHING,
        flags: tuple[str, ...] = (),
    ) -> Skipping:
        words = list(argv) or ([compiled(tmp_path, c, *flags)] if c else python(py))
        made.append(Skipping(arena, words, traps, {"PATH": "/usr/bin:/bin"}))
        return made[-1]

    yield make
    arena.clear()
    for each in made:
        each.close()
