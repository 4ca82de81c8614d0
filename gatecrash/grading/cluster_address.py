"""Which cluster is asked for: `tcp://scheduler:8786`, or `local:4`, four processes of this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gatecrash.errors import UsageError
from gatecrash.language import say

#: As Dask writes them; what stands before :// is how it is spoken (docs.dask.org, "Communications").
_SCHEDULER = re.compile(r"(?:(?:tcp|tls|ws|wss)://)?(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})", re.ASCII)
_LOCAL = re.compile(r"local:(\d+)", re.ASCII)
_MOST_LOCAL = 256


@dataclass(frozen=True)
class ClusterAddress:
    """A scheduler's address, or how many workers are started on this machine."""

    text: str
    local: int | None = None


def cluster_address(text: str) -> ClusterAddress:
    """What was typed. Raises UsageError."""
    local, scheduler = _LOCAL.fullmatch(text), _SCHEDULER.fullmatch(text)
    if local is not None and 1 <= int(local[1]) <= _MOST_LOCAL:
        return ClusterAddress(text, int(local[1]))
    if local is None and scheduler is not None and 1 <= int(scheduler[1]) <= 65535:
        return ClusterAddress(text)
    raise UsageError(
        say(
            "{text!r} is no cluster: give a scheduler's address, tcp://scheduler:8786, or local:N (1 to {most})",
            text=text,
            most=_MOST_LOCAL,
        )
    )
