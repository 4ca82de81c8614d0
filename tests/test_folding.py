"""Long scenarios are told shortly, and nothing is told wrongly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Close, Connect, HalfClose, LetTimePass, Receive, Send, Settle, Step, scenario
from gatecrash.results.folding import folded_lines
from strategies import client_names
from strategies.visits import visit

CONTRACT = Contract(protocol="none")
_ACTS = (
    st.sampled_from("ABC").map(Connect)
    | st.builds(Send, st.sampled_from("ABC"), st.sampled_from((b"x", b"y")))
    | st.sampled_from("ABC").map(Close)
    | st.just(Settle("rest"))
)


def test_what_a_hundred_clients_do_alike_is_told_once() -> None:
    played = scenario(*(visit(name, CONTRACT, "half-close") for name in client_names(120)), Settle("rest"))
    lines = folded_lines(played.steps)
    assert [number for number, _ in lines] == [1, 2, 3, 4, 5, 6, 7, 721]
    assert lines[6] == (7, "to 720: the same for B, C, D, ..., C120 (119 clients)")


def test_rounds_of_several_clients_are_told_once() -> None:
    rounds = [
        (Connect(f"A{n}"), Connect(f"B{n}"), Send(f"A{n}", b"x"), Close(f"B{n}"), Close(f"A{n}")) for n in "12345"
    ]
    assert folded_lines(scenario(*rounds).steps)[5:] == [(6, "to 25: the same 4 times more")]


def test_a_repetition_by_the_same_client_names_nobody() -> None:
    lines = folded_lines(scenario(Connect("A"), *[Send("A", b"x")] * 8).steps)
    assert lines[2:] == [(3, "to 9: the same 7 times more")]


def test_what_differs_in_more_than_the_client_is_told_in_full() -> None:
    steps: list[Step] = []
    for number, name in enumerate(client_names(20)):
        steps += [Connect(name), Send(name, b"%d" % number), Receive(name), HalfClose(name)]
    assert [line for _, line in folded_lines(steps)] == [step.line() for step in steps]


def test_who_acts_in_another_order_does_not_do_the_same() -> None:
    steps = [
        Connect("A"),
        Connect("B"),
        Close("A"),
        Close("B"),
        *[Connect("C"), Connect("D"), Close("D"), Close("C")] * 2,
    ]
    assert len(folded_lines(steps)) == len(steps)


@given(st.lists(_ACTS, max_size=40))
def test_every_line_stands_for_the_steps_from_its_number_on(steps: list[Step]) -> None:
    lines = folded_lines(steps)
    starts = [number for number, _ in lines] + [len(steps) + 1]
    assert starts[0] == 1 or not steps
    for (number, line), behind in zip(lines, starts[1:], strict=True):
        told_alone = behind == number + 1 and line == steps[number - 1].line()
        assert told_alone or line.startswith(f"to {behind - 1}: the same ")


def test_within_a_block_that_is_repeated_repetitions_are_told_once_too() -> None:
    def crowd(number: int) -> list[Step]:
        names = [f"{letter}{number}" for letter in "ABCDE"]
        served: list[Step] = [step for name in names for step in (Connect(name), Receive(name), Close(name))]
        return [*served, Settle("rest")]

    lines = folded_lines([step for number in range(4) for step in crowd(number)])
    assert lines[3:] == [
        (4, "to 15: the same for B0, C0, D0, E0 (4 clients)"),
        (16, Settle("rest").line()),
        (17, "to 64: the same as from 1 on, 3 times more"),
    ]


def test_looks_that_bear_the_clients_name_are_told_once_with_what_it_does() -> None:
    visits = [(Connect(name), Close(name), Settle(name)) for name in client_names(4)]
    assert [line for _, line in folded_lines(scenario(*visits).steps)][-1] == "to 12: the same for B, C, D (3 clients)"


def test_pieces_with_the_same_pause_before_each_are_told_in_one_line() -> None:
    drips = [step for piece in (b"GE", b"T ", b"/ ") for step in (LetTimePass(1.5), Send("A", piece))]
    lines = folded_lines([Connect("A"), *drips, LetTimePass(2.0), Send("A", b"x"), Receive("A")])
    assert lines[1:] == [
        (2, 'to 7: A sends "GET / " in 3 pieces, each after a pause of 1.5 s of the server\'s time'),
        (8, LetTimePass(2.0).line()),
        (9, Send("A", b"x").line()),
        (10, Receive("A").line()),
    ]
