"""How answers are written: status line, header section, length, and nothing behind the end.

All kinds of answers are looked at: pages, errors, refusals of a method or of what is malformed, answers to old
clients, to bodies, and to those who have the page already.
"""

from collections.abc import Sequence

import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Receive, Scenario, Send, Settle, Step, scenario
from gatecrash.protocols.http import ECHO, LARGE, MISSING, get_request, post_request

#: Seconds: what a server sends behind its answer comes at once; one that looks round now and then is not waited for.
_MOMENT = 0.1
_METHODS = ("GET", "HEAD", "POST", "OPTIONS", "DELETE", "GATECRASH")
_NOT_HEAD = tuple(method for method in _METHODS if method != "HEAD")
_VERSIONS = ("1.1", "1.1", "1.0")
_FIELDS = ("Accept: */*", "User-Agent: gatecrash", "Connection: close", "If-None-Match: *")
#: Field lines behind a request line in which nothing is wrong (RFC 9112 5, 6.3); the last lacks Host (RFC 9112 3.2).
_MALFORMED = (b"Host: localhost\r\nNoColon\r\n", b"Host: localhost\r\nContent-Length: x\r\n", b"Accept: */*\r\n")


@pytest.mark.rule("RESP-04", probe=lambda contract: _asked_plainly(contract))
def test_the_status_line_is_well_formed(trial: Trial) -> None:
    trial.verify(_asked(trial.contract), surely=_always(trial.contract))


@pytest.mark.rule("RESP-05", probe=lambda contract: _asked_plainly(contract))
def test_header_lines_end_with_crlf(trial: Trial) -> None:
    trial.verify(_asked(trial.contract), surely=_always(trial.contract))


@pytest.mark.rule("RESP-06", probe=lambda contract: _asked_plainly(contract))
def test_the_header_section_is_well_formed(trial: Trial) -> None:
    trial.verify(_asked(trial.contract), surely=_always(trial.contract))


@pytest.mark.rule("RESP-07", probe=lambda contract: _asked_plainly(contract))
def test_the_body_is_as_long_as_announced(trial: Trial) -> None:
    trial.verify(_asked(trial.contract, _NOT_HEAD), surely=_always(trial.contract))


@pytest.mark.rule("RESP-08", probe=lambda contract: _asked_plainly(contract))
def test_nothing_follows_the_answer(trial: Trial) -> None:
    trial.verify(_asked(trial.contract, _NOT_HEAD), surely=_always(trial.contract))


@pytest.mark.rule("RESP-09", probe=lambda contract: _asked_plainly(contract))
def test_the_end_of_the_answer_is_known(trial: Trial) -> None:
    trial.verify(_asked(trial.contract), surely=_always(trial.contract))


@pytest.mark.rule("RESP-10")
def test_head_is_answered_without_a_body(trial: Trial) -> None:
    """One client asks with GET, the other with HEAD for the same."""
    pairs = _requests(trial.contract, ("HEAD",)).map(lambda head: (head.replace(b"HEAD", b"GET", 1), head))
    trial.verify(pairs.map(lambda both: scenario(_visit("A", both[0]), _visit("B", both[1]))))


@pytest.mark.rule("RESP-14", probe=lambda contract: scenario(_visit("A", _to_close(get_request(contract.http.path)))))
def test_an_announced_close_is_kept(trial: Trial) -> None:
    """Half of the clients ask for the end (RFC 9112 9.6); a server may announce it to others, too."""
    asked_to_close = _requests(trial.contract, _METHODS).map(lambda request: _asked_for(_to_close(request)))
    always = [_asked_for(_to_close(request)) for request in _of_each_kind(trial.contract)]
    trial.verify(asked_to_close | _asked(trial.contract), surely=always)


@pytest.mark.rule("RESP-23", probe=lambda contract: _asked_plainly(contract))
def test_one_request_gets_one_answer(trial: Trial) -> None:
    trial.verify(_asked(trial.contract), surely=_always(trial.contract))


def _asked_plainly(contract: Contract) -> Scenario:
    return _asked_for(get_request(contract.http.path))


def _asked(contract: Contract, methods: Sequence[str] = _METHODS) -> SearchStrategy[Scenario]:
    """Any of these requests; half of them ask for a page with GET, as most clients do."""
    pages = st.builds(get_request, st.sampled_from(_paths(contract)), version=st.sampled_from(("1.1", "1.0")))
    return (pages | _requests(contract, methods)).map(_asked_for)


def _always(contract: Contract) -> list[Scenario]:
    return list(map(_asked_for, _of_each_kind(contract)))


def _of_each_kind(contract: Contract) -> tuple[bytes, ...]:
    """Requests whose answers are likely to be written by lines of their own in a server's code."""
    unknown = _request("GATECRASH", contract.http.path, "1.1", ())
    return (*map(get_request, _paths(contract)), unknown, *_bodies(contract), *_malformed(contract))


def _asked_for(request: bytes) -> Scenario:
    return scenario(_visit("A", request))


def _paths(contract: Contract) -> tuple[str, ...]:
    return (contract.http.path, contract.http.large_path or LARGE, MISSING)


def _bodies(contract: Contract) -> tuple[bytes, ...]:
    """No empty line is in them: who takes a body for a request has another rule's mistake, and waits for more here."""
    takes, *others = dict.fromkeys((contract.http.post_path or ECHO, contract.http.path, MISSING))
    return (post_request(takes, b"\x00\xff" * 8), *(post_request(path, b"knock=1") for path in (takes, *others)))


def _malformed(contract: Contract) -> tuple[bytes, ...]:
    """The last has four words in its request line (RFC 9112 3)."""
    asked = f"GET {contract.http.path}"
    line, wrong = (f"{words} HTTP/1.1\r\n".encode() for words in (asked, f"{asked} {contract.http.path}"))
    return (*(line + fields + b"\r\n" for fields in _MALFORMED), wrong + b"Host: localhost\r\n\r\n")


def _visit(client: str, request: bytes) -> tuple[Step, ...]:
    """Reads on to an end that is announced; what comes unannounced shows at the look."""
    asks = (Send(client, request, until_read=False), Receive(client, "announced"))
    return (Connect(client), *asks, Settle(labels.ANSWERED, within=_MOMENT))


def _requests(contract: Contract, methods: Sequence[str]) -> SearchStrategy[bytes]:
    """Well-formed requests of any method, for what is there and what is not; without a body."""
    return st.builds(
        _request,
        st.sampled_from(methods),
        st.sampled_from(_paths(contract)),
        st.sampled_from(_VERSIONS),
        st.lists(st.sampled_from(_FIELDS), max_size=2, unique=True),
    )


def _to_close(request: bytes) -> bytes:
    """The request with "Connection: close", once."""
    if b"Connection: close\r\n" in request:
        return request
    return request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


def _request(method: str, path: str, version: str, fields: Sequence[str]) -> bytes:
    empty = ("Content-Length: 0",) if method == "POST" else ()
    lines = "".join(f"{line}\r\n" for line in (*fields, *empty))
    return get_request(path, version=version, extra=lines.encode()).replace(b"GET", method.encode(), 1)
