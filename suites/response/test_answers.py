"""What is answered: something, a success, the same again; and what no request may do to the server."""

import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gatecrash.engine.trial import Trial
from gatecrash.model import labels
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import (
    Close,
    Connect,
    Freeze,
    Receive,
    Scenario,
    Send,
    Settle,
    Step,
    Thaw,
    scenario,
)
from gatecrash.protocols import ask, protocol_of
from gatecrash.protocols.http import (
    ECHO,
    EMPTY_BODY,
    EMPTY_VALUE,
    LARGE,
    MISSING,
    USUAL_FIELDS,
    get_request,
    post_request,
)
from strategies import client_names, http_requests, malformed_requests
from strategies.requests import NO_TEXT
from strategies.rude import refusable

#: Seconds: a server that looks round now and then is not waited for, what is wrong shows at once.
_MOMENT = 0.1
#: Methods a server need not support, but that it must say something to.
_METHODS = ("POST", "HEAD", "OPTIONS", "DELETE", "GATECRASH")
_LONG_TARGETS = st.sampled_from((100, 256, 300, 512, 600, 1024, 1100, 2048, 4096, 8000, 15000)).map("a".__mul__)
#: What costs most often a worker of a pool: there is no second word, no word at all, no text.
_FATAL = (b"GET\r\n\r\n", b" \r\n\r\n", NO_TEXT[0])
#: Not st.text: it makes a table of all of Unicode first, in each worker.
_NAMES = st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789-_/."), min_size=1, max_size=40).map("".join)


@pytest.mark.rule("RESP-01", probe=lambda contract: scenario(ask("A", contract), Settle(labels.AFTER)))
def test_a_complete_request_is_answered(trial: Trial) -> None:
    plainly = st.integers(1, 3).map(lambda count: _one_after_another(trial.contract, count))
    drawn = st.one_of(plainly, st.sampled_from(_unpromised(trial.contract)).map(_read_and_answered))
    trial.verify(drawn, surely=[_read_and_answered(request) for request in _with_little_in_it(trial.contract)])


@pytest.mark.rule("RESP-30")
def test_what_the_contract_names_is_answered(trial: Trial) -> None:
    asked = tuple(protocol_of(trial.contract).promised_requests.values())
    trial.verify(st.sampled_from(asked).map(_read_and_answered))


@pytest.mark.rule("RESP-31")
def test_a_method_is_refused_with_an_answer(trial: Trial) -> None:
    requests = st.sampled_from(_METHODS).map(lambda method: _with_method(trial.contract.http.path, method))
    trial.verify(requests.map(_read_and_answered))


@pytest.mark.rule("RESP-22")
def test_a_malformed_request_harms_nothing(trial: Trial) -> None:
    long = _LONG_TARGETS.map(lambda target: get_request("/" + target))
    requests = st.one_of(malformed_requests(), st.sampled_from(NO_TEXT), long)
    workers = trial.contract.workers or 0
    times = st.sampled_from((1, 1, 1 + workers))  # each may cost a worker
    refused = [_watched(trial.contract, request, 1) for request in refusable(protocol_of(trial.contract))]
    crowds = [_watched(trial.contract, request, 1 + workers) for request in _FATAL] if workers else []
    drawn = st.tuples(requests, times).map(lambda drawn: _watched(trial.contract, *drawn))
    trial.verify(drawn, surely=[*crowds, *refused])


@pytest.mark.rule("RESP-24", probe=lambda contract: _again(contract, [get_request(contract.http.path)]))
def test_the_same_request_gets_the_same_answer_again(trial: Trial) -> None:
    between = st.lists(st.sampled_from(_others(trial.contract)), min_size=1, max_size=4)
    trial.verify(between.map(lambda others: _again(trial.contract, others)), examples=8, fresh=True)


@pytest.mark.rule("RESP-25", probe=lambda contract: _asked_in_vain(contract, [MISSING]))
def test_a_request_for_something_that_is_not_there_harms_nothing(trial: Trial) -> None:
    names = st.lists(_missing_names(), min_size=1, max_size=2)
    trial.verify(names.map(lambda chosen: _asked_in_vain(trial.contract, chosen)))


@pytest.mark.rule("RESP-27")
def test_the_answer_is_a_success(trial: Trial) -> None:
    trial.verify(http_requests(path=trial.contract.http.path).map(lambda request: scenario(_visit("A", request))))


def _visit(client: str, request: bytes) -> tuple[Step, ...]:
    return (Connect(client), Send(client, request, until_read=False), Receive(client), Close(client))


def _read_and_answered(request: bytes) -> Scenario:
    """One client; how much of its request the server reads is part of the evidence, and whether it is still there."""
    asks = (Send("A", request), Receive("A"), Close("A"))
    return scenario(Connect("A"), asks, Settle(labels.AFTER, within=_MOMENT))


def _with_method(path: str, method: str) -> bytes:
    return post_request(path) if method == "POST" else get_request(path).replace(b"GET", method.encode(), 1)


def _unpromised(contract: Contract) -> tuple[bytes, ...]:
    """Complete requests whose answer may be any: of all methods, and for what discovery looks for in vain."""
    asked = [_with_method(contract.http.path, method) for method in _METHODS]
    dressed = (get_request(contract.http.path, extra=USUAL_FIELDS), get_request(contract.http.path, version="1.0"))
    promised = protocol_of(contract).promised_requests.values()
    everything = (*dressed, *asked, post_request(ECHO), get_request(LARGE))
    return tuple(request for request in everything if request not in promised)


def _with_little_in_it(contract: Contract) -> tuple[bytes, ...]:
    """Requests with a field that has no value, and with a body that has no bytes."""
    path = contract.http.path
    gets = [get_request(path, extra=extra) for extra in (EMPTY_VALUE, EMPTY_BODY)]
    return (*gets, post_request(contract.http.post_path or path, b""))


def _one_after_another(contract: Contract, count: int) -> Scenario:
    return scenario(*((*ask(name, contract), Close(name)) for name in client_names(count)))


def _watched(contract: Contract, request: bytes, times: int) -> Scenario:
    """`times` clients send this, and another one asks for what is known to be there.

    While the parent is frozen a child that crashes stays a zombie, and a zombie tells how it died.
    """
    first, *rude, last = client_names(times + 1)
    behind = contract.concurrency in ("fork", "prefork")
    freeze, thaw = ((Settle(labels.TAKEN, within=_MOMENT), Freeze("parent")), (Thaw(),)) if behind else ((), ())
    moment = None if contract.sleeps else _MOMENT  # one that sleeps first has read nothing by then
    asked = (Send(first, request, until_read=False), Settle(labels.ASKED, within=moment))
    watched = (Connect(first), *freeze, *asked, *thaw, Close(first), Settle(labels.AFTER, within=moment))
    others = ((Connect(n), Send(n, request, until_read=False), Settle(within=moment), Close(n)) for n in rude)
    return scenario(watched, *others, _visit(last, get_request(contract.http.path)))


def _others(contract: Contract) -> tuple[bytes, ...]:
    """What other clients may ask for between two that ask for the same."""
    path = contract.http.path
    head = get_request(path).replace(b"GET", b"HEAD", 1)
    return (get_request(path), head, get_request(MISSING), get_request(path, extra=b"X-A: b\r\n" * 3))


def _again(contract: Contract, others: list[bytes]) -> Scenario:
    first, *names = client_names(len(others) + 2)
    requests = (*others, get_request(contract.http.path))
    visits = (_visit(name, request) for name, request in zip(names, requests, strict=True))
    return scenario(_visit(first, get_request(contract.http.path)), *visits)


def _missing_names() -> SearchStrategy[str]:
    """Names that no server has, with and without folders, dots and endings."""
    return _NAMES.map(lambda name: "/gatecrash" + name)


def _asked_in_vain(contract: Contract, names: list[str]) -> Scenario:
    *curious, last = client_names(len(names) + 1)
    visits = (_visit(client, get_request(name)) for client, name in zip(curious, names, strict=True))
    return scenario(*visits, Settle(labels.AFTER, within=_MOMENT), _visit(last, get_request(contract.http.path)))
