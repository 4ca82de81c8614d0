"""The one scenario that shows whether a basic rule holds, before rules that build on it are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from string import ascii_uppercase

from gatecrash.instruments import gates
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    AwaitHeld,
    Close,
    Connect,
    Fail,
    Freeze,
    HalfClose,
    Hold,
    Receive,
    ReceiveDatagrams,
    Release,
    Reset,
    Scenario,
    Send,
    SendDatagram,
    Settle,
    Signal,
    StartOnTakenPort,
    Step,
    Thaw,
    optional_send,
    scenario,
)
from gatecrash.protocols import ask, plain_request, protocol_of, visit
from gatecrash.protocols.echo import ECHO_PAYLOAD
from gatecrash.protocols.http import get_request

#: The friendliest message: it fills the usual buffers and ends a line.
_BLOCK = b"gatecrash knocks" * 255 + b"gatecrash says.\n"
_ODD = (b"\x00\n", b"\xff\xfe\n", b"-1\n")
Probe = Callable[[Contract], Scenario]


def one_after_another(contract: Contract) -> Scenario:
    """Two clients, the second after the first has left and the server has noticed."""
    first = (*ask("A", contract), Close("A"), Settle(labels.LEFT))
    return scenario(first, ask("B", contract), Close("B"), Settle(labels.AFTER))


def one_client(contract: Contract) -> Scenario:
    """One client that asks once."""
    return scenario(ask("A", contract), Settle(labels.AFTER))


def beside_an_idle_client(contract: Contract) -> Scenario:
    """One client that says nothing, then two that ask; where there is a worker for each, the first of them stays."""
    leaves = (Close("B"),) if contract.workers else ()
    return scenario(Connect("A"), Settle(labels.IDLE), ask("B", contract), leaves, ask("C", contract))


def all_at_once(contract: Contract) -> Scenario:
    """Three clients that wait in the accept queue together."""
    names = "ABC"
    arrivals = [(Connect(name), *_says(contract, name)) for name in names]
    leaving = ((Receive(name), HalfClose(name)) for name in names)
    return scenario(Freeze(), *arrivals, Settle(labels.IN_THE_QUEUE), Thaw(), *leaving, Settle(labels.REST))


def accept_fails(contract: Contract, error: str) -> Scenario:
    """A client that brings the server to its next accept, which fails, and another client."""
    return scenario(Fail("accept", error), visit("A", contract), visit("B", contract))


def stopped_and_continued(contract: Contract) -> Scenario:
    """The server is stopped and goes on; then a client comes."""
    return scenario(Settle(labels.RUNNING), Freeze(), Thaw(), Settle(labels.CONTINUED), ask("A", contract), Close("A"))


def interrupted_accept(contract: Contract) -> Scenario:
    """The handler of SIGCHLD runs while the server waits in accept; then a client comes."""
    signalled = (Settle(labels.WAITING), Signal("parent", "SIGCHLD"), Settle(labels.HANDLED))
    return scenario(signalled, ask("A", contract), Settle(labels.AFTER))


def whole_answer(contract: Contract) -> Scenario:
    """One client that asks once, and reads on to the end if its answer announces one."""
    asks = (Send("A", plain_request(contract), until_read=False), Receive("A", "announced"))
    return scenario(Connect("A"), asks, Settle(labels.ANSWERED, within=0.1))


def three_segments(contract: Contract) -> Scenario:
    """A request cut near its beginning and inside its empty line, each piece read before the next is sent."""
    request = plain_request(contract)
    pieces = (request[:2], request[2:-1], request[-1:])
    return scenario(Connect("A"), *(Send("A", piece) for piece in pieces), Receive("A"))


def same_again(contract: Contract) -> Scenario:
    """Three clients, one after the other, that send the same."""
    return scenario(*((*ask(name, contract), Close(name)) for name in "ABC"))


def something_missing(contract: Contract) -> Scenario:
    """A client that asks for what is not there; then another that asks as usual."""
    request = get_request("/gatecrash-not-there")
    asks = (Send("A", request, until_read=False), Receive("A"), Close("A"), Settle(labels.AFTER, within=0.1))
    return scenario(Connect("A"), asks, ask("B", contract))


def a_crowd(contract: Contract) -> Scenario:
    """Twenty clients that wait in the accept queue together; who was not served in turn may be served later."""
    names = tuple(f"C{number}" for number in range(1, 21))
    arrivals = [(Connect(name), *_says(contract, name)) for name in names]
    leaving = ((Receive(name), HalfClose(name)) for name in names)
    late = (Receive(name) for name in names)
    return scenario(Freeze(), *arrivals, Thaw(), *leaving, late, Settle(labels.REST, within=0.1))


def second_request(contract: Contract) -> Scenario:
    """One client that asks again on the same connection."""
    asks = (Send("A", plain_request(contract), until_read=False), Receive("A"))
    return scenario(Connect("A"), asks, asks)


def body_like_a_request(contract: Contract) -> Scenario:
    """A POST whose body would be a request by itself, and then another request."""
    body = get_request("/gatecrash-in-a-body")
    head = f"POST {contract.http.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    post = (Send("A", head + body, until_read=False), Receive("A"))
    return scenario(Connect("A"), post, Send("A", plain_request(contract), until_read=False), Receive("A", "silence"))


def echoed(*messages: bytes) -> Scenario:
    """A client sends these one after the other, each read back before the next, and reads to the end."""
    exchanges = ((Send("A", message), Receive("A")) for message in messages)
    return scenario(Connect("A"), *exchanges, HalfClose("A"), Receive("A", "end"))


def echo_crowd() -> Scenario:
    """Eight clients that are connected when all of them speak in one moment."""
    names = ascii_uppercase[:8]
    said = (Send(name, name.encode() * 10, until_read=False) for name in names)
    read = ((Receive(name), HalfClose(name)) for name in names)
    return scenario((Connect(name) for name in names), Settle(labels.HERE), Freeze(), said, Thaw(), *read)


def in_pieces() -> Scenario:
    """Text without a newline, in three segments."""
    return scenario(Connect("A"), *(Send("A", piece) for piece in (b"gate", b"crash", b"!")), Receive("A"))


def much() -> Scenario:
    """A megabyte of text, read while it is sent."""
    return scenario(Connect("A", small_window=True), Send("A", _BLOCK * 256, until_read=False), Receive("A"))


def datagrams(*messages: tuple[str, bytes], queued: bool = False) -> Scenario:
    """These clients send these datagrams, each answered before the next, or all queued before the first is read."""
    if queued:
        names = dict.fromkeys(name for name, _ in messages)
        sends = [SendDatagram(name, data) for name, data in messages]
        return scenario(Freeze(), sends, Thaw(), (ReceiveDatagrams(name, None) for name in names))
    return scenario(*((SendDatagram(name, data), ReceiveDatagrams(name)) for name, data in messages))


def told_to_end(contract: Contract) -> Scenario:
    """SIGTERM while nobody is there."""
    return scenario(Settle(labels.BEFORE_SIGTERM), Signal("parent", "SIGTERM"), Settle(labels.AFTER_SIGTERM, spin=2.0))


def leaves_in_the_middle(contract: Contract) -> Scenario:
    """A client that closes without a word, one that resets in the middle of its request, and a good one."""
    half = plain_request(contract)[:-1]
    said = (Send("B", half),) if half else (Receive("B"),)
    silent, broken_off = (
        (Connect("A"), Close("A"), Settle(labels.has_left("A"))),
        (Connect("B"), *said, Reset("B"), Settle(labels.LEFT)),
    )
    return scenario(silent, broken_off, ask("Z", contract))


def leaves_before_its_answer(contract: Contract) -> Scenario:
    """A client that finishes and resets while the server is held before its answer (if it can be); then a good one."""
    gone = (HalfClose("A"), Reset("A"))
    came = (Connect("A"), *_says(contract, "A"))
    held = (Hold("send"), *came, AwaitHeld(), *gone, Release()) if gates.available() is None else (*came, *gone)
    return scenario(held, Settle(labels.LEFT), ask("Z", contract))


def half_a_request(contract: Contract) -> Scenario:
    """A client that stops in the middle of its request, and one that asks."""
    half = plain_request(contract)[:-1]
    return scenario(Connect("A"), Send("A", half), Settle(labels.HOGGED), ask("B", contract))


def odd_words(contract: Contract) -> Scenario:
    """Clients that send bytes which mean nothing, one after the other: a zero byte, no text, no number."""
    names = ascii_uppercase[: len(_ODD)]
    protocol = protocol_of(contract)
    return scenario(*(protocol.say(name, odd) for name, odd in zip(names, _ODD, strict=True)), Settle(labels.SAID))


def half_closes(contract: Contract) -> Scenario:
    """A client that finishes before it has said anything."""
    return scenario(
        Connect("A"), HalfClose("A"), Settle(labels.has_finished("A")), Close("A"), Settle(labels.has_left("A"))
    )


def as_many_again(contract: Contract) -> Scenario:
    """Four clients that are served, and four more."""
    first, second = ([(*ask(name, contract), Close(name)) for name in names] for names in ("ABCD", "EFGH"))
    return scenario(*first, Settle(labels.FIRST_CROWD), *second, Settle(labels.SECOND_CROWD))


def thread_fails(contract: Contract) -> Scenario:
    """A client for whom no thread can be started, and another one."""
    return scenario(Fail("thread", "EAGAIN"), ask("A", contract), Close("A"), Settle(labels.FAILED), ask("B", contract))


def _says(contract: Contract, client: str) -> tuple[Step, ...]:
    return optional_send(client, plain_request(contract), until_read=False)


def twice_as_many(visits: Sequence[Iterable[Step]]) -> Scenario:
    """Visits of clients, one after the other, with a look after half of them and after all."""
    half = len(visits) // 2
    return scenario(*visits[:half], Settle(labels.ONCE), *visits[half:], Settle(labels.TWICE))


def served_twice_as_many(contract: Contract, count: int) -> Scenario:
    """`count` clients are served and leave, one after the other, then as many again."""
    return twice_as_many([(*ask(name, contract), Close(name)) for name in _names(2 * count)])


def children_at_work(contract: Contract, clients: Sequence[str]) -> tuple[Step, ...]:
    """Each of these clients has its child, which waits for more; one that speaks first is held before it does."""
    connects = tuple(Connect(name) for name in clients)
    return (Hold("send", len(clients)), *connects, AwaitHeld(len(clients))) if _held(contract) else connects


def children_go_on(contract: Contract) -> tuple[Step, ...]:
    """Who was held in `children_at_work` is held no more."""
    return (Release(),) if _held(contract) else ()


def _held(contract: Contract) -> bool:
    return protocol_of(contract).speaks_first and gates.available() is None


def held_connection(contract: Contract, count: int = 1) -> Scenario:
    """Clients who are being served when the server is looked at."""
    return scenario(children_at_work(contract, _names(count)), Settle(labels.SERVING), children_go_on(contract))


def knocking(contract: Contract, idle: int = 1, leaving: int = 1) -> Scenario:
    """Idle clients, others that come and leave, and one that knocks then."""
    names = _names(idle + leaving + 1)
    left = ((*ask(name, contract), Close(name)) for name in names[idle:-1])
    knocks = (Connect(names[-1]), *_says(contract, names[-1]), Settle(labels.KNOCKING))
    return scenario(children_at_work(contract, names[:idle]), *left, Settle(labels.LEFT), knocks)


def fork_fails(contract: Contract, error: str, times: int = 1) -> Scenario:
    """`times` clients for whom fork fails; then one for whom it works."""
    *unlucky, last = _names(times + 1)
    came = ((Connect(name), *_says(contract, name)) for name in unlucky)
    left = (Close(name) for name in unlucky)
    return scenario(Fail("fork", error, times), *came, Settle(labels.FAILED), left, ask(last, contract), Close(last))


def _names(count: int) -> tuple[str, ...]:
    return tuple(ascii_uppercase[:count])


_PROBES: dict[str, Probe] = {
    "ACC-01": one_after_another,
    "ACC-02": all_at_once,
    "ACC-07": lambda contract: accept_fails(contract, "ECONNABORTED"),
    "ACC-08": lambda contract: accept_fails(contract, "EMFILE"),
    "ACC-10": interrupted_accept,
    "ACC-11": lambda contract: scenario(StartOnTakenPort()),
    "ACC-16": beside_an_idle_client,
    "ACC-17": one_after_another,
    "FORK-01": lambda contract: scenario(Settle(labels.START), held_connection(contract).steps),
    "FORK-02": lambda contract: served_twice_as_many(contract, 2),
    "FORK-04": knocking,
    "FORK-05": held_connection,
    "FORK-07": lambda contract: served_twice_as_many(contract, 1),
    "FORK-08": lambda contract: fork_fails(contract, "EAGAIN"),
    "LIFE-02": told_to_end,
    "LIFE-05": leaves_in_the_middle,
    "LIFE-06": leaves_before_its_answer,
    "LIFE-07": lambda contract: scenario(Settle(labels.NOBODY_IS_THERE)),
    "LIFE-08": half_closes,
    "RES-01": as_many_again,
    "RES-05": thread_fails,
    "LIFE-09": stopped_and_continued,
    "LIFE-10": half_a_request,
    "MEM-03": odd_words,
    "RESP-01": one_client,
    "RESP-02": three_segments,
    **dict.fromkeys(("RESP-04", "RESP-05", "RESP-06", "RESP-07", "RESP-08", "RESP-09", "RESP-14"), whole_answer),
    "RESP-16": second_request,
    "RESP-19": a_crowd,
    "RESP-21": body_like_a_request,
    "RESP-24": same_again,
    "RESP-25": something_missing,
    "STREAM-01": lambda contract: echoed(ECHO_PAYLOAD),
    "STREAM-02": lambda contract: echoed(b"text\n", bytes(range(256)), b"\n\n"),
    "STREAM-03": lambda contract: in_pieces(),
    "STREAM-05": lambda contract: much(),
    "STREAM-06": lambda contract: scenario(echoed(ECHO_PAYLOAD).steps, Settle(labels.FINISHED)),
    "STREAM-10": lambda contract: echo_crowd(),
    "STREAM-11": lambda contract: echoed(_BLOCK, _BLOCK, _BLOCK),
    "DGRAM-01": lambda contract: datagrams(("A", b"a\x00b\xff\n")),
    "DGRAM-05": lambda contract: datagrams(("A", b"gatecrash " * 10), ("A", b"-")),
    "DGRAM-07": lambda contract: datagrams(("A", b"one"), ("A", b"two"), ("A", b"three"), queued=True),
    "DGRAM-09": lambda contract: datagrams(("A", b"a"), ("B", b"b"), ("A", b"c")),
}


def probe_of(rule: str) -> Probe | None:
    """The probe of a rule, or None when it is not one that others build on."""
    return _PROBES.get(rule)
