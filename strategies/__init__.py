"""What clients may do: Hypothesis strategies that draw requests, payloads and whole scenarios.

Names are plural nouns, options are keyword-only and checked when the strategy is made.
"""

from strategies.conversations import (
    all_queued,
    answered_in_turn,
    echoed,
    pipelined_unread,
    pipelines,
    slow_readers,
    two_slow_readers,
)
from strategies.crowds import interleavings
from strategies.departures import KINDS, PHASES, departures
from strategies.distinct import distinct_requests, mark_of
from strategies.hogs import HOGS, hogs
from strategies.names import client_names, one_more
from strategies.payloads import datagrams, echo_payloads
from strategies.requests import http_requests, large_requests, malformed_requests
from strategies.segments import segmentations, segmented_requests

__all__ = [
    "HOGS",
    "KINDS",
    "PHASES",
    "all_queued",
    "answered_in_turn",
    "client_names",
    "datagrams",
    "departures",
    "distinct_requests",
    "echo_payloads",
    "echoed",
    "hogs",
    "http_requests",
    "interleavings",
    "large_requests",
    "malformed_requests",
    "mark_of",
    "one_more",
    "pipelined_unread",
    "pipelines",
    "segmentations",
    "segmented_requests",
    "slow_readers",
    "two_slow_readers",
]
