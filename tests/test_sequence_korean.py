"""Pictures and transcripts in Korean: the same rows with the same faults, in the reader's words, and no wider."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from rich.cells import cell_len

from gatecrash import languages
from gatecrash.diagrams import Arrow, Diagram, Mark, Row, diagram, text_of
from gatecrash.diagrams.labels import wrapped
from gatecrash.diagrams.model import Span
from gatecrash.diagrams.places import in_words
from gatecrash.language import stated
from gatecrash.model import calls as fates
from gatecrash.model import scenario as steps
from gatecrash.model import transcript as seen
from gatecrash.model.blocked import BlockedTask, Descriptor, TaskState
from gatecrash.model.facts import About, Facts
from gatecrash.model.scenario import Scenario
from gatecrash.model.sockets import Listener
from gatecrash.model.transcript import ClientSide, Event, Looked, Transcript
from gatecrash.model.verdicts import Difference, Finding
from gatecrash.reports.sequence_svg import svg
from gatecrash.reports.sequence_text import text
from tests.sequences import (
    CHILD,
    PARENT,
    UNSERVED,
    UNSERVED_FOUND,
    ZOMBIES,
    ZOMBIES_FOUND,
    Part,
    asked,
    flood,
    hostile,
    look,
    nothing,
    transcript,
)
from tests.test_sequence_any import EVENTS, FINDINGS, STEPS

_HANGUL = re.compile(r"[가-힣]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_SENTENCE = re.compile(r"\b[a-z]+ [a-z]+ [a-z]+\b")
#: What programmers of any tongue say: the names of calls, segments and signals.
_NAMES = {"connect", "accept", "close", "FIN", "RST", "SIGTERM", "SIGCHLD"}


@pytest.fixture
def korean() -> Iterator[None]:
    languages.use("ko")
    yield
    languages.use("en")


def in_korean(played: Transcript, finding: Finding | None) -> Diagram:
    languages.use("ko")
    try:
        return diagram(played, finding, "ACC-01")
    finally:
        languages.use("en")


def side(client: str, **known: object) -> ClientSide:
    usual = ClientSide(client, "ESTABLISHED", True, 0, 0, 0, ((9, 4),))
    return replace(usual, **known)  # type: ignore[arg-type]


#: A look at everything that a look can tell.
_BUSY = replace(
    look(
        children=(9, 10),
        zombies=(11,),
        where=(PARENT, CHILD, BlockedTask(10, 10, "server", "running")),
        connections=(
            side("A", unread=1, holders=((7, 5), (9, 4))),
            side("B", unread=20),
            side("C", state="CLOSE_WAIT"),
            side("D", unsent=9000),
            side("E", accepted=False),
        ),
        depth=1,
        still="spinning",
        descriptors=9,
    ),
    share=0.5,
    asked_port=8080,
    ports=(9157, 9158),
)
_IDLE = replace(look(), listener=None)
_FULL = replace(look(depth=1), listener=Listener(1, 2, "127.0.0.1", 9157, 2, 1), still="restless")


def _calls(*outcomes: tuple[str, fates.CallOutcome]) -> seen.CallTrace:
    return seen.CallTrace(0, tuple(seen.TracedCall(7, family, family, 4, outcome) for family, outcome in outcomes))


_ACTS: list[Part] = [
    (steps.Connect("A"), [seen.Connected(0, "A")]),
    (steps.Connect("B"), [seen.NotConnected(0, "B", "refused")]),
    (steps.Connect("C"), [seen.NotConnected(0, "C", "queue full")]),
    (steps.Send("A", b"x" * 200), [seen.Sent(0, "A", b"x" * 200, False, 40, where=(CHILD,))]),
    (steps.Send("A", b"y"), [seen.Sent(0, "A", b"y", False, 0), seen.NotSent(0, "A", b"y", "EPIPE")]),
    (steps.Send("A", b"z"), [seen.Sent(0, "A", b"z", True, 1), seen.Sent(0, "A", b"z", None, None)]),
    (steps.Fail("accept", "EMFILE", 2), []),
    (steps.Hold("send"), []),
    (steps.Shorten(1), []),
    (steps.LimitDescriptors(2), []),
    (steps.LiftLimit(), []),
    (steps.SmallBuffers(), []),
    (steps.AwaitHeld(), [seen.HeldAt(0, "sendto", True), seen.HeldAt(0, "recv", False)]),
    (steps.AwaitHeld(), [seen.HeldAt(0, "recv", False, False)]),
    (steps.Release(), []),
    (steps.Freeze(), []),
    (steps.Thaw(), []),
    (steps.Signal("parent", "SIGTERM"), []),
    (steps.AskWithRequests("L", "/", times=2), [seen.LibraryAnswer(0, "L", 200, b"page")]),
    (steps.AskWithRequests("L", "/"), [seen.LibraryAnswer(0, "L", None, b"", "ConnectionError")]),
]
_SIGHTS: list[Part] = [
    (steps.Receive("A"), [seen.Got(0, "A", b"0123456"), seen.Silent(0, "A", True, "quiet", (CHILD,))]),
    (steps.Receive("A"), [seen.Silent(0, "A", False, "restless"), seen.Ended(0, "A", "FIN")]),
    (steps.Receive("A"), [seen.Flooded(0, "A", 5_000_000)]),
    (steps.Settle("busy"), [Looked(0, "busy", look(children=(10,))), Looked(0, "busy", _BUSY)]),
    (steps.Settle("idle"), [Looked(0, "idle", _IDLE), Looked(0, "idle", _FULL), Looked(0, "", look(running=False))]),
    (steps.Settle("rest"), [Looked(0, "rest", look(still="resting"))]),
    (steps.LetTimePass(90.0), [seen.TimePassed(0, 90.0), seen.TimePassed(0, 1.5, skipped=False)]),
    (steps.LetTimePass(172800.0), [seen.TimePassed(0, 172800.0), seen.TimePassed(0, 7200.0)]),
    (steps.ReadOutput(), [seen.Printed(0, "", b"hello\n"), seen.Printed(0, "", b"hello\n")]),
    (steps.HalfClose("A"), []),
    (steps.Reset("A"), [seen.Ended(0, "A", "RST")]),
    (steps.Restart(), [seen.Started(0, "restart", True, (9157,), None, "", wanted=9157)]),
    (steps.Restart(), [seen.Started(0, "restart", True, (9158,), None, "", wanted=9157)]),
    (steps.StartSecond(), [seen.Started(0, "second", False, (), None, "")]),
    (steps.StartOnTerminal(), [seen.Started(0, "terminal", True, (9157,), None, "", wanted=9157)]),
    (steps.StartOnTakenPort(), [seen.Started(0, "taken", False, (), 1, "", left_over=("LISTEN on port 9157",))]),
    (steps.Close("A"), [seen.DatagramsDropped(0, 1, 2), seen.SanitizerReport(0, "address", "ERROR: overflow")]),
    (steps.Close("A"), [seen.CrashedProcess(0, 9, 11), seen.ServerEnded(0, -11), seen.ServerEnded(0, 1)]),
    (steps.Close("A"), [seen.ServerEnded(0, -9, overrun=2000), seen.ServerEnded(0, -99)]),
    (steps.Close("A"), [_calls(("accept", fates.failed("EMFILE")), ("fork", fates.RAN), ("send", fates.shortened(1)))]),
]
#: Every kind of step and of event; what is looked for in the finding makes the pictures tell more.
EVERYTHING = transcript(*_ACTS, *_SIGHTS)
_WRONG = Difference(b"0123X56", b"0123456", 4)
_MISSING = Difference(b"0123456789", b"0123456", 7)

PICTURES: list[tuple[Transcript, Finding | None]] = [
    (ZOMBIES, ZOMBIES_FOUND),
    (UNSERVED, UNSERVED_FOUND),
    (flood(200), UNSERVED_FOUND),
    (
        transcript(*asked("A", None, where=(PARENT, CHILD))),
        Finding("ACC-01", "", stated("{client} got not a byte", client="A"), (CHILD,)),
    ),
    (transcript(*asked("A", b"0123456")), Finding("STREAM-02", "", "A: wrong", difference=_WRONG)),
    (transcript(*asked("A", b"0123456")), Finding("STREAM-02", "", "A: lost", difference=_MISSING)),
    (transcript(*_ACTS), None),
    (transcript(_ACTS[0], *_SIGHTS), None),
    (EVERYTHING, None),
    *(
        (EVERYTHING, Finding("RES-01", "", stated("process {pid}", pid=7), (PARENT,), facts=Facts(about)))
        for about in get_args(About)
    ),
    (EVERYTHING, Finding("ACC-04", "", "A", facts=Facts(None, (7, 9, 11), "127.0.0.1", b"x", 9157))),
    (nothing(), None),
    hostile(),
]


# -- pictures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("played", "finding"), PICTURES)
def test_the_rows_and_the_faults_are_the_same(played: Transcript, finding: Finding | None) -> None:
    said, original = in_korean(played, finding), diagram(played, finding, "ACC-01")
    assert [_shape(row) for row in said.rows] == [_shape(row) for row in original.rows]
    assert [(lane.key, lane.kind, lane.bad) for lane in said.lanes] == [
        (lane.key, lane.kind, lane.bad) for lane in original.lanes
    ]
    assert said.periods == original.periods


def _shape(row: Row) -> tuple[object, ...]:
    lanes = (row.start, row.end, row.fate) if isinstance(row, Arrow) else row.lanes if isinstance(row, Mark) else ()
    return type(row), row.kind, row.bad, row.step, getattr(row, "times", 1), lanes


@pytest.mark.parametrize(("played", "finding"), PICTURES[:-1])
def test_nothing_of_ours_is_left_in_english(played: Transcript, finding: Finding | None) -> None:
    """Values are what they are: bytes, and the names of clients, calls, constants and processes."""
    picture = in_korean(played, finding)
    names = _NAMES | set(played.scenario.clients)
    for words in _said(picture):
        rest = _QUOTED.sub("", words)
        assert _HANGUL.search(rest) or set(re.findall(r"\w+", rest)) <= names, words
        assert not _SENTENCE.search(re.sub(r"\([^()]*\)|requests|LISTEN on port", "", rest)), words
    languages.use("ko")
    try:
        assert _HANGUL.search(picture.summary)
    finally:
        languages.use("en")


def _said(picture: Diagram) -> Iterator[str]:
    for lane in picture.lanes:
        yield from (
            words for words in (lane.detail, *([] if lane.kind in ("client", "clients") else [lane.title])) if words
        )
    for row in picture.rows:
        yield text_of(row.words)
        if not isinstance(row, Mark | Arrow):
            continue
        yield from [row.note] if row.note else []


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize(("played", "finding"), PICTURES)
@pytest.mark.usefixtures("korean")
def test_no_line_is_wider_than_asked(played: Transcript, finding: Finding | None, width: int) -> None:
    lines = text(diagram(played, finding, "ACC-01"), width=width)
    assert max(cell_len(line.plain) for line in lines) <= width
    assert any(_HANGUL.search(line.plain) for line in lines)


@pytest.mark.parametrize(("played", "finding"), PICTURES)
@pytest.mark.usefixtures("korean")
def test_labels_stay_within_the_svg(played: Transcript, finding: Finding | None) -> None:
    root = ElementTree.fromstring(svg(diagram(played, finding, "ACC-01"), id_prefix="d1"))
    width = float(root.get("width", ""))
    assert root[0].text == "일어난 일: ACC-01"
    for label in root.iter("{http://www.w3.org/2000/svg}text"):
        shown, x = "".join(label.itertext()), float(label.get("x", ""))
        wide = sum(12 if cell_len(letter) == 2 else 7.2 * cell_len(letter) for letter in shown)
        left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[label.get("text-anchor", "")]
        assert left >= 0, shown
        assert left + wide <= width, shown


@pytest.mark.usefixtures("korean")
def test_a_long_band_is_cut_between_letters() -> None:
    label = "가" * 200
    lines = text(diagram(transcript((steps.Settle(label), [Looked(0, label, look())])), None, "ACC-01"))
    band = next(line.plain for line in lines if label[:10] in line.plain)
    assert 76 <= cell_len(band.strip("┄")) <= 80


def test_labels_are_wrapped_by_columns() -> None:
    lines = wrapped((Span("한글은 두 칸이다 "), Span("그래서 먼저 찬다", bad=True)), 12)
    assert [text_of(line) for line in lines] == ["한글은 두", "칸이다 그래", "서 먼저 찬다"]
    assert [[span.bad for span in line] for line in lines] == [[False], [False, True], [True]]
    assert [text_of(line) for line in wrapped((Span("가나"),), 1)] == ["가", "나"]


@pytest.mark.parametrize(("encoding", "expected"), [("ascii", "????A"), ("euc_kr", "가나A"), ("latin-1", "????A")])
def test_a_terminal_without_utf8_keeps_the_letters_it_has(encoding: str, expected: str) -> None:
    played = transcript((steps.Settle("가나A│"), [Looked(0, "가나A│", look())]))
    lines = [line.plain for line in text(diagram(played, None, "ACC-01"), ascii_only=True, letters=encoding)]
    assert any(f"({expected}|)" in line for line in lines)
    assert {cell_len(line) for line in lines if expected in line} == {80}


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(STEPS, EVENTS, FINDINGS)
@pytest.mark.usefixtures("korean")
def test_any_transcript_is_drawn(played: list[steps.Step], came: list[Event], finding: Finding | None) -> None:
    placed = sorted((replace(e, step=e.step % len(played)) for e in came), key=lambda event: event.step)
    picture = diagram(Transcript(Scenario(tuple(played)), tuple(placed)), finding, "ACC-01")
    assert any(row.bad for row in picture.rows) == (finding is not None and bool(picture.rows))
    ElementTree.fromstring(svg(picture, id_prefix="any"))
    assert all(cell_len(line.plain) <= 80 and line.plain.isprintable() for line in text(picture))


# -- where a task is ------------------------------------------------------------------------------------------------


def doing(
    call: str = "",
    state: TaskState = "blocked",
    *,
    descriptor: Descriptor | None = None,
    watched: tuple[Descriptor, ...] | None = None,
    more: int = 0,
    limit: float | None = None,
) -> BlockedTask:
    return BlockedTask(7, 7, "server", state, call, descriptor, watched, more, limit)


_KNOWN = {(7, 3): "L", (7, 4): "C"}
_SETS = (Descriptor(3, "socket"), Descriptor(5, "pipe"))
PLACES = [
    (doing(state="running"), "running", "running", "실행 중"),
    (doing("pause", state="stopped"), "stopped in pause, waiting for a signal",
     "stopped in pause, waiting for a signal",
     "pause에서 정지됨, 시그널을 기다림"),
    (doing("pause"), "blocked in pause, waiting for a signal", "blocked in pause, waiting for a signal",
     "pause에서 막힘(blocked), 시그널을 기다림"),
    (doing("accept", descriptor=Descriptor(3, "socket"), limit=2.0),
     "blocked in accept on descriptor 3 (a socket), for at most 2 s", "blocked in accept(3): L",
     "accept(3)에서 막힘(blocked): L"),
    (doing("read", descriptor=Descriptor(5, None)),
     "blocked in read on descriptor 5", "blocked in read(5)", "read(5)에서 막힘(blocked)"),
    (doing("poll", watched=_SETS, more=2, limit=0.5),
     "blocked in poll, watching descriptors 3 (a socket), 5 (a pipe) and 2 more, for at most 0.5 s",
     "blocked in poll, watching 3 (L), 5 (a pipe) and 2 more, for at most 0.5 s",
     "poll에서 막힘(blocked), 감시하는 것: 3 (L), 5 (파이프), 그 밖에 2개, 최대 0.5초"),
    (doing("epoll_wait", watched=(Descriptor(9, "socket"),)),
     "blocked in epoll_wait, watching descriptor 9 (a socket)", "blocked in epoll_wait, watching 9 (a socket)",
     "epoll_wait에서 막힘(blocked), 감시하는 것: 9 (소켓)"),
    (doing("select", watched=(), limit=float("inf")),
     "blocked in select, watching nothing, for a time we cannot read",
     "blocked in select, watching nothing, for a time we cannot read",
     "select에서 막힘(blocked), 감시하는 것 없음, 시간 제한은 읽을 수 없음"),
    (doing("?"), "blocked in a call the kernel does not let us see", "blocked in a call the kernel does not let us see",
     "커널이 보여 주지 않는 호출에서 막힘(blocked)"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "whole", "english", "spoken"), PLACES)
def test_where_a_task_is_in_words(task: BlockedTask, whole: str, english: str, spoken: str) -> None:
    assert task.line() == f"process 7 (server) is {whole}"
    assert in_words(task, _KNOWN) == english
    languages.use("ko")
    try:
        assert in_words(task, _KNOWN) == spoken
    finally:
        languages.use("en")


# -- transcripts ----------------------------------------------------------------------------------------------------


def test_the_samples_have_every_kind_of_event() -> None:
    kinds = {kind for kind in vars(seen).values() if isinstance(kind, type) and issubclass(kind, Event)} - {Event}
    assert {type(event) for event in EVERYTHING.events} == kinds


@pytest.mark.usefixtures("korean")
def test_a_transcript_is_told_in_the_language_and_kept_in_english() -> None:
    told, kept = EVERYTHING.told().splitlines(), str(EVERYTHING).splitlines()
    assert len(told) == len(kept)
    assert all(_HANGUL.search(_QUOTED.sub("", line)) for line in told)
    assert not any(_HANGUL.search(line) for line in kept)
    assert "      B is not connected: refused" in kept
    assert "      B: 연결되지 않았다, 거절됨" in told
