"""Connections that bring more than one request, and those of clients that expect the end."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Connect, Receive, Scenario, Send, scenario
from gatecrash.protocols.http import MISSING, get_request, post_request
from strategies import http_requests

_FIELDS = ("Host: localhost", "User-Agent: gatecrash", "Accept: */*", "Connection: close")


@pytest.mark.rule("RESP-15")
def test_the_connection_of_an_old_client_ends(trial: Trial) -> None:
    fields = st.lists(st.sampled_from(_FIELDS), max_size=3, unique=True)
    trial.verify(fields.map(lambda chosen: _old_client(trial.contract.http.path, chosen)))


@pytest.mark.rule("RESP-29")
def test_a_client_that_asks_for_the_end_sees_it(trial: Trial) -> None:
    before = st.lists(http_requests(path=trial.contract.http.path), max_size=2)
    option = st.sampled_from((b"Connection: close", b"Connection: Close", b"connection:close"))
    trial.verify(st.tuples(before, option).map(lambda facts: _asks_for_the_end(trial.contract.http.path, *facts)))


@pytest.mark.rule("RESP-16", probe=lambda contract: _one_after_another([get_request(contract.http.path)] * 2))
def test_the_next_request_is_answered(trial: Trial) -> None:
    requests = st.lists(http_requests(path=trial.contract.http.path), min_size=2, max_size=4)
    trial.verify(requests.map(_one_after_another), surely=_behind_others(trial.contract))


def _old_client(path: str, fields: list[str]) -> Scenario:
    request = "\r\n".join([f"GET {path} HTTP/1.0", *fields, "", ""]).encode()
    return scenario(Connect("A"), Send("A", request, until_read=False), Receive("A", "end"))


def _asks_for_the_end(path: str, before: list[bytes], option: bytes) -> Scenario:
    """Some requests whose answers are read, and a last one that asks for the end of the connection."""
    asked = [step for request in before for step in (Send("A", request, until_read=False), Receive("A"))]
    last = Send("A", get_request(path, extra=option + b"\r\n"), until_read=False)
    return scenario(Connect("A"), asked, last, Receive("A", "end"))


def _behind_others(contract: Contract) -> list[Scenario]:
    """A page behind an answer of another kind: to a body, to HEAD, to what is not there."""
    page, post_path = get_request(contract.http.path), contract.http.post_path
    others = [page.replace(b"GET", b"HEAD", 1), get_request(MISSING)]
    others += [post_request(post_path)] if post_path is not None else []
    return [_one_after_another([other, page]) for other in others]


def _one_after_another(requests: list[bytes]) -> Scenario:
    return scenario(Connect("A"), *((Send("A", request, until_read=False), Receive("A")) for request in requests))
