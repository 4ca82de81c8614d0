# ---------------------------------------------------------------------------------------------------------------
# What follows is the same in every reproduction: it plays SCENARIO and judges what came of it by CHECK.
# Silence is decided by a clock here (--wait). Gatecrash itself proves it, and replays this on fresh servers.

import argparse
import os
import re
import resource
import select
import signal
import socket
import struct
import sys
import time

if "SCENARIO" not in globals():  # read as a module, for its functions
    RULE, PROTOCOL, ECHO, CHECK, SCENARIO, JUDGED = "", "echo", "bytes", "answers", [], []


class Client:
    """One connection (or one UDP port): what it sent, what it got, how it ended."""

    stirred = 0.0  # when the server was last given something to do, or was last heard of by anybody

    def __init__(self, name, address, wait, small_window=False):
        kind = socket.SOCK_DGRAM if PROTOCOL == "udp" else socket.SOCK_STREAM
        self.name, self.address, self.wait = name, address, wait
        self.sent, self.got, self.end, self.datagrams, self.silent = b"", b"", None, [], False
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sock = socket.socket(family, kind)
        if small_window:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.settimeout(wait)
        try:
            self.sock.connect(address)
        except OSError as error:
            self.end = f"not connected: {error}"
        Client.stirred = time.monotonic()

    def send(self, data):
        self.sent += data
        view = memoryview(data)
        try:
            while view:
                readable, writable, _ = select.select([self.sock], [self.sock], [], self.wait)
                if not readable and not writable:
                    return say(f"{self.name} could not send {len(view)} of {len(data)} bytes: nobody reads them")
                if writable:
                    view = view[self.sock.send(view[:65536]) :]
                    Client.stirred = time.monotonic()
                if readable and PROTOCOL != "udp" and not self.take():
                    return None
        except OSError as error:
            say(f"{self.name} could not send: {error}")

    def take(self, most=65536):
        """Take what is here; False at the end of the connection, or when the server has been silent for too long."""
        self.sock.settimeout(max(Client.stirred + self.wait - time.monotonic(), 0.001))
        try:
            data = self.sock.recv(most)
        except TimeoutError:
            self.silent = True
            return False
        except OSError as error:
            self.end = "RST" if isinstance(error, ConnectionResetError) else str(error)
            return False
        Client.stirred = time.monotonic()
        if PROTOCOL == "udp":
            self.datagrams.append(data)
        elif not data:
            self.end = "FIN"
            return False
        self.got += data
        return True

    def receive(self, until, most=None):
        self.silent = False
        while self.end is None and not (until == "message" and most is None and self.complete()):
            if not self.take(most or 65536) or most is not None:
                return

    def complete(self):
        if PROTOCOL == "echo":
            return len(self.got) >= len(self.sent)
        if PROTOCOL == "http":
            answers, _ = answers_in(self.got, methods_in(self.sent), ended=False)
            return len(answers) >= max(1, len(methods_in(self.sent))) and all(whole for _, _, whole in answers)
        return bool(self.got)


def say(line):
    print(line, flush=True)


def shown(data, most=120):
    text = repr(bytes(data[:most]))[1:]
    return text if len(data) <= most else f"{text} ... ({len(data)} bytes in all)"


# -- HTTP, as much of it as is needed to find where an answer ends ---------------------------------------------


def methods_in(sent):
    """The methods of the requests in these bytes, by their Content-Length."""
    found, rest = [], sent
    while (end := rest.find(b"\r\n\r\n")) >= 0:
        head = rest[:end]
        found.append(head.split(b" ")[0].decode("latin-1"))
        length = re.search(rb"(?im)^content-length:\s*(\d+)", head)
        rest = rest[end + 4 + (int(length[1]) if length else 0) :]
    return found


def answers_in(got, methods, ended):
    """The answers in these bytes, each (head, body, complete), and what is behind the last one."""
    answers, rest = [], got
    while rest:
        match = re.search(rb"\r?\n\r?\n", rest)
        if match is None:
            break
        head, after = rest[: match.end()], rest[match.end() :]
        status = re.match(rb"HTTP/\d\.\d (\d+)", head)
        if status and status[1].startswith(b"1"):
            rest = after
            continue
        method = methods[min(len(answers), len(methods) - 1)] if methods else "GET"
        body, rest, whole = body_of(head, after, method, ended)
        answers.append((head, body, whole))
        if not whole:
            break
    return answers, rest


def body_of(head, after, method, ended):
    status = re.match(rb"HTTP/\d\.\d (\d+)", head)
    if method == "HEAD" or (status and status[1] in (b"204", b"304")):
        return b"", after, True
    length = re.search(rb"(?im)^content-length:\s*(\d+)\s*$", head)
    if re.search(rb"(?im)^transfer-encoding:.*chunked", head):
        return chunks_of(after)
    if length:
        size = int(length[1])
        return after[:size], after[size:], len(after) >= size
    return after, b"", ended


def chunks_of(data):
    body = b""
    while (end := data.find(b"\r\n")) >= 0:
        try:
            size = int(data[:end].split(b";")[0], 16)
        except ValueError:
            return body, data, False
        if len(data) < end + 2 + size + 2:
            return body, b"", False
        body, data = body + data[end + 2 : end + 2 + size], data[end + 2 + size + 2 :]
        if size == 0:
            return body, data, True
    return body, b"", False


def ill_formed(client):
    """What is wrong with how this client's answer is written, or None."""
    methods = methods_in(client.sent)
    if not client.got:
        return "no answer" if client.end is None else None
    match = re.search(rb"\r?\n\r?\n", client.got)
    if match is None:
        return "no empty line ends the header section"
    head = client.got[: match.end()]
    lines = head.split(b"\n")
    if not re.fullmatch(rb"HTTP/1\.[01] [1-5]\d\d( [^\r\n]*)?\r?", lines[0]):
        return f"the status line is {shown(lines[0])}"
    if any(line and not line.endswith(b"\r") for line in lines[:-1]):
        return "a line of the head ends with a line feed alone"
    wrong = [line for line in lines[1:-2] if not re.match(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:", line)]
    if wrong:
        return f"the header section has the line {shown(wrong[0])}"
    lengths = re.findall(rb"(?im)^content-length:\s*([^\r\n]*)", head)
    if len(set(lengths)) > 1 or any(not re.fullmatch(rb"\d+\s*", length) for length in lengths):
        return f"its length is {shown(b', '.join(lengths))}"
    if lengths and re.search(rb"(?im)^transfer-encoding:", head):
        return "it has a Content-Length and a Transfer-Encoding"
    answers, rest = answers_in(client.got, methods, ended=client.end is not None)
    if client.end != "RST" and answers and not answers[-1][2]:
        return "the body is shorter than announced, or its end cannot be known while the connection stays open"
    if rest or len(answers) > max(1, len(methods)):
        return f"behind the end of the answer comes {shown(rest or answers[-1][0])}"
    head = answers[-1][0] if answers else head
    if re.search(rb"(?im)^connection:.*close", head) and client.end is None and client.silent:
        return 'it says "Connection: close" and the connection stays open'
    old = b" HTTP/1.0\r\n" in client.sent and b"keep-alive" not in client.sent.lower()
    if old and client.end is None and client.silent:
        return "it is for an HTTP/1.0 client, and the connection stays open"
    return None


# -- the server's processes, from /proc ------------------------------------------------------------------------


def sockets_on(port, tables):
    """The rows of these tables of the kernel (proc(5)) for this local port: table and fields. A look costs 5 ms."""
    found = []
    for name in tables:
        try:
            rows = open(f"/proc/net/{name}").read().splitlines()[1:]
        except OSError:
            continue
        found += [(name, row.split()) for row in rows if f":{port:04X} " in row]
    return [(name, fields) for name, fields in found if fields[1].endswith(f":{port:04X}")]


def everybody():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def stat_of(pid):
    """The fields of /proc/PID/stat behind the program's name: state, parent, ... Empty when it is gone."""
    try:
        return open(f"/proc/{pid}/stat", errors="replace").read().rpartition(")")[2].split()
    except OSError:
        return []


def parent_of(pid):
    fields = stat_of(pid)
    return int(fields[1]) if fields else 0


def descriptors(pid):
    found = {}
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            try:
                found[int(number)] = os.readlink(f"/proc/{pid}/fd/{number}")
            except OSError:
                continue
    except OSError:
        pass
    return found


class Server:
    """The server as it can be seen from outside: its processes when we came, and now."""

    def __init__(self, port):
        self.port = port
        bound = sockets_on(port, ("tcp", "tcp6", "udp", "udp6"))
        bound = [(table, fields) for table, fields in bound if fields[3] == "0A" or table.startswith("udp")]
        self.tables = sorted({table for table, _ in bound})
        self.sockets = {f"socket:[{fields[9]}]" for _, fields in bound}
        self.first = self.everything()
        self.frozen = []
        self.limits = []
        roots = [pid for pid in self.first if parent_of(pid) not in self.first]
        self.main = roots[0] if roots else None
        self.looks = []

    def everything(self, known=()):
        """Who holds the port, who is known, and everything below them."""
        parents = {pid: parent_of(pid) for pid in everybody()}
        holding = [pid for pid in parents if pid != os.getpid() and self.sockets & set(descriptors(pid).values())]
        found = sorted({*holding, *known})
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid and child not in found]
        return found

    def all(self):
        return sorted(pid for pid in self.everything(self.first) if stat_of(pid))

    def has_ended(self):
        """Whether the process that was there first is gone; where it cannot be seen, whether nobody holds the port."""
        if self.main is not None:
            return stat_of(self.main)[:1] in ([], ["Z"], ["X"])
        rows = sockets_on(self.port, self.tables)
        return bool(self.sockets) and not self.sockets & {f"socket:[{fields[9]}]" for _, fields in rows}

    def signal(self, who, number):
        children = [pid for pid in self.all() if pid != self.main]
        chosen = {"parent": [self.main], "all": self.all()}.get(who, children)
        for pid in chosen:
            if pid:
                try:
                    os.kill(pid, number)
                except OSError:
                    continue
        return chosen

    def settle(self, wait, label):
        """Wait until all its processes sleep and its sockets hold nothing new, and look."""
        before, since, until = None, time.monotonic(), time.monotonic() + wait
        while time.monotonic() < until:
            states = [(pid, stat_of(pid)[:1], stat_of(pid)[11:13]) for pid in self.all()]
            now = (states, [fields[4] for _, fields in sockets_on(self.port, self.tables)])
            if now != before or any(state == ["R"] for _, state, _ in states):
                before, since = now, time.monotonic()
            elif time.monotonic() - since > 0.15:
                break
            time.sleep(0.01)
        states = {pid: stat_of(pid)[:1] for pid in self.all()}
        live = [pid for pid, state in states.items() if state and state[0] not in "ZX"]
        zombies = [pid for pid, state in states.items() if state == ["Z"]]
        self.looks.append(
            {"label": label, "live": live, "zombies": zombies, "open": {pid: len(descriptors(pid)) for pid in live}}
        )
        say(f"  {len(live)} processes, {len(zombies)} zombies, descriptors {list(self.looks[-1]['open'].values())}")


def wait_until_read(client, wait, tables):
    """Until the server's socket for this client holds nothing unread."""
    ours = client.sock.getsockname()[1]
    until = time.monotonic() + wait
    while time.monotonic() < until:
        mine = [fields for _, fields in sockets_on(client.address[1], tables) if fields[2].endswith(f":{ours:04X}")]
        if all(fields[4].endswith(":00000000") for fields in mine):
            return
        time.sleep(0.002)


# -- playing ---------------------------------------------------------------------------------------------------


def play(address, wait, server):
    clients = {}
    for number, step in enumerate(SCENARIO, 1):
        if len(SCENARIO) <= 60 or number % 50 == 1:
            say(f"{number:3}. {step['line']}")
        act(step, clients, address, wait, server)
    return clients


def act(step, clients, address, wait, server):
    kind, client = step["kind"], clients.get(step.get("client"))
    if kind == "connect" or (kind == "send-datagram" and client is None):
        client = clients[step["client"]] = Client(step["client"], address, wait, step.get("small_window", False))
    if kind == "send-datagram":
        client.sent = step["data"]
        client.send_error = client.sock.send(step["data"]) if client.end is None else None
    elif kind == "receive-datagrams":
        for _ in range(step["count"] or 1000):
            if client is None or not client.take():
                break
    elif kind == "freeze":
        server.frozen = server.signal(step["who"], signal.SIGSTOP)
    elif kind == "thaw":
        server.signal("all", signal.SIGCONT)
    elif kind == "signal":
        server.signal(step["who"], getattr(signal, step["name"]))
    elif kind == "settle":
        server.settle(step["within"] or wait, step["label"])
    elif kind == "let-time-pass":
        say(f"     waiting {step['seconds']:g} seconds")
        time.sleep(step["seconds"])
    elif kind == "limit-descriptors":
        for pid in server.all():
            server.limits.append((pid, resource.prlimit(pid, resource.RLIMIT_NOFILE)))
            spare = len(descriptors(pid)) + step["spare"]
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (spare, server.limits[-1][1][1]))
    elif kind == "lift-limit":
        for pid, limit in server.limits:
            if stat_of(pid):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    elif client is not None and (client.end is not None or client.sock.fileno() < 0):
        client.sent += step.get("data", b"")  # what it would have sent: it is owed an answer to that
    elif client is not None:
        act_as(client, step, wait, server)
    if kind == "thaw":
        server.frozen = []
    if kind not in ("receive", "receive-datagrams"):
        Client.stirred = time.monotonic()


def act_as(client, step, wait, server):
    kind = step["kind"]
    if kind == "send":
        client.send(step["data"])
        if step["until_read"] and not server.frozen:
            wait_until_read(client, wait, server.tables)
    elif kind == "receive":
        client.receive(step["until"], step["at_most"])
        how = client.end or ("nothing more" if client.silent else "all of it")
        say(f"     {client.name} has {shown(client.got)}; then {how}")
    elif kind == "half-close":
        client.sock.shutdown(socket.SHUT_WR)
    elif kind == "close":
        client.sock.close()
    elif kind == "reset":
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sock.close()


# -- judging ---------------------------------------------------------------------------------------------------


def requests_in(sent):
    """These bytes cut into single requests."""
    found, rest = [], sent
    while (end := rest.find(b"\r\n\r\n")) >= 0:
        length = re.search(rb"(?im)^content-length:\s*(\d+)", rest[:end])
        size = end + 4 + (int(length[1]) if length else 0)
        found.append(rest[:size])
        rest = rest[size:]
    return found


def plain_answers(address, wait):
    """What a lone client gets for each request of a judged client, sent in one piece: its status and its body."""
    answers = {}
    for name in JUDGED:
        for request in requests_in(
            b"".join(s["data"] for s in SCENARIO if s["kind"] == "send" and s["client"] == name)
        ):
            if request in answers:
                continue
            first = plain_answer(request, address, wait)
            # RESP-24 is broken by a server that answers its later clients otherwise: that is what is shown.
            second = first if RULE == "RESP-24" else plain_answer(request, address, wait)
            if first and second and first != second:  # it changes by itself: only its status may be compared
                first = (first[0], None) if first[0] == second[0] else None
            answers[request] = first
    return answers


def plain_answer(request, address, wait):
    client = Client("plain", address, wait)
    if client.end is None:
        client.send(request)
        client.receive("message")
        client.sock.close()
    found, _ = answers_in(client.got, methods_in(request), ended=client.end == "FIN")
    return (status_of(found[0][0]), found[0][1]) if found and found[0][2] else None


def status_of(head):
    match = re.match(rb"HTTP/\d\.\d (\d+)", head)
    return int(match[1]) if match else 0


def wrong_answers(clients, plain):
    for name in JUDGED:
        client = clients.get(name)
        if client is None:
            continue
        wrong = {"http": wrong_http, "echo": wrong_echo, "udp": wrong_datagram}.get(PROTOCOL, wrong_other)(
            client, plain
        )
        if wrong:
            how = client.end or ("and nothing more" if client.silent else "and perhaps more")
            return [
                f"expected  {name} gets {wrong}",
                f"got       {shown(client.got) if client.got else 'nothing'}, {how}",
            ]
    return []


def wrong_echo(client, plain):
    return None if client.got == owed(client) else f"back what it sent: {shown(owed(client))}"


def wrong_datagram(client, plain):
    last = client.datagrams[-1] if client.datagrams else None
    return None if last == owed(client) else f"back the datagram {shown(owed(client))}"


def owed(client):
    return client.sent.upper() if ECHO == "upper" else client.sent


def wrong_other(client, plain):
    return None if client.got else "an answer"


def wrong_http(client, plain):
    requests = requests_in(client.sent)
    found, rest = answers_in(client.got, methods_in(client.sent), ended=client.end == "FIN")
    for number, request in enumerate(requests):
        usual = plain.get(request)
        if number >= len(found):
            says_close = found and re.search(rb"(?im)^connection:.*close", found[-1][0])
            early = number > 0 and client.end == "FIN" and says_close
            return None if early else f"an answer to its request {number + 1}"
        if usual and status_of(found[number][0]) != usual[0]:
            return f"status {usual[0]} for its request {number + 1}, as a lone client does"
        if usual and usual[1] is not None and found[number][1] != usual[1]:
            return f"status {usual[0]} and {shown(usual[1])} for its request {number + 1}, as a lone client does"
        if not usual and not found[number][2]:
            return f"a whole answer to its request {number + 1}"
    return "nothing behind its last answer" if rest and requests else None


def wrong_form(clients):
    for client in clients.values():
        reason = ill_formed(client)
        if reason:
            return [
                f"expected  {client.name} gets a well-formed answer",
                f"got       {reason}: {shown(client.got, 400)}",
            ]
    return []


def judge(clients, plain, server):
    """The lines that tell of the fault; none when it does not show."""
    if CHECK == "answers":
        return wrong_answers(clients, plain)
    if CHECK == "form":
        return wrong_form(clients)
    if CHECK == "end":
        ended = ["expected  the server goes on, whatever bytes a client sends", "got       it has ended"]
        return ended if server.has_ended() else []
    looks = server.looks
    last = looks[-1]
    alike = [look for look in looks[:-1] if look["label"].split(" ")[0] == last["label"].split(" ")[0]]
    once = [look for look in looks[:-1] if look["label"] in ("once", "start")]
    nothing = {"live": server.first, "zombies": [], "open": {}}
    before = (alike or once or looks[:-1] or [nothing])[-1]
    if CHECK == "zombies" and len(last["zombies"]) > len(before["zombies"]):
        return [
            "expected  no child that has ended is left",
            f"got       zombies {last['zombies']} (ps shows <defunct>)",
        ]
    if CHECK == "processes" and len(last["live"]) > len(before["live"]):
        return ["expected  as many processes as before", f"got       {len(before['live'])}, then {len(last['live'])}"]
    grown = {p: (n, last["open"][p]) for p, n in before["open"].items() if last["open"].get(p, 0) > n}
    if CHECK == "descriptors" and grown:
        return ["expected  as many descriptors as before", f"got       process: before, after: {grown}"]
    return []


def main():
    parser = argparse.ArgumentParser(description=f"Shows a server that breaks {RULE}. Exit status: 1 shown, 0 not.")
    parser.add_argument("address", help="PORT or HOST:PORT of the running server, freshly started")
    parser.add_argument("--wait", type=float, default=2.0, help="seconds after which silence is taken for one")
    parser.add_argument("--times", type=int, default=3, help="attempts, until the fault shows")
    options = parser.parse_args()
    host, _, port = options.address.rpartition(":")
    address = (host.strip("[]") or "127.0.0.1", int(port))
    for attempt in range(1, options.times + 1):
        say(f"attempt {attempt} of at most {options.times}")
        lines = attempt_once(address, options.wait)
        if lines:
            say("\n" + "\n".join(lines))
            return 1
    say(f"\n{RULE} was not broken this time.")
    return 0


def attempt_once(address, wait):
    """Play the scenario once; the lines that tell of the fault."""
    server = Server(address[1])
    plain = plain_answers(address, wait) if CHECK == "answers" and PROTOCOL == "http" else {}
    try:
        clients = play(address, wait, server)
        for client in (clients[name] for name in JUDGED if name in clients):
            if client.sock.fileno() >= 0 and PROTOCOL != "udp" and not client.silent:
                client.receive("message")
        return judge(clients, plain, server)
    finally:
        if server.frozen:
            server.signal("all", signal.SIGCONT)


if __name__ == "__main__":
    sys.exit(main())
