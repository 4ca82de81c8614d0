"""From an address to a scheduler that answers, and the few things that are asked of it."""

from __future__ import annotations

import contextlib
import logging
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import dask
from distributed import Client, Future, LocalCluster
from distributed.security import Security

from gatecrash.grading.cluster_address import ClusterAddress
from gatecrash.grading.judges import JudgesGone
from gatecrash.language import say
from gatecrash.text import safe_text

_SECONDS_TO_CONNECT = 15.0
SECONDS_TO_ANSWER = 30.0  # the scheduler, to anything
#: Nothing to look at over HTTP, which nobody would have to prove anything for.
_NO_PAGES: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}


def connected(address: ClusterAddress, scratch: Path, opened: contextlib.ExitStack) -> Client:
    """A client, which `opened` closes. Raises JudgesGone where nobody answers."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it means for a class is said by us
    try:
        where: str | LocalCluster = address.text
        if address.local is not None:
            where = _local(address.local, scratch)
            opened.callback(where.close)
        client = Client(where, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, TimeoutError, ValueError, RuntimeError, TypeError) as error:
        raise JudgesGone(
            say(
                "{address} does not answer: {reason}. Is `dask scheduler` running there, and reached with these "
                "certificates?",
                address=address.text,
                reason=first_line(error),
            )
        ) from None
    opened.callback(client.close, timeout=5)
    try:
        client.run_on_scheduler(version, "gatecrash")
    except PackageNotFoundError:
        raise JudgesGone(
            say("the scheduler {address} has no Gatecrash: install gatecrash[cluster] there, too", address=address.text)
        ) from None
    return client


def _local(count: int, scratch: Path) -> LocalCluster:
    """Workers of this machine. Its users may all connect to a port of the loopback: TLS keeps them out."""
    with dask.config.set(_NO_PAGES):
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tls://",
            security=Security.temporary(),
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            local_directory=str(scratch),
            memory_limit=None,  # what submissions take is bounded by their arenas
        )


def threads(client: Client) -> dict[str, int]:
    """The workers that are there now, by their addresses. Raises OSError, TimeoutError."""
    if client.scheduler is None:
        raise OSError(say("the connection was lost"))
    return cast("dict[str, int]", client.sync(client.scheduler.ncores, callback_timeout=SECONDS_TO_ANSWER))


def drop(future: Future[Any] | None) -> None:
    """Have the scheduler forget it."""
    if future is not None:
        with contextlib.suppress(Exception):
            future.cancel()
            future.release()


def gone(address: str, reason: object) -> str:
    """The sentence about a scheduler that was there before."""
    return say(
        "the scheduler {address} is gone: {reason}. What was judged is kept, and the same command goes on.",
        address=address,
        reason=first_line(reason),
    )


def first_line(reason: object) -> str:
    """Of what was raised, or said, elsewhere."""
    return safe_text(str(reason).strip().partition("\n")[0]) or type(reason).__name__
