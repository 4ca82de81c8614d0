"""HTTP/1.x: the protocol, and how its answers and requests are read off the wire (RFC 9110, RFC 9112)."""

from gatecrash.protocols.http.head import Problem
from gatecrash.protocols.http.protocol import Http
from gatecrash.protocols.http.reading import (
    Answer,
    Reading,
    announces_close,
    can_persist,
    complete,
    read_answers,
    request_ends,
    request_methods,
    split_requests,
)
from gatecrash.protocols.http.requests import (
    ECHO,
    EMPTY_BODY,
    EMPTY_VALUE,
    LARGE,
    MISSING,
    USUAL_FIELDS,
    get_request,
    post_request,
)

__all__ = [
    "ECHO",
    "EMPTY_BODY",
    "EMPTY_VALUE",
    "LARGE",
    "MISSING",
    "USUAL_FIELDS",
    "Answer",
    "Http",
    "Problem",
    "Reading",
    "announces_close",
    "can_persist",
    "complete",
    "get_request",
    "post_request",
    "read_answers",
    "request_ends",
    "request_methods",
    "split_requests",
]
