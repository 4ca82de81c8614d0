"""A sequence diagram says what the transcript says: who, what, in which order, and where the fault is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatecrash.diagrams import Arrow, Band, Diagram, Mark, Row, diagram, text_of
from gatecrash.diagrams.canvas import SeenBefore
from gatecrash.diagrams.cast import cast_of, child
from gatecrash.diagrams.labels import of_bytes, size_note
from gatecrash.diagrams.places import in_words
from gatecrash.diagrams.rows import Drawing
from gatecrash.diagrams.shortening import MOST_CHILDREN, MOST_CLIENTS, MOST_ROWS
from gatecrash.language import stated
from gatecrash.model import calls as fates
from gatecrash.model import scenario as steps
from gatecrash.model import transcript as seen
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.facts import Facts
from gatecrash.model.scenario import (
    AwaitHeld,
    Connect,
    Fail,
    Freeze,
    Hold,
    Receive,
    ReceiveDatagrams,
    Release,
    Send,
    SendDatagram,
    Settle,
    Shorten,
    Thaw,
)
from gatecrash.model.transcript import (
    CallTrace,
    ClientSide,
    Connected,
    CrashedProcess,
    Ended,
    Got,
    HeldAt,
    Looked,
    NotConnected,
    Sent,
    ServerEnded,
    Silent,
    TracedCall,
    Transcript,
)
from gatecrash.model.verdicts import Difference, Finding
from tests.sequences import (
    CHILD,
    HOSTILE,
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

EVENTS = sorted(
    (kind for kind in vars(seen).values() if isinstance(kind, type) and issubclass(kind, seen.Event)),
    key=lambda kind: kind.__name__,
)


def drawn(played: Transcript, finding: Finding | None = None) -> Diagram:
    return diagram(played, finding, "ACC-01")


def kinds(picture: Diagram) -> list[str]:
    return [row.kind for row in picture.rows]


def the(picture: Diagram, kind: str) -> Row:
    found = [row for row in picture.rows if row.kind == kind]
    assert len(found) == 1, f"{len(found)} rows are {kind} in {kinds(picture)}"
    return found[0]


@pytest.mark.parametrize("kind", steps.STEPS)
def test_every_kind_of_step_has_a_meaning_in_the_picture(kind: type[steps.Step]) -> None:
    handlers = vars(Drawing)["step"].dispatcher
    assert handlers.dispatch(kind) is not handlers.dispatch(object)


def test_the_steps_are_all_steps_there_are() -> None:
    assert set(steps.STEPS) == set(steps.Step.__subclasses__())


@pytest.mark.parametrize("kind", [kind for kind in EVENTS if kind is not seen.Event])
def test_every_kind_of_event_has_a_meaning_in_the_picture(kind: type[seen.Event]) -> None:
    handlers = vars(Drawing)["event"].dispatcher
    assert handlers.dispatch(kind) is not handlers.dispatch(object)


def test_lanes_are_the_clients_the_kernel_the_parent_and_its_children() -> None:
    picture = drawn(ZOMBIES, ZOMBIES_FOUND)
    assert [lane.key for lane in picture.lanes] == ["client:A", "client:B", "kernel", "server", "child:8", "child:9"]
    assert picture.lanes[4].title == "child 1"
    assert picture.lanes[4].detail == "process 8"


def test_rows_come_in_the_order_of_the_steps() -> None:
    numbers = [row.step for row in drawn(ZOMBIES).rows]
    assert numbers == sorted(numbers)


def test_zombies_of_the_evidence_are_the_fault() -> None:
    mark = the(drawn(ZOMBIES, ZOMBIES_FOUND), "zombie")
    assert isinstance(mark, Mark)
    assert mark.lanes == ("child:8", "child:9")
    assert mark.bad


def test_without_a_finding_nothing_is_the_fault() -> None:
    assert not any(row.bad for row in drawn(ZOMBIES).rows)


def test_the_silence_of_the_blamed_client_and_who_is_blocked_are_the_fault() -> None:
    picture = drawn(UNSERVED, UNSERVED_FOUND)
    bad = [row for row in picture.rows if row.bad]
    assert [row.kind for row in bad] == ["silence", "blocked"]
    assert [lane.key for lane in picture.lanes if lane.bad] == ["client:B", "server"]


def test_a_remote_server_has_no_kernel_to_look_at() -> None:
    parts: list[Part] = [(Connect("A"), [Connected(0, "A")]), (Send("A", b"x"), [Sent(0, "A", b"x", None, None)])]
    picture = drawn(transcript(*parts, (Receive("A"), [Got(0, "A", b"x")])))
    assert [lane.key for lane in picture.lanes] == ["client:A", "server"]


def test_datagrams_know_no_accept_queue() -> None:
    parts: list[Part] = [
        (SendDatagram("A", b"x"), [Sent(0, "A", b"x", None, None, port=9)]),
        (ReceiveDatagrams("A"), [Got(0, "A", b"y", source_port=9)]),
        (Settle(), [Looked(0, "", look())]),
    ]
    picture = drawn(transcript(*parts))
    assert [lane.key for lane in picture.lanes] == ["client:A", "server"]
    assert kinds(picture)[:2] == ["datagram", "datagram"]


def test_what_nobody_has_read_stays_in_the_kernel() -> None:
    parts: list[Part] = [
        (Connect("A"), [Connected(0, "A")]),
        (Send("A", b"x"), [Sent(0, "A", b"x", False, 0, where=(PARENT,))]),
    ]
    row = the(drawn(transcript(*parts)), "segment")
    assert isinstance(row, Arrow)
    assert (row.end, row.fate, row.note) == ("kernel", "unread", "1 byte, not read")


def test_a_connection_is_accepted_when_something_of_it_was_read() -> None:
    assert kinds(drawn(transcript(*asked("A", b"x")[:2]))) == ["connect", "accept", "segment"]


def test_who_is_blocked_where_names_the_connection() -> None:
    side = ClientSide("A", "ESTABLISHED", True, 0, 0, 0, ((9, 4),))
    seen_once = look(children=(9,), where=(CHILD,), connections=(side,))
    picture = drawn(transcript((Connect("A"), [Connected(0, "A")]), (Settle(), [Looked(0, "", seen_once)])))
    assert text_of(the(picture, "blocked").words) == "blocked in recvfrom(4): A's connection"
    assert kinds(picture) == ["connect", "accept", "look", "forked", "blocked"]


def test_a_frozen_server_is_frozen_until_it_goes_on() -> None:
    parts: list[Part] = [(Freeze(), []), (Connect("A"), [Connected(0, "A")]), (Thaw(), [])]
    (period,) = drawn(transcript(*parts, *asked("B", b"x"))).periods
    assert (period.lane, period.kind, period.first, period.last) == ("server", "frozen", 0, 2)


def test_a_held_call_is_held_by_the_task_that_made_it() -> None:
    calls = (TracedCall(9, "send", "sendto", 4, fates.HELD),)
    parts: list[Part] = [
        (Hold("send"), []),
        *asked("A", b"x")[:2],
        (AwaitHeld(), [HeldAt(0, "sendto", True)]),
        (Release(), []),
        (Settle(), [Looked(0, "", look(children=(9,), where=(PARENT, CHILD))), CallTrace(0, calls)]),
    ]
    picture = drawn(transcript(*parts))
    held = the(picture, "held")
    assert isinstance(held, Mark)
    assert held.lanes == ("child:9",)
    assert text_of(held.words) == "held at sendto(4)"
    assert [p.kind for p in picture.periods if p.lane == "child:9"] == ["absent", "held"]


def test_a_failed_call_comes_before_what_came_of_it() -> None:
    calls = (
        TracedCall(7, "accept", "accept4", 3, fates.failed("EMFILE")),
        TracedCall(7, "recv", "recvfrom", -1, fates.RAN),
    )
    parts: list[Part] = [(Fail("accept", "EMFILE"), []), *asked("A", None), (Settle(), [CallTrace(0, calls)])]
    finding = Finding("ACC-18", "it is noticed", "its result is used", facts=Facts("failed accept"))
    picture = diagram(transcript(*parts), finding, "ACC-18")
    assert kinds(picture)[:4] == ["plan", "connect", "failed", "misused"]
    assert text_of(the(picture, "failed").words) == "accept4(3) fails: EMFILE"
    assert the(picture, "misused").bad


def test_a_short_send_says_how_little_it_took() -> None:
    calls = (TracedCall(7, "send", "sendto", 4, fates.shortened(1)),)
    picture = drawn(transcript((Shorten(1), []), *asked("A", b"x"), (Settle(), [CallTrace(0, calls)])))
    assert text_of(the(picture, "shortened").words) == "sendto(4) takes only 1 byte"


def test_the_server_dies_before_others_are_refused() -> None:
    refused = (Connect("B"), [NotConnected(0, "B", "refused"), ServerEnded(0, -13)])
    picture = drawn(
        transcript(*asked("A", b"x"), refused), Finding("LIFE-06", "", stated("{client} could not connect", client="B"))
    )
    assert kinds(picture)[-2:] == ["died", "connect"]
    assert text_of(the(picture, "died").words) == "killed by SIGPIPE"
    assert picture.rows[-1].bad


def test_a_crash_comes_before_the_end_it_caused() -> None:
    serving = look(children=(9,), connections=(ClientSide("A", "ESTABLISHED", True, 0, 0, 0, ((9, 4),)),))
    parts: list[Part] = [
        (Connect("A"), [Connected(0, "A")]),
        (Settle(), [Looked(0, "", serving)]),
        (Receive("A"), [Ended(0, "A", "FIN")]),
        (Settle(), [Looked(0, "", look(zombies=(9,))), CrashedProcess(0, 9, 11)]),
    ]
    picture = drawn(transcript(*parts), Finding("MEM-03", "no crash", "a process of the server was ended by SIGSEGV"))
    assert kinds(picture).index("died") == kinds(picture).index("fin") - 1


def answered(*pieces: bytes) -> Transcript:
    parts = asked("A", b"")[:2]
    return transcript(*parts, (Receive("A"), [*(Got(0, "A", piece) for piece in pieces), Ended(0, "A", "FIN")]))


@pytest.mark.parametrize("offset", [0, 2, 3, 4, 6])
def test_the_wrong_byte_is_marked_in_the_piece_that_brought_it(offset: int) -> None:
    pieces = (b"abc", b"d", b"efg")
    finding = Finding("STREAM-02", "", "A: wrong", difference=Difference(b"ABCDEFG", b"abcdefg", offset))
    rows = [row for row in drawn(answered(*pieces), finding).rows if row.bad]
    assert len(rows) == 1
    assert [span.text for span in rows[0].words if span.bad] == ["abcdefg"[offset]]


def test_missing_bytes_are_marked_where_they_should_follow() -> None:
    finding = Finding("RESP-11", "", "A got 3 bytes", difference=Difference(b"abcdef", b"abc", 3))
    rows = [row for row in drawn(answered(b"ab", b"c"), finding).rows if row.bad]
    assert [text_of(row.words) for row in rows] == ['"c" and no more', "FIN"]


def test_a_picture_calls_a_wait_as_programs_do() -> None:
    waits = BlockedTask(7, 7, "server", "blocked", "wait4")
    assert in_words(waits, {}) == "blocked in waitpid (wait4), waiting for a child to end"


def test_an_empty_datagram_is_empty_and_does_not_stop() -> None:
    assert text_of(of_bytes(b"", 0)) == '""'
    assert size_note(b"", 0) == "0 bytes"
    assert size_note(b"ab", 2) == "2 bytes, then it stops"


def test_a_datagram_that_was_meant_for_another_is_wrong_as_a_whole() -> None:
    parts: list[Part] = [
        (SendDatagram("A", b"mine"), [Sent(0, "A", b"mine", None, None, port=9)]),
        (ReceiveDatagrams("B"), [Got(0, "B", b"mine", source_port=9), Silent(0, "B", True, "quiet")]),
    ]
    finding = Finding("DGRAM-02", "", stated("{client} got it", client="B"), facts=Facts(datagram=b"mine"))
    assert [row.kind for row in drawn(transcript(*parts), finding).rows if row.bad] == ["datagram"]


def test_something_is_the_fault_whenever_there_is_a_finding() -> None:
    finding = Finding("ACC-01", "", "nobody knows")
    assert [row.bad for row in drawn(transcript(*asked("A", b"x")), finding).rows][-1]


@pytest.mark.parametrize("clients", [1, 7, 200])
def test_a_flood_is_folded_and_the_blamed_client_is_not(clients: int) -> None:
    last = f"C{clients - 1}"
    picture = drawn(flood(clients), Finding("ACC-02", "", stated("{client} got nothing", client=last), (PARENT,)))
    assert len(picture.rows) <= MOST_ROWS
    assert sum(lane.kind in ("client", "clients") for lane in picture.lanes) <= MOST_CLIENTS
    assert f"client:{last}" in [lane.key for lane in picture.lanes if lane.bad]


def test_a_fold_says_how_much_it_stands_for() -> None:
    picture = drawn(flood(200), UNSERVED_FOUND)
    assert [lane.detail for lane in picture.lanes if lane.kind == "clients"] == ["197 clients"]
    assert "… these 5 rows 196 times more …" in [text_of(row.words) for row in picture.rows if isinstance(row, Band)]


def test_equal_rows_are_counted() -> None:
    parts: list[Part] = [(Connect(f"C{number}"), [Connected(0, f"C{number}")]) for number in range(200)]
    assert max(row.times for row in drawn(transcript(*parts)).rows if isinstance(row, Arrow)) == 197


def test_many_children_share_a_lane() -> None:
    seen_once = look(children=tuple(range(100, 140)))
    lanes = drawn(transcript((Settle(), [Looked(0, "", seen_once)]))).lanes
    assert sum(lane.kind in ("child", "children") for lane in lanes) == MOST_CHILDREN
    assert lanes[-1].detail == "36 others"


def test_rows_that_all_differ_are_bounded_too() -> None:
    parts: list[Part] = [(Receive("A"), [Got(0, "A", bytes([65 + number % 26]) * number)]) for number in range(1, 500)]
    picture = drawn(transcript((Connect("A"), [Connected(0, "A")]), *parts))
    assert len(picture.rows) <= MOST_ROWS + 8
    assert "rows left out" in " ".join(text_of(row.words) for row in picture.rows)


def test_labels_of_strangers_are_escaped_and_bounded() -> None:
    played, finding = hostile()
    picture = drawn(played, finding)
    words = [text_of(row.words) for row in picture.rows] + [lane.title + lane.detail for lane in picture.lanes]
    assert any("\\x1b[31mred" in text or "\\u001b[31mred" in text for text in words)
    assert all(text.isprintable() and len(text) < 700 for text in [*words, picture.summary])
    assert all(lane.key.isprintable() for lane in picture.lanes)
    assert HOSTILE not in "".join(words)


def test_a_transcript_of_nothing_is_a_server_alone() -> None:
    assert [lane.key for lane in drawn(nothing()).lanes] == ["server"]


def test_the_picture_of_a_transcript_is_the_same_every_time() -> None:
    assert drawn(ZOMBIES, ZOMBIES_FOUND) == drawn(replace(ZOMBIES), ZOMBIES_FOUND)


def test_an_answer_with_another_status_is_wrong_and_not_its_end() -> None:
    finding = Finding("RESP-18", "", stated("{client} got 200", client="A"), facts=Facts("answer"))
    assert [row.kind for row in drawn(answered(b"HTTP/1.1 200 OK\r\n\r\n"), finding).rows if row.bad] == ["segment"]


def test_a_reset_behind_a_whole_answer_is_wrong_and_not_the_answer() -> None:
    parts = asked("A", b"")[:2]
    played = transcript(*parts, (Receive("A"), [Got(0, "A", b"HTTP/1.1 200 OK\r\n\r\n"), Ended(0, "A", "RST")]))
    finding = Finding("RESP-13", "", "A got status 200, and then a reset instead of the end")
    assert [row.kind for row in drawn(played, finding).rows if row.bad] == ["rst"]


@pytest.mark.parametrize(
    ("facts", "kind", "words"),
    [
        (Facts(address="127.0.0.1"), "queue", "listens on 127.0.0.1 alone"),
        (Facts("backlog"), "queue", "room for 5 in the accept queue"),
    ],
)
def test_what_is_wrong_with_the_listening_socket_is_shown_at_a_look(facts: Facts, kind: str, words: str) -> None:
    finding = Finding("ACC-13", "", "not as it should be", facts=facts)
    picture = drawn(transcript((Settle("start"), [Looked(0, "start", look())])), finding)
    assert [(row.kind, text_of(row.words)) for row in picture.rows if row.bad] == [(kind, words)]


def test_descriptors_that_do_not_come_back_are_counted_between_looks() -> None:
    parts: list[Part] = [
        (Settle("once"), [Looked(0, "once", look(descriptors=4))]),
        (Settle("twice"), [Looked(0, "twice", look(descriptors=8))]),
    ]
    evidence = (stated("process {pid}: one more", pid=7),)
    finding = Finding("RES-01", "", "4 more after 4 clients", evidence, facts=Facts("descriptors"))
    mark = the(drawn(transcript(*parts), finding), "descriptors")
    assert (text_of(mark.words), mark.bad) == ("8 descriptors open (before: 4)", True)


def test_who_stands_in_the_accept_queue_is_named() -> None:
    waiting = ClientSide("B", "ESTABLISHED", False, 18, 0, 0, ())
    parts: list[Part] = [
        (Connect("B"), [Connected(0, "B")]),
        (Settle(), [Looked(0, "", look(depth=1, connections=(waiting,)))]),
    ]
    mark = the(drawn(transcript(*parts), Finding("ACC-02", "", stated("{client} waits", client="B"))), "queue")
    assert (text_of(mark.words), mark.bad) == ("1 in the accept queue: B", True)


def test_an_answer_before_the_whole_head_is_wrong_and_not_its_end() -> None:
    finding = Finding("RESP-03", "", stated("{client} got 200", client="A"), facts=Facts("answer"))
    assert [row.kind for row in drawn(answered(b"HTTP/1.1 200 OK\r\n\r\n"), finding).rows if row.bad] == ["segment"]


def test_a_server_that_was_ended_for_its_many_processes_says_so() -> None:
    ended = (Connect("B"), [ServerEnded(0, -9, overrun=1025)])
    picture = drawn(transcript(*asked("A", b"x"), ended), Finding("RES-06", "", "it had 1025 processes"))
    assert text_of(the(picture, "died").words) == "ended at 1025 processes"


def test_who_is_the_first_process_of_another_look_has_no_lane_of_a_child() -> None:
    """Of a server that was started again: each look has a first process of its own."""
    cast = replace(cast_of(transcript()), mains=(6, 7), children=(8,))
    assert SeenBefore(live={6, 7, 8}, main=7).alive(cast, "child") == (child(8),)


def test_an_answer_that_came_while_a_message_was_still_being_read_stands_behind_it() -> None:
    sent = [Got(0, "A", b"one"), Sent(0, "A", b"two", True, 3)]
    picture = drawn(transcript((Connect("A"), [Connected(0, "A")]), (Send("A", b"two"), sent)))
    assert [text_of(row.words) for row in picture.rows if row.kind == "segment"] == ['"two"', '"one"']


def test_who_is_accepted_in_the_end_is_so_behind_an_accept_that_failed() -> None:
    calls = (TracedCall(7, "accept", "accept", 3, fates.failed("ECONNABORTED")),)
    parts: list[Part] = [(Fail("accept", "ECONNABORTED"), []), *asked("A", b"one")]
    ended: Part = (Settle(), [CallTrace(0, calls)])
    assert [kind for kind in kinds(drawn(transcript(*parts, ended))) if kind in ("accept", "failed")] == [
        "failed",
        "accept",
    ]


def test_who_was_accepted_was_so_before_the_fork_for_it_failed() -> None:
    calls = (TracedCall(7, "fork", "clone", 0, fates.failed("EAGAIN")),)
    side = ClientSide("A", "ESTABLISHED", True, 0, 0, 0, ((7, 4),))
    came: list[Part] = [(Fail("fork", "EAGAIN"), []), (Connect("A"), [Connected(0, "A")])]
    seen_then: Part = (Settle(), [Looked(0, "", look(connections=(side,))), CallTrace(0, calls)])
    picture = drawn(transcript(*came, seen_then))
    assert [kind for kind in kinds(picture) if kind in ("accept", "failed", "look")] == ["accept", "failed", "look"]


def test_a_port_that_the_finding_does_not_speak_of_is_no_row() -> None:
    elsewhere = replace(look(), asked_port=9157, ports=(57015,))
    played = transcript(*asked("A", None), (Settle(), [Looked(0, "", elsewhere)]))
    about = Finding("ACC-12", "it listens", stated("it listens on port {listed}", listed="57015"))
    other = Finding("ACC-01", "an answer", stated("{client} got nothing", client="A"))
    assert "started" in kinds(drawn(played, about))
    assert "started" not in kinds(drawn(played, other))


def test_a_restart_that_went_well_is_no_fault() -> None:
    again = seen.Started(0, "restart", True, (9157,), None, "", wanted=9157)
    played = transcript(*asked("A", None), (steps.Restart(), [again]))
    finding = Finding("ACC-01", "an answer", stated("{client} got nothing", client="A"))
    assert not the(drawn(played, finding), "started").bad


def test_the_wrong_byte_has_the_number_that_the_finding_gives_it() -> None:
    came: list[Part] = [(Connect("A"), [Connected(0, "A")]), (Receive("A"), [Got(0, "A", b"abc")])]
    more: Part = (Receive("A"), [Got(0, "A", b"dXf")])
    finding = Finding("STREAM-02", "all", "one changed", difference=Difference(b"abcdef", b"abcdXf", 4))
    picture = drawn(transcript(*came, (Settle(), [Looked(0, "", look())]), more), finding)
    assert any(isinstance(row, Arrow) and row.note == "3 bytes, wrong from byte 4" for row in picture.rows)
