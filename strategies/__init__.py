"""What clients may do: Hypothesis strategies that draw requests, payloads and whole scenarios.

Names are plural nouns, options are keyword-only and checked when the strategy is made.
"""

from strategies.crowds import crowds, floods, interleavings, simultaneous_leavers
from strategies.departures import KINDS, PHASES, departures
from strategies.names import client_names
from strategies.payloads import datagrams, echo_payloads
from strategies.requests import http_requests, large_requests, malformed_requests
from strategies.segments import segmentations, segmented_requests

__all__ = [
    "KINDS",
    "PHASES",
    "client_names",
    "crowds",
    "datagrams",
    "departures",
    "echo_payloads",
    "floods",
    "http_requests",
    "interleavings",
    "large_requests",
    "malformed_requests",
    "segmentations",
    "segmented_requests",
    "simultaneous_leavers",
]
