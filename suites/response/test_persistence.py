"""Connections that bring more than one request, and those of clients that expect the end."""

import pytest
from hypothesis import strategies as st

from gatecrash.scenario import Connect, Receive, Scenario, Send, scenario
from gatecrash.trial import Trial
from strategies import http_requests

_FIELDS = ("Host: localhost", "User-Agent: gatecrash", "Accept: */*", "Connection: close")


@pytest.mark.rule("RESP-15")
def test_the_connection_of_an_old_client_ends(trial: Trial) -> None:
    fields = st.lists(st.sampled_from(_FIELDS), max_size=3, unique=True)
    trial.verify(fields.map(lambda chosen: _old_client(trial.contract.path, chosen)))


@pytest.mark.rule("RESP-16")
def test_the_next_request_is_answered(trial: Trial) -> None:
    requests = st.lists(http_requests(path=trial.contract.path), min_size=2, max_size=4)
    trial.verify(requests.map(_one_after_another))


def _old_client(path: str, fields: list[str]) -> Scenario:
    request = "\r\n".join([f"GET {path} HTTP/1.0", *fields, "", ""]).encode()
    return scenario(Connect("A"), Send("A", request, until_read=False), Receive("A", "end"))


def _one_after_another(requests: list[bytes]) -> Scenario:
    return scenario(Connect("A"), *((Send("A", request, until_read=False), Receive("A")) for request in requests))
