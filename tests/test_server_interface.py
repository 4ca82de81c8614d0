"""The two kinds of server stand side by side below one interface, and what shows only its wire says nothing else."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatecrash.errors import TargetError, Unavailable
from gatecrash.instruments.quiescence import Restless
from gatecrash.model.launch import Launch
from gatecrash.target.interface import Server
from gatecrash.target.server import ObservedServer
from gatecrash.target.wire_only import RemoteServer, UnseenServer, Wire, WireOnlyServer

KINDS = [ObservedServer, RemoteServer, UnseenServer]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_server_has_all_of_the_interface(kind: type[Server]) -> None:
    assert issubclass(kind, Server)
    assert kind.__abstractmethods__ == frozenset()


def test_no_kind_of_server_is_made_from_another() -> None:
    assert not [(one, other) for one in KINDS for other in KINDS if one is not other and issubclass(one, other)]
    assert not issubclass(WireOnlyServer, ObservedServer)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def remote(listening: socket.socket) -> RemoteServer:
    return RemoteServer(Wire(), Launch((), Path(), address=listening.getsockname()), datagram=False)


def test_a_running_server_is_found_by_its_address(remote: RemoteServer, listening: socket.socket) -> None:
    assert remote.wait_until_listening()
    assert remote.address == listening.getsockname()
    assert remote.sockets.ports == (listening.getsockname()[1],)
    assert remote.serving()


def test_nothing_listens_where_a_server_has_gone(remote: RemoteServer, listening: socket.socket) -> None:
    listening.close()
    with pytest.raises(TargetError, match="nothing takes connections"):
        remote.wait_until_listening()


def test_of_a_running_server_no_silence_is_proven_and_nothing_is_seen(remote: RemoteServer) -> None:
    client = ("127.0.0.1", 50000)
    assert remote.settle(lambda: None, patience=5.0) == Restless(())
    assert (remote.connection(client), remote.watch_reading(client), remote.footprint()) == (None, None, None)
    assert (remote.children(), remote.holders((client,)), remote.listeners_on(80)) == ((), frozenset(), ())
    assert remote.exit_status(within=5.0) is None
    assert remote.processor_seconds() == 0


def test_what_needs_its_processes_is_refused_of_a_running_server(remote: RemoteServer) -> None:
    for act in (lambda: remote.limit_descriptors(3), lambda: remote.another(remote.launch), remote.new_arena):
        with pytest.raises(Unavailable, match="runs already"):
            act()


def test_a_running_server_is_neither_signalled_nor_ended(remote: RemoteServer, listening: socket.socket) -> None:
    remote.signal_pids(remote.freeze("parent"), 9)
    remote.stop()
    remote.discard()
    assert remote.wait_until_listening()


def test_a_running_server_without_an_address_is_refused() -> None:
    with pytest.raises(TargetError, match="needs an address"):
        RemoteServer(Wire(), Launch((), Path()), datagram=False)
