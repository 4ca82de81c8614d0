"""Discovery learns protocol, model and persistence of the reference servers, and says plainly what it cannot place."""

from __future__ import annotations

import random
import socket
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from gatecrash.engine.discovered import Discovery
from gatecrash.engine.discovery import discover
from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.references import reference_servers
from gatecrash.errors import TargetError
from gatecrash.model.contract import MODELS, Contract
from gatecrash.model.launch import Launch
from tests.nursery import free_port
from tests.sessions import launch_of, session_of

_REFERENCES = reference_servers()


@pytest.mark.parametrize("path", _REFERENCES, ids=[f"{p.parent.name}-{p.stem}" for p in _REFERENCES])
def test_a_reference_server_is_what_its_name_says(path: Path) -> None:
    protocol, _, served = path.stem.partition("_")
    model = next((name for name in MODELS if served.startswith(name)), "")
    with tempfile.TemporaryDirectory(prefix="gatecrash-") as folder, SessionPool(Path(folder)) as session_pool:
        contract = session_pool.prepare(str(path)).contract
    assert contract.protocol == protocol
    if protocol != "udp":
        assert contract.concurrency == model
    if protocol == "http":
        assert contract.http.persistent == (model in ("fork", "thread", "event_loop"))
        runs_a_program = served.endswith("_cgi")
        assert (contract.http.large_path, contract.http.post_path) == (
            (None, None) if runs_a_program else ("/large", "/echo")
        )
    assert contract.takes_port


def discovered(folder: Path, body: str, contract: Contract | None = None, *, arena: str = "auto") -> Discovery:
    return discover(launch_of(folder, body), contract or Contract(), body, arena=arena)


@pytest.mark.parametrize("arena", ["auto", "loopback"])
def test_a_greeter_speaks_first(tmp_path: Path, arena: str) -> None:
    body = "def serve(client): client.sendall(b'Hello, world!'); client.close()\nmain(serve)\n"
    assert discovered(tmp_path, body, arena=arena).contract.protocol == "greeting"


def test_a_udp_server_is_found_although_others_listen_on_the_shared_loopback(tmp_path: Path) -> None:
    body = (
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('127.0.0.1', int(sys.argv[1])))\n"
        "while True: s.sendto(*s.recvfrom(65536))\n"
    )
    with socket.create_server(("127.0.0.1", 0)):
        assert discovered(tmp_path, body, arena="loopback").contract.protocol == "udp"


def test_a_udp_server_that_quotes_a_word_is_no_echo(tmp_path: Path) -> None:
    body = (
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('127.0.0.1', int(sys.argv[1])))\n"
        "while True:\n    data, peer = s.recvfrom(65536)\n    s.sendto(b'RESET ' + data.split()[-1], peer)\n"
    )
    contract = discovered(tmp_path, body).contract
    assert (contract.protocol, contract.echo.unit) == ("udp", "other")


def test_workers_draw_ports_of_their_own_where_hypothesis_seeds_the_generator(tmp_path: Path) -> None:
    with session_of(tmp_path, "main(lambda client: client.close())\n", Contract(), arena="loopback") as session:
        drawn = []
        for _ in range(3):
            random.seed(0)
            drawn.append(session.port())
    assert len(set(drawn)) > 1


def test_what_is_neither_http_nor_echo_is_said_plainly(tmp_path: Path) -> None:
    body = "def serve(client): client.recv(99); client.sendall(b'220 ready\\r\\n'); client.close()\nmain(serve)\n"
    found = discovered(tmp_path, body)
    assert found.contract.protocol == "none"
    assert any("220 ready" in note for note in found.notes)
    assert any("neither HTTP nor an echo" in note for note in found.notes)


@pytest.mark.parametrize(
    ("comment", "protocol"), [("", "none"), ("# HTTP", "http"), ("# echo", "echo")], ids=["nothing", "http", "echo"]
)
def test_a_silent_server_is_judged_as_what_its_source_says(tmp_path: Path, comment: str, protocol: str) -> None:
    found = discovered(tmp_path, f"{comment}\ndef serve(client):\n    while client.recv(99): pass\nmain(serve)\n")
    assert any("let a client connect and answered nothing" in note for note in found.notes)
    assert found.contract.protocol == protocol


#: Says something of its own before the echo, to every client, or to all but the first.
LOG_IN_THE_ECHO = """
def serve(client):
    global seen
    while data := client.recv(4096):
        client.sendall((b"log: a client says " if seen {least} else b"") + data)
    seen += 1
    client.close()
seen = 0
main(serve)
"""


@pytest.mark.parametrize(("least", "protocol"), [("> 0", "echo"), (">= 0", "none")], ids=["a mistake", "its protocol"])
def test_words_before_an_echo_are_a_mistake_when_the_first_client_got_none(
    tmp_path: Path, least: str, protocol: str
) -> None:
    assert discovered(tmp_path, LOG_IN_THE_ECHO.format(least=least)).contract.protocol == protocol


def test_a_large_answer_that_is_cut_short_is_large(tmp_path: Path) -> None:
    body = """
    def serve(client):
        large = b"GET /large " in client.recv(4096)
        size = 200_000 if large else 2
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n" % size)
        client.sendall(b"x" * min(size, 65536))
        client.close()
    main(serve)
    """
    assert discovered(tmp_path, body).contract.http.large_path == "/large"


IDLE_HELPERS = """
import selectors, threading
for _ in range(3):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
selector = selectors.DefaultSelector()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
selector.register(listener, selectors.EVENT_READ)
while True:
    for key, _ in selector.select():
        if key.fileobj is listener:
            selector.register(listener.accept()[0], selectors.EVENT_READ)
        elif data := key.fileobj.recv(4096):
            key.fileobj.sendall(data)
        else:
            selector.unregister(key.fileobj)
            key.fileobj.close()
"""


def test_threads_that_serve_nobody_make_no_pool_of_an_event_loop(tmp_path: Path) -> None:
    assert discovered(tmp_path, IDLE_HELPERS).contract.concurrency == "event_loop"


RUNS_A_PROGRAM = """
import selectors, subprocess
selector = selectors.DefaultSelector()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
selector.register(listener, selectors.EVENT_READ)
while True:
    for key, _ in selector.select():
        if key.fileobj is listener:
            selector.register(listener.accept()[0], selectors.EVENT_READ)
        elif data := key.fileobj.recv(4096):
            {run}
            key.fileobj.sendall(data)
        else:
            selector.unregister(key.fileobj)
            key.fileobj.close()
"""
RUNS = ("subprocess.run(['/bin/true'])", "os.waitpid(os.fork() or os.execv('/bin/true', ['true']), 0)")


@pytest.mark.parametrize("run", RUNS)
def test_a_program_that_is_run_for_a_request_serves_no_connection(tmp_path: Path, run: str) -> None:
    contract = discovered(tmp_path, RUNS_A_PROGRAM.format(run=run)).contract
    assert (contract.concurrency, contract.starts_children) == ("event_loop", True)


LOGS_BY_A_PROGRAM = """
import subprocess, threading
log = []
def serve(client):
    log.append(subprocess.Popen("cat >/dev/null", shell=True, stdin=subprocess.PIPE, close_fds=False))
    while data := client.recv(4096): client.sendall(data)
    client.close()
main(lambda client: threading.Thread(target=serve, args=(client,)).start())
"""


def test_a_thread_that_starts_a_program_is_a_thread(tmp_path: Path) -> None:
    contract = discovered(tmp_path, LOGS_BY_A_PROGRAM).contract
    assert (contract.concurrency, contract.starts_children) == ("thread", True)


ANSWERS_BY_A_CHILD = """
def serve(client):
    data = client.recv(4096)
    if os.fork() == 0:
        client.sendall(data)
        os._exit(0)
    client.close()
    os.wait()
main(serve)
"""


def test_a_child_that_is_started_once_the_request_is_read_serves_its_connection(tmp_path: Path) -> None:
    contract = discovered(tmp_path, ANSWERS_BY_A_CHILD).contract
    assert (contract.concurrency, contract.starts_children) == ("fork", True)


LEAVES_LATER = """
def serve(client):
    client.settimeout({seconds})
    try:
        while client.recv(4096):
            client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
            if not {seconds}: break
    except TimeoutError:
        pass
    client.close()
main(serve)
"""


@pytest.mark.parametrize(("seconds", "closes"), [("0.8", False), ("None", True)], ids=["a timer", "at once"])
def test_who_closes_behind_an_answer_is_told_from_a_timer(tmp_path: Path, seconds: str, closes: bool) -> None:
    contract = discovered(tmp_path, LEAVES_LATER.format(seconds=seconds)).contract
    assert (contract.http.persistent, contract.http.closes) == (False, closes)


FORKS = """
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
forgotten = []
while True:
    client, _ = listener.accept()
    if os.fork() == 0:
        listener.close()
        while client.recv(4096):
            client.sendall(b"HTTP/{version}\\r\\nContent-Length: 2\\r\\n\\r\\nok")
            if not {again}: break
        os._exit(0)
    forgotten.append(client)
"""


@pytest.mark.parametrize(
    ("version", "again", "kept"),
    [
        pytest.param("1.0 200 OK", False, False, id="a parent that forgot it"),
        pytest.param("1.1 200 OK", False, False, id="the same, with an answer of HTTP/1.1"),
        pytest.param("1.1 200 OK", True, True, id="a child that reads on"),
        pytest.param("1.0 200 OK", True, True, id="the same, with answers of HTTP/1.0"),
    ],
)
def test_what_a_parent_forgot_to_close_is_no_connection_that_is_kept(
    tmp_path: Path, version: str, again: bool, kept: bool
) -> None:
    contract = discovered(tmp_path, FORKS.format(version=version, again=again)).contract
    assert (contract.http.persistent, contract.http.closes) == (kept, False)


CHAT = """
def serve(client):
    while data := client.recv(4096):
        print(data)
        client.sendall({answer}.encode() + b"\\n")
    client.close()
{first}
main(serve)
"""


def test_words_are_typed_for_a_server_that_waits_for_its_operator(tmp_path: Path) -> None:
    found = discovered(tmp_path, CHAT.format(answer="input('> ')", first=""))
    assert (found.contract.protocol, found.contract.waits_for_words, found.contract.unknown.size) == ("none", True, 1)
    assert any("standard input" in note for note in found.notes)


def test_nothing_is_typed_for_a_console_that_reads_at_rest(tmp_path: Path) -> None:
    console = "import threading; threading.Thread(target=sys.stdin.readline, daemon=True).start()"
    found = discovered(tmp_path, CHAT.format(answer="'noted'", first=console))
    assert (found.contract.waits_for_words, found.contract.unknown.size) == (False, 6)


BEHIND_A_SLEEPER = """
import threading, time
threading.Thread(target=main, args=(serve,), daemon=True).start()
while True:
    time.sleep(3600)
"""


def test_one_thread_that_serves_while_the_main_one_sleeps_is_iterative(tmp_path: Path) -> None:
    serve = "def serve(client):\n    while data := client.recv(4096): client.sendall(data)\n    client.close()\n"
    assert discovered(tmp_path, serve + textwrap.dedent(BEHIND_A_SLEEPER)).contract.concurrency == "iterative"


POOL_OF_TWO = """
import queue, threading
waiting = queue.Queue()
def work():
    while True:
        client = waiting.get()
        while data := client.recv(4096): client.sendall(data)
        client.close()
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
threading.Thread(target=threading.Event().wait, daemon=True).start()
main(waiting.put)
"""


def test_only_the_threads_that_serve_are_workers(tmp_path: Path) -> None:
    contract = discovered(tmp_path, POOL_OF_TWO).contract
    assert (contract.concurrency, contract.workers) == ("thread", 2)


#: Two workers wait in accept; the master holds the listener as well, and waits for something else.
MASTER = """
import select
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
for _ in range(2):
    if os.fork() == 0:
        while True:
            client, _ = listener.accept()
            while data := client.recv(4096): client.sendall(data)
            client.close()
{waits}
"""


@pytest.mark.parametrize("waits", ["select.select([os.pipe()[0]], [], [])", "import time; time.sleep(3600)"])
def test_a_master_that_holds_the_listener_is_no_worker(tmp_path: Path, waits: str) -> None:
    contract = discovered(tmp_path, MASTER.format(waits=waits)).contract
    assert (contract.concurrency, contract.workers) == ("prefork", 2)


@pytest.mark.parametrize("waits", ["select.select([os.pipe()[0]], [], [])", "select.select([listener], [], [])"])
def test_a_worker_is_who_waits_at_the_listener(tmp_path: Path, waits: str) -> None:
    """One worker of hypercorn waits in select for clients, and its parent in select for the worker's end."""
    body = MASTER.replace("range(2)", "range(1)").format(waits=waits)
    contract = discovered(tmp_path, body).contract
    assert (contract.concurrency, contract.workers) == ("prefork", 2 if "listener" in waits else 1)


IN_TURN = """
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
turn, free = os.pipe()
os.write(free, b"x")
for _ in range(3):
    if os.fork() == 0:
        while os.read(turn, 1):
            client, _ = listener.accept()
            os.write(free, b"x")
            while data := client.recv(4096): client.sendall(data)
            client.close()
os.wait()
"""


def test_workers_may_wait_for_their_turn_in_any_way(tmp_path: Path) -> None:
    contract = discovered(tmp_path, IN_TURN).contract
    assert (contract.concurrency, contract.workers) == ("prefork", 3)


ONCE = """
try:
    os.close(os.open("started", os.O_CREAT | os.O_EXCL))
except FileExistsError:
    sys.exit("already running")
main(lambda client: client.close())
"""


def test_a_server_that_starts_only_once_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(
        TargetError, match=r"(?s)exited with status 1 before it listened.*at its first start.*already running"
    ):
        discovered(tmp_path, ONCE)


def test_a_silent_server_that_promises_http_is_told_of(tmp_path: Path) -> None:
    promised = Contract(protocol="http", written=frozenset({"protocol"}))
    found = discovered(tmp_path, "def serve(client):\n    while client.recv(99): pass\nmain(serve)\n", promised)
    assert found.notes == [f"GET / got no answer ({_WAITS})."]


_WAITS = "the connection stays open, and the server waits for something that does not come"
#: Answers GET / with a page; what else it does is put in.
ANSWERS_GET = """
def serve(client):
    request = client.recv(65536)
    if request.startswith(b"GET / "):
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    else:
        {otherwise}
    client.close()
main(serve)
"""


@pytest.mark.parametrize(
    ("otherwise", "how"),
    [
        ("client.recv(99)", f"got no answer ({_WAITS})"),
        ("pass", "got no answer (the connection was closed)"),
        ("sys.exit(3)", "got no answer (the server exited with status 3)"),
        (
            "client.sendall(b'HTTP/1.1 404 No\\r\\nContent-Length: 9\\r\\n\\r\\nok')",
            "got only a part of an answer, 40 bytes (the connection was closed)",
        ),
        ("client.sendall(b'hello')", "got 5 bytes that are no answer in HTTP (the connection was closed)"),
    ],
    ids=["silent", "closed", "gone", "cut", "not HTTP"],
)
def test_what_was_tried_in_vain_is_noted(tmp_path: Path, otherwise: str, how: str) -> None:
    found = discovered(tmp_path, ANSWERS_GET.format(otherwise=otherwise))
    tried = ("GET /large", "POST /echo with a short body", "POST / with a short body")
    assert found.notes == [f"{asked} {how}." for asked in tried]


def test_an_answer_that_did_not_come_is_no_other_body(tmp_path: Path) -> None:
    body = ANSWERS_GET.format(otherwise="pass").replace('b"GET / "', 'b"GET / ") and not request.count(b"User-Agent"')
    found = discovered(tmp_path, body)
    assert found.contract.http.stable_body
    assert found.notes[0] == "GET / got no answer (the connection was closed)."


def test_what_is_refused_in_words_is_not_noted(tmp_path: Path) -> None:
    refusal = "client.sendall(b'HTTP/1.1 404 Not Found\\r\\nContent-Length: 0\\r\\n\\r\\n')"
    assert discovered(tmp_path, ANSWERS_GET.format(otherwise=refusal)).notes == []


def test_what_the_contract_says_is_not_discovered_over(tmp_path: Path) -> None:
    body = "def serve(client): client.sendall(b'hi'); client.close()\nmain(serve)\n"
    written = Contract(protocol="echo", concurrency="fork", written=frozenset({"protocol", "concurrency"}))
    contract = discovered(tmp_path, body, written).contract
    assert (contract.protocol, contract.concurrency) == ("echo", "fork")


def test_a_port_fixed_in_the_program_is_found_by_inode(tmp_path: Path) -> None:
    port = free_port()
    body = f"""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", {port}))
    listener.listen(5)
    while True:
        client, _ = listener.accept()
        client.sendall(client.recv(4096))
        client.close()
    """
    found = discovered(tmp_path, body)
    assert (found.address, found.contract.takes_port, found.contract.port) == (f"127.0.0.1:{port}", False, port)


@pytest.mark.parametrize(
    ("port", "note"),
    [
        ("FIXED", "it listens on {}: the port is taken to be fixed in the program."),
        ('int(os.environ["PORT"])', "it listens on the {} that PORT in its environment"),
    ],
)
def test_a_command_without_a_place_for_the_port_is_said_to_have_none(tmp_path: Path, port: str, note: str) -> None:
    program = tmp_path / "server.py"
    program.write_text(
        f"import os, socket\nFIXED = {free_port()}\nserver = socket.create_server(('127.0.0.1', {port}))\n"
        "while True:\n    client, _ = server.accept()\n    client.sendall(client.recv(999))\n    client.close()\n"
    )
    found = discover(Launch((sys.executable, str(program)), tmp_path), Contract())
    said = "Its command has no {port}, and " + note.format(*found.ports)
    assert [one for one in found.notes if one.startswith(said)], found.notes


def test_a_daemon_is_found_though_its_first_process_has_left(tmp_path: Path) -> None:
    body = """
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    def serve(client):
        client.sendall(client.recv(4096))
        client.close()
    main(serve)
    """
    found = discovered(tmp_path, body)
    assert (found.contract.protocol, found.contract.concurrency) == ("echo", "iterative")


def test_a_server_that_listens_late_is_waited_for(tmp_path: Path) -> None:
    body = "time.sleep(2)\ndef serve(client): client.sendall(client.recv(4096)); client.close()\nmain(serve)\n"
    assert discovered(tmp_path, body).contract.protocol == "echo"


def test_two_ports_are_both_named(tmp_path: Path) -> None:
    port = free_port()
    body = f"""
    second = socket.socket()
    second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    second.bind(("127.0.0.1", {port}))
    second.listen(5)
    def serve(client):
        client.sendall(client.recv(4096))
        client.close()
    main(serve)
    """
    found = discovered(tmp_path, body)
    assert (port in found.ports, len(found.ports)) == (True, 2)
    assert any(str(port) in note for note in found.notes)


def test_a_server_that_prints_without_end_is_judged_all_the_same(tmp_path: Path) -> None:
    body = """
    import threading
    def shout():
        for _ in range(2000):
            os.write(1, b"x" * 65536)
    threading.Thread(target=shout, daemon=True).start()
    def serve(client):
        client.sendall(client.recv(4096))
        client.close()
    main(serve)
    """
    assert discovered(tmp_path, body).contract.protocol == "echo"


def test_of_a_server_that_takes_too_long_not_everything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatecrash.engine.discovery._SECONDS", 0.0)
    found = discovered(tmp_path, "def serve(client): client.sendall(b'Hello'); client.close()\nmain(serve)\n")
    assert found.ports
    assert found.contract.concurrency == "unknown"
    assert any("not all is known of it" in note for note in found.notes)


def test_a_server_that_answers_its_first_client_alone_has_answered(tmp_path: Path) -> None:
    once = """
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
        client, _ = listener.accept()
        while data := client.recv(4096):
            client.sendall(data)
        client.close()
        while True:
            signal.pause()
    """
    found = discovered(tmp_path, "import signal\n" + textwrap.dedent(once))
    assert found.contract.protocol == "echo"
    assert not any("answered nothing" in note for note in found.notes)


def test_what_a_chat_tells_of_others_is_no_answer_to_a_request(tmp_path: Path) -> None:
    chat = """
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
        left = b""
        while True:
            client, _ = listener.accept()
            while data := client.recv(4096):
                if left:
                    client.sendall(left)
            left = b"somebody has left\\n"
            client.close()
    """
    found = discovered(tmp_path, textwrap.dedent(chat))
    told = " ".join(found.notes)
    assert "To a GET request it said" not in told
    assert "said nothing to its first client" in told


def test_a_start_that_takes_long_is_told(tmp_path: Path) -> None:
    busy = "import time\nuntil = time.monotonic() + 1.2\nwhile time.monotonic() < until: pass\n"
    body = busy + "def serve(client): client.sendall(b'hello'); client.close()\nmain(serve)\n"
    assert any("from its start until it listened" in note for note in discovered(tmp_path, body).notes)


@pytest.mark.parametrize(("size", "workers"), [("3", 3), ("64", None)])
def test_a_pool_that_starts_its_threads_as_clients_come_is_a_pool(
    tmp_path: Path, size: str, workers: int | None
) -> None:
    """One of 64 serves more clients than anybody asks for: it may as well have a thread for each."""
    pool = """
        from concurrent.futures import ThreadPoolExecutor
        def serve(client):
            while data := client.recv(4096):
                client.sendall(data)
            client.close()
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=5)
        with ThreadPoolExecutor(SIZE) as threads:
            while True:
                threads.submit(serve, listener.accept()[0])
    """
    contract = discovered(tmp_path, textwrap.dedent(pool).replace("SIZE", size)).contract
    assert (contract.concurrency, contract.workers) == ("thread", workers)
