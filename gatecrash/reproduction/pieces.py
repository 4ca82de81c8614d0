"""The functions that stand-alone scripts are put together from: each script gets those it calls, as they are here.

They are read by students: plain sockets, no types, no options. SERVER and WAIT are what a script says at its top.
Silence is decided by a clock here. Gatecrash itself proves it, and replays the scenario on fresh servers.
"""

import os
import re
import resource
import signal
import socket
import struct
import sys
import threading
import time  # noqa: F401 (what rows of code call)
from contextlib import suppress
from glob import glob
from pathlib import Path

SERVER = ("127.0.0.1", 0)
WAIT = 1


# -- clients ---------------------------------------------------------------------------------------------------


def connect():
    """A new client; one that is refused gets no answer, and that is judged."""
    client = socket.socket()
    client.settimeout(WAIT)
    if error := client.connect_ex(SERVER):
        print("not connected:", os.strerror(error))
    return client


def send(client, data):
    """Send it, as far as the server takes it."""
    with suppress(OSError):
        client.sendall(data)


def send_meanwhile(client, data):
    """Send it in a thread of its own: the server may answer before it has read all."""

    def sending():
        rest = data
        with suppress(OSError):
            while rest:
                rest = rest[client.send(rest[:65536]) :]

    threading.Thread(target=sending, daemon=True).start()


def reset(client):
    """Close it by a reset (RST): SO_LINGER with zero seconds does that."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def received(client):
    """All that comes until the server closes, or is silent for WAIT seconds; and how it ended."""
    got = b""
    try:
        while data := client.recv(65536):
            got += data
    except OSError as error:
        return got, str(error)
    return got, "the server closed"


def received_size(client, size):
    """So many bytes, or what comes until the server closes, or is silent for WAIT seconds; and how it ended."""
    got = b""
    try:
        while len(got) < size and (data := client.recv(65536)):
            got += data
    except OSError as error:
        return got, str(error)
    return got, "nobody waited for more" if len(got) >= size else "the server closed"


def received_answer(client):
    """What comes until its Content-Length is reached, or the server closes or is silent; and how it ended."""
    got = b""
    try:
        while data := client.recv(65536):
            got += data
            head, _, body = got.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
            if length and len(body) >= int(length[1]):
                return got, "nobody waited for more"
    except OSError as error:
        return got, str(error)
    return got, "the server closed"


def received_first(client):
    """What comes first, or nothing where the server closes or is silent for WAIT seconds; and how it ended."""
    try:
        got = client.recv(65536)
    except OSError as error:
        return b"", str(error)
    return got, "nobody waited for more" if got else "the server closed"


def received_some(client, most):
    """At most so many bytes; and how it ended."""
    try:
        got = client.recv(most)
    except OSError as error:
        return b"", str(error)
    return got, "nobody waited for more"


def peeked(client):
    """What has come so far, which stays; b"" where the server has closed, None where nothing has come."""
    client.settimeout(0)
    try:
        return client.recv(65536, socket.MSG_PEEK)
    except BlockingIOError:
        return None
    except OSError as error:
        return str(error)
    finally:
        client.settimeout(WAIT)


def fail(expected, got):
    """Say what was expected and what was got, and end with status 1."""
    print("expected ", expected[:500])
    print("got      ", got[:500])
    sys.exit(1)


def parting(one, other):
    """The number of the first byte that is not the same."""
    alike = (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(alike, min(len(one), len(other)))


# -- clients of a server of datagrams --------------------------------------------------------------------------


def datagram(client):
    """The next datagram, None when the server is silent for WAIT seconds."""
    try:
        return client.recv(65536)
    except TimeoutError:
        return None


def last_datagram(client):
    """The last datagram that comes until the server is silent for WAIT seconds, None when none does."""
    last = None
    while (got := datagram(client)) is not None:
        last = got
    return last


# -- HTTP ------------------------------------------------------------------------------------------------------


def ask(request):
    """What a lone client gets."""
    client = connect()
    send(client, request)
    got, _ = received(client)
    client.close()
    return got


def status(answer):
    """The status of an answer, b"" when there is none."""
    return answer[9:12]


def parts(answer):
    """The status and the body of an answer."""
    head, *body = re.split(rb"\r?\n\r?\n", answer, maxsplit=1)
    return head[9:12], b"".join(body)


def answers(got, methods):
    """The status and the body of each answer in these bytes, to requests with these methods."""
    found = []
    for method in methods:
        if not got:
            break
        head, *rest = re.split(rb"\r?\n\r?\n", got, maxsplit=1)
        length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
        got = b"".join(rest)
        size = 0 if method == "HEAD" else int(length[1]) if length else len(got)
        found.append((head[9:12], got[:size]))
        got = got[size:]
    return found


def behind_the_chunks(body):
    """What follows a body in chunks; None where a chunk is not well-formed, or the last one is missing."""
    while match := re.match(rb"([0-9A-Fa-f]+)[^\r\n]*\r\n", body):
        size = int(match[1], 16)
        body = body[match.end() :]
        if body[size : size + 2] != b"\r\n":
            return None
        body = body[size + 2 :]
        if size == 0:
            return body
    return None


# -- the server's processes, as proc(5) shows them -------------------------------------------------------------


def stat(pid):
    """The state of a process and the number of its parent; ("", 0) when it is gone."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return fields[0], int(fields[1])
    return "", 0


def having(state):
    """The numbers of the processes that have a socket with the server's port open, one in this state."""
    rows = [row.split() for name in glob("/proc/net/tcp*") for row in Path(name).read_text().splitlines()]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{SERVER[1]:04X}") and row[3] == state}
    found = set()
    for name in glob("/proc/[0-9]*/fd/*"):
        with suppress(OSError):
            if os.readlink(name) in sockets:
                found.add(int(name.split("/")[2]))
    return found


def processes():
    """The numbers of the server's processes: who has its socket open, and all their children, parents first."""
    listening = having("0A")
    parent = {int(pid): stat(pid)[1] for pid in os.listdir("/proc") if pid.isdigit()}
    found = sorted(listening, key=lambda pid: (parent.get(pid) in listening, pid))
    for pid in found:
        found += [child for child in parent if parent[child] == pid and child not in found]
    if not found:
        print("nobody whose processes can be seen has this port")
        sys.exit(2)
    return found


def serving():
    """The workers that have a client's connection open (01 is ESTABLISHED)."""
    return sorted(having("01") & set(processes()[1:]))


def accepting():
    """The worker that waits in accept, or the first one where the kernel does not tell in what they wait."""
    workers, waiting = processes()[1:], []
    for pid in workers:
        with suppress(OSError):
            if "accept" in Path(f"/proc/{pid}/wchan").read_text():
                waiting.append(pid)
    return (waiting or workers)[:1]


def signal_to(pids, name):
    """Send the signal of this name to each of these processes."""
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, signal.Signals[name])


def limit_descriptors(spare):
    """Let each of the server's processes open so many descriptors more; the limits that they had."""
    before = {}
    for pid in processes():
        with suppress(OSError):
            before[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            limit = len(os.listdir(f"/proc/{pid}/fd")) + spare
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, before[pid][1]))
    return before


def lift_limit(before):
    """Let them open as many as before."""
    for pid, limits in before.items():
        with suppress(OSError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def zombies():
    """The server's children that have ended and that nobody has waited for: ps shows them as <defunct>."""
    return [pid for pid in processes() if stat(pid)[0] == "Z"]


def living():
    """The server's processes that have not ended."""
    return [pid for pid in processes() if stat(pid)[0] not in ("Z", "X", "")]


def open_descriptors():
    """How many descriptors each of the server's processes has open."""
    return {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in living()}
