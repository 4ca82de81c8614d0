"""Requests with a body."""

from collections.abc import Sequence

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Close, Connect, Receive, Scenario, Send, optional_send, scenario
from gatecrash.protocols.http import MISSING, get_request
from strategies import mark_of

_LOOKS_LIKE = ("GET", "HEAD", "DELETE", "POST")
_BODY = b"a=1&b=2"
#: How the end of a body is told; of both fields the second overrides, and a server may refuse them (RFC 9112 6.3).
_FRAMINGS = ("length", "chunks", "both")
_SPELLINGS = (str.lower, str.upper, str.swapcase, str.capitalize)


@pytest.mark.rule(
    "RESP-21", probe=lambda contract: _smuggled(contract, "POST", ["GET"], cut="", path=contract.http.path)
)
def test_a_body_is_not_taken_for_a_request(trial: Trial) -> None:
    promised = trial.contract.http
    paths = tuple(dict.fromkeys((promised.path, promised.post_path or promised.path, MISSING)))
    drawn = st.builds(
        _smuggled,
        st.just(trial.contract),
        st.sampled_from(("POST", "PUT")),
        st.lists(st.sampled_from(_LOOKS_LIKE), min_size=1, max_size=2),
        cut=st.sampled_from(_CUTS),
        path=st.sampled_from(paths),
        framing=st.sampled_from(_FRAMINGS),
    )
    inside = _smuggled(trial.contract, "POST", ["GET", "GET"], cut="body", path=promised.post_path or promised.path)
    trial.verify(drawn, surely=[inside])


#: Where a pause is: nowhere, in front of the body, or inside it.
_CUTS = ("", "head", "body")


@pytest.mark.rule("RESP-26")
def test_field_names_are_read_in_any_case(trial: Trial) -> None:
    spellings = st.tuples(*[st.sampled_from(_SPELLINGS)] * 3)
    trial.verify(spellings.map(lambda chosen: _respelt(trial.contract, chosen)))


def _smuggled(
    contract: Contract, method: str, looks_like: list[str], *, cut: str, path: str, framing: str = "length"
) -> Scenario:
    """A body of requests, with or without a pause in front of it or in it; then another request, and all that comes.

    Who refuses the first one, or knows no chunks, has to pass over its body, too, or to close the connection.
    """
    body = b"".join(_hidden_request(hidden) for hidden in looks_like)
    in_chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    size_line = in_chunks.index(b"\n") + 1
    fields = {
        "length": f"Content-Length: {len(body)}",
        "chunks": "Transfer-Encoding: chunked",
        "both": f"Content-Length: {size_line}\r\nTransfer-Encoding: chunked",
    }
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields[framing]}\r\n\r\n".encode()
    first = len(_hidden_request(looks_like[0])) + (0 if framing == "length" else size_line)
    body = body if framing == "length" else in_chunks
    at = {"": 0, "head": len(head), "body": len(head) + first}[cut]
    cuts = (Send("A", (head + body)[:at]),) if at else ()
    sends = (*cuts, *optional_send("A", (head + body)[at:], until_read=False))
    next_request = (Send("A", get_request(contract.http.path), until_read=False), Receive("A", "silence"))
    return scenario(Connect("A"), sends, Receive("A"), *next_request)


def _hidden_request(method: str) -> bytes:
    length = "Content-Length: 0\r\n" if method == "POST" else ""
    return f"{method} /{mark_of('nobody')} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n".encode()


def _respelt(contract: Contract, spellings: tuple[type[str], ...]) -> Scenario:
    """A asks with the usual field names, B with the same ones in other letters."""
    usual = ("Host", "Content-Type", "Content-Length")
    respelt = [spell(name) for spell, name in zip(spellings, usual, strict=True)]
    path = contract.http.post_path or contract.http.path
    asked = [("A", _post(path, usual)), ("B", _post(path, respelt))]
    return scenario(
        *((Connect(name), Send(name, data, until_read=False), Receive(name), Close(name)) for name, data in asked)
    )


def _post(path: str, names: Sequence[str]) -> bytes:
    values = ("localhost", "application/x-www-form-urlencoded", str(len(_BODY)))
    fields = "".join(f"{name}: {value}\r\n" for name, value in zip(names, values, strict=True))
    return f"POST {path} HTTP/1.1\r\n{fields}\r\n".encode() + _BODY
