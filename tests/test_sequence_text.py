"""The sequence diagram in a terminal: never wider than asked, readable without colours and without UTF-8."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from gatecrash.diagrams import Diagram, diagram
from gatecrash.model.scenario import Settle
from gatecrash.model.transcript import Looked, Transcript
from gatecrash.model.verdicts import Difference, Finding
from gatecrash.reports.sequence_text import text
from tests.sequences import (
    UNSERVED,
    UNSERVED_FOUND,
    ZOMBIES,
    ZOMBIES_FOUND,
    asked,
    flood,
    hostile,
    look,
    nothing,
    transcript,
)

CROWDED = transcript(
    *(part for name in "ABCDEF" for part in asked(name, b"an answer")),
    (Settle("end"), [Looked(0, "end", look(zombies=(11, 12, 13, 14, 15)))]),
)
PICTURES: list[tuple[Transcript, Finding | None]] = [
    (ZOMBIES, ZOMBIES_FOUND),
    (UNSERVED, UNSERVED_FOUND),
    (flood(200), UNSERVED_FOUND),
    (CROWDED, ZOMBIES_FOUND),
    (nothing(), None),
    hostile(),
]


def picture(played: Transcript, finding: Finding | None) -> Diagram:
    return diagram(played, finding, "ACC-01")


def lines(played: Transcript, finding: Finding | None, *, width: int = 80, ascii_only: bool = False) -> list[str]:
    return [line.plain for line in text(picture(played, finding), width=width, ascii_only=ascii_only)]


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize(("played", "finding"), PICTURES)
def test_no_line_is_wider_than_asked(played: Transcript, finding: Finding | None, width: int) -> None:
    assert max(map(cell_len, lines(played, finding, width=width))) <= width


@pytest.mark.parametrize(("played", "finding"), PICTURES)
def test_a_terminal_without_utf8_gets_the_same_lines_in_ascii(played: Transcript, finding: Finding | None) -> None:
    plain = lines(played, finding, ascii_only=True)
    assert all(line.isascii() and (line.isprintable() or not line) for line in plain)
    assert [len(line) for line in plain] == [cell_len(line) for line in lines(played, finding)]


def test_every_fault_and_nothing_else_has_an_exclamation_mark() -> None:
    marked = [line for line in lines(UNSERVED, UNSERVED_FOUND)[:-1] if line.startswith("!")]
    assert len(marked) == 2
    assert "nothing more can come: proven" in marked[0]
    assert "blocked in accept(3)" in marked[1]


def test_an_unserved_client_as_it_is_drawn() -> None:
    drawn = lines(transcript(*asked("A", None)), UNSERVED_FOUND)
    assert drawn[:8] == [
        "kernel: accept queue, buffers   server: process 7",
        "               A                      kernel                    server",
        "               ├╌╌╌╌╌╌╌╌ connect ╌╌╌╌╌╌╌►│                         │",
        "               │                         ├╌╌╌╌╌╌╌╌ accept A ╌╌╌╌╌╌►│",
        '               ├──── "GET / HTTP/1.1\\r\\n\\r\\n" (18 bytes, read) ───►│',
        "!              ○ nothing more can come: proven                     │",
        "!              │                         │    blocked in accept(3) ●",
        "               ├══════ FIN (close) ═════►│                         │",
    ]


def test_a_caret_stands_under_the_wrong_byte() -> None:
    finding = Finding("STREAM-02", "", "A: wrong", difference=Difference(b"0123X5", b"012345", 4))
    drawn = lines(transcript(*asked("A", b"012345")), finding)
    caret = next(line for line in drawn if "^" in line)
    above = drawn[drawn.index(caret) - 1]
    assert [above[at] for at, letter in enumerate(caret) if letter == "^"] == ["4"]


def test_names_that_do_not_fit_are_shortened_then_numbered_and_told_in_full() -> None:
    usual, narrow = "\n".join(lines(CROWDED, None)), "\n".join(lines(CROWDED, None, width=40))
    assert "c1 is child 1, process 11" in usual
    assert "7 is" not in usual
    assert "7 is kernel, accept queue, buffers" in narrow


def printed(environment: dict[str, str], *, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=80, _environ={"TERM": "xterm-256color", **environment})
    for line in text(picture(UNSERVED, UNSERVED_FOUND)):
        console.print(line)
    return out.getvalue()


def test_colours_are_for_terminals_and_off_with_no_color() -> None:
    assert "\x1b[1;31mnothing more can come" in printed({}, terminal=True)
    assert "\x1b[1;31m" not in printed({"NO_COLOR": "1"}, terminal=True)
    assert "\x1b" not in printed({}, terminal=False)


def test_nothing_of_a_stranger_reaches_the_terminal_unescaped() -> None:
    assert all(line.isprintable() for line in lines(*hostile()))


def test_a_zombie_is_in_the_key_and_has_no_clients_letter() -> None:
    drawn = lines(ZOMBIES, ZOMBIES_FOUND)
    assert any("†" in line for line in drawn)
    assert any("† zombie" in line for line in drawn)
    assert not any("†" in line for line in lines(UNSERVED, UNSERVED_FOUND))
