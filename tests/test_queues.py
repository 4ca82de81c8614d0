"""What the kernel's queues say of sockets whose state the test knows, because it holds both ends."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator

import pytest

from gatecrash.instruments import queues as queues_module
from gatecrash.instruments import sockdiag
from gatecrash.instruments.queues import Queues
from gatecrash.model.sockets import Connection, Listener
from tests.nursery import until

LOOPBACK = "127.0.0.1"


@pytest.fixture
def queues() -> Iterator[Queues]:
    found = Queues(sockdiag.open_socket())
    yield found
    found.close()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server((LOOPBACK, 0), backlog=3) as sock:
        yield sock


@contextlib.contextmanager
def connected(listening: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_connection(listening.getsockname()[:2], timeout=5) as client:
        server, _ = listening.accept()
        with server:
            server.settimeout(5)
            yield client, server


def seen(queues: Queues, listening: socket.socket, client: socket.socket) -> Connection:
    found = queues.connection(listening.getsockname()[:2], client.getsockname()[:2])
    assert found is not None
    return found


def inode_of(sock: socket.socket) -> int:
    return os.fstat(sock.fileno()).st_ino


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_a_listener_is_found_by_its_address(queues: Queues, listening: socket.socket) -> None:
    address, port = listening.getsockname()
    expected = Listener(inode_of(listening), socket.AF_INET, LOOPBACK, port, depth=0, backlog=3)
    assert queues.listener(address, port) == expected


def test_a_listener_is_in_the_list_of_all(queues: Queues, listening: socket.socket) -> None:
    assert inode_of(listening) in {found.inode for found in queues.listeners()}


def test_a_listener_on_any_address_is_found_by_a_particular_one(queues: Queues) -> None:
    with socket.create_server(("0.0.0.0", 0)) as sock:
        found = queues.listener(LOOPBACK, sock.getsockname()[1])
    assert found is not None
    assert found.address == "0.0.0.0"


def test_nobody_listens_on_a_closed_port(queues: Queues) -> None:
    with socket.create_server((LOOPBACK, 0)) as sock:
        port = sock.getsockname()[1]
    assert queues.listener(LOOPBACK, port) is None


def test_the_depth_counts_connections_nobody_accepted(queues: Queues, listening: socket.socket) -> None:
    address, port = listening.getsockname()
    with contextlib.ExitStack() as clients:
        for expected in range(1, 4):
            clients.enter_context(socket.create_connection((address, port), timeout=5))
            found = queues.listener(address, port)
            assert found is not None
            assert found.depth == expected


def test_a_queue_is_full_with_one_more_than_the_backlog(queues: Queues) -> None:
    with contextlib.ExitStack() as sockets:
        listening = sockets.enter_context(socket.create_server((LOOPBACK, 0), backlog=0))
        sockets.enter_context(socket.create_connection(listening.getsockname(), timeout=5))
        found = queues.listener(*listening.getsockname())
    assert found is not None
    assert found.full


def test_a_connection_in_the_accept_queue_has_no_inode(queues: Queues, listening: socket.socket) -> None:
    with socket.create_connection(listening.getsockname(), timeout=5) as client:
        found = seen(queues, listening, client)
    assert (found.state, found.inode, found.accepted, found.closed) == ("ESTABLISHED", 0, False, False)


def test_an_accepted_connection_has_the_inode_of_its_socket(queues: Queues, listening: socket.socket) -> None:
    with connected(listening) as (client, server):
        assert seen(queues, listening, client).inode == inode_of(server)


def test_bytes_are_consumed_when_the_application_reads_them(queues: Queues, listening: socket.socket) -> None:
    with connected(listening) as (client, server):
        client.sendall(b"x" * 1000)
        server.recv(300)
        found = seen(queues, listening, client)
    assert (found.received, found.consumed, found.unread) == (1000, 300, 700)


def test_peeked_bytes_are_not_consumed(queues: Queues, listening: socket.socket) -> None:
    with connected(listening) as (client, server):
        client.sendall(b"peek")
        server.recv(4, socket.MSG_PEEK)
        assert seen(queues, listening, client).consumed == 0


@pytest.mark.parametrize("read", [0, 1, 999, 1000, 1001])
def test_a_fin_is_never_counted_as_a_byte(queues: Queues, listening: socket.socket, read: int) -> None:
    with connected(listening) as (client, server):
        client.sendall(b"x" * 1000)
        client.shutdown(socket.SHUT_WR)
        if read:
            server.recv(read)
        found = seen(queues, listening, client)
    assert (found.received, found.consumed, found.unread) == (1000, min(read, 1000), 1000 - min(read, 1000))


def test_a_fin_is_not_counted_when_end_of_file_was_read(queues: Queues, listening: socket.socket) -> None:
    with connected(listening) as (client, server):
        client.sendall(b"abc")
        client.shutdown(socket.SHUT_WR)
        while server.recv(2):
            pass
        found = seen(queues, listening, client)
    assert (found.state, found.received, found.consumed, found.unread) == ("CLOSE_WAIT", 3, 3, 0)


def test_a_fin_alone_is_no_byte(queues: Queues, listening: socket.socket) -> None:
    with connected(listening) as (client, _server):
        client.shutdown(socket.SHUT_WR)
        found = seen(queues, listening, client)
    assert (found.received, found.consumed, found.unread, found.fin_received) == (0, 0, 0, True)


def test_bytes_the_client_has_no_room_for_are_unsent(queues: Queues, listening: socket.socket) -> None:
    with connected(listening) as (client, server):
        server.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                server.send(b"x" * 65536)
        assert seen(queues, listening, client).unsent > 0


def test_a_connection_the_server_closed_is_closed(queues: Queues, listening: socket.socket) -> None:
    with connected(listening) as (client, server):
        server.close()
        found = seen(queues, listening, client)
    assert (found.closed, found.unsent) == (True, 0)


def test_counts_are_unknown_when_only_the_kernel_keeps_the_connection(queues: Queues, listening: socket.socket) -> None:
    with connected(listening) as (client, server):
        server.close()
        until(lambda: seen(queues, listening, client).state == "FIN_WAIT2", "the client acknowledges the FIN")
        found = seen(queues, listening, client)
    assert (found.closed, found.received, found.consumed) == (True, None, None)


def test_a_half_closed_connection_is_not_closed(queues: Queues, listening: socket.socket) -> None:
    with connected(listening) as (client, server):
        server.shutdown(socket.SHUT_WR)
        found = seen(queues, listening, client)
    assert (found.closed, found.consumed, found.unsent) == (False, 0, 0)


def test_a_reset_connection_is_gone_although_the_listener_answers(queues: Queues, listening: socket.socket) -> None:
    with connected(listening) as (client, _server):
        name = client.getsockname()
        reset(client)
        assert queues.connection(listening.getsockname(), name) is None


def test_a_client_that_never_connected_has_no_connection(queues: Queues, listening: socket.socket) -> None:
    assert queues.connection(listening.getsockname(), (LOOPBACK, 1)) is None


def test_connections_of_a_port_are_listed_with_their_clients(queues: Queues, listening: socket.socket) -> None:
    with connected(listening) as (first, _), connected(listening) as (second, _):
        found = queues.connections(listening.getsockname()[1])
        assert {entry.client for entry in found} == {first.getsockname(), second.getsockname()}


def test_ipv6_works_as_ipv4_does(queues: Queues) -> None:
    with contextlib.closing(_ipv6_listener()) as listening, connected(listening) as (client, server):
        client.sendall(b"six")
        found = seen(queues, listening, client)
        assert (found.inode, found.unread, found.client) == (inode_of(server), 3, client.getsockname()[:2])


def test_a_dual_stack_listener_is_found_by_its_ipv4_address(queues: Queues) -> None:
    with contextlib.closing(_ipv6_listener("::")) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection((LOOPBACK, port), timeout=5) as client:
            client.sendall(b"four in six")
            listener = queues.listener(LOOPBACK, port)
            connection = queues.connection((LOOPBACK, port), client.getsockname())
            listed = queues.connections(port)
    assert listener is not None
    assert (listener.inode != 0, listener.depth) == (True, 1)
    assert connection is not None
    assert (connection.unread, connection.client) == (11, client_name(listed))


def client_name(listed: tuple[Connection, ...]) -> tuple[str, int]:
    (only,) = listed
    return only.client


def _ipv6_listener(address: str = "::1") -> socket.socket:
    try:
        dual = address == "::"
        return socket.create_server((address, 0), family=socket.AF_INET6, dualstack_ipv6=dual)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")


def test_every_socket_of_a_reuseport_group_is_listed(queues: Queues) -> None:
    with contextlib.ExitStack() as sockets:
        first = sockets.enter_context(socket.create_server((LOOPBACK, 0), reuse_port=True))
        second = sockets.enter_context(socket.create_server(first.getsockname(), reuse_port=True))
        port = first.getsockname()[1]
        listed = {found.inode for found in queues.listeners() if found.port == port}
        assert listed == {inode_of(first), inode_of(second)}


def test_waiting_datagrams_are_seen_on_their_socket(queues: Queues) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((LOOPBACK, 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(server.getsockname())
            client.send(b"hello")
            found = {entry.inode: entry for entry in queues.datagram_sockets()}
            assert found[inode_of(server)].unread > 0
            assert found[inode_of(server)].peer is None
            assert found[inode_of(client)].peer == server.getsockname()


def test_dropped_datagrams_are_counted(queues: Queues) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        server.bind((LOOPBACK, 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(50):
                client.sendto(b"x" * 1000, server.getsockname())
        drops = {entry.inode: entry.drops for entry in queues.datagram_sockets()}[inode_of(server)]
        kept = 0
        server.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while server.recv(2000):
                kept += 1
    assert drops == 50 - kept


def test_queues_are_available_on_this_kernel() -> None:
    assert queues_module.available() is None


def test_a_socket_that_is_not_a_netlink_socket_is_refused_with_the_reason() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wrong:
        reason = queues_module.available(wrong)
    assert reason is not None
    assert reason.startswith("NETLINK_SOCK_DIAG: ")
