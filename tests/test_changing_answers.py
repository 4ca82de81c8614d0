"""Correct servers whose answers are not always the same: by themselves, or because a request changed what they have."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import strategies as st

from gatecrash.engine.comparing import believed, uncompared
from gatecrash.engine.profiles import profile
from gatecrash.engine.session import Session
from gatecrash.engine.trial import Trial
from gatecrash.model.contract import Contract
from gatecrash.model.scenario import Close, Connect, Receive, Scenario, Send, scenario
from gatecrash.model.transcript import Connected, Ended, Got, Transcript
from gatecrash.model.verdicts import EVERYTHING, Case, Plain, Verdict
from gatecrash.oracles import oracle_of
from gatecrash.oracles.answers import same
from gatecrash.oracles.service import unserved
from gatecrash.paths import tree_root
from gatecrash.protocols import http, protocol_of
from gatecrash.rulebook import load
from gatecrash.target.compilers import find_compiler
from tests.faulty import blamed, verdicts_on
from tests.sessions import session_of

SERVERS = tree_root() / "servers"
#: Those that were blamed once are tried as a user tries them; a look at the others is enough.
_OTHERS = dict.fromkeys(("files", "in memory", "second", "a greeting with a random tail"), "quick")
FILES = """
import os
HERE = os.path.dirname(os.path.abspath(__file__))
with open("server.log", "a") as log:
    log.write("started\\n")

def respond(request, body):
    name = os.path.basename(request.path.decode()) or "index.html"
    path = os.path.join(HERE, name) if request.path.count(b"/") > 1 else name
    try:
        if request.method in (b"PUT", b"POST"):
            with open(path, "wb") as file:
                file.write(body)
            return answer("201 Created", request.keep, b"stored\\n")
        if request.method == b"DELETE":
            os.remove(path)
            return answer("200 OK", request.keep, b"removed\\n")
        with open(path, "rb") as file:
            return answer("200 OK", request.keep, file.read())
    except OSError:
        return answer("404 Not Found", request.keep)
"""
IN_MEMORY = """
PAGES, LOCK, POSTED = {b"/": PAGE}, threading.Lock(), []

def respond(request, body):
    with LOCK:
        if request.method == b"PUT":
            known, PAGES[request.path] = request.path in PAGES, body
            return answer("200 OK" if known else "201 Created", request.keep, b"put\\n")
        if request.method == b"POST":
            POSTED.append(body)
            return answer("200 OK", request.keep, b"%d posted\\n" % len(POSTED))
        page = PAGES.pop(request.path, None) if request.method == b"DELETE" else PAGES.get(request.path)
    return answer("404 Not Found", request.keep) if page is None else answer("200 OK", request.keep, page)
"""
COUNTS = """
import itertools
VISITORS = itertools.count(1)

def respond(request, body):
    return answer("200 OK", request.keep, f"<p>Visitor {next(VISITORS)}, it is {time.time()}</p>\\n".encode())
"""
TELLS_THE_SECOND = """
def respond(request, body):
    if request.path != b"/":
        return answer("404 Not Found", request.keep)
    return answer("200 OK", request.keep, time.strftime("<p>%c</p>").encode() + b"." * (int(time.time()) % 7))
"""
LISTS = """
import random

def respond(request, body):
    names = random.sample(["a.txt", "b.txt", "index.html", "notes", "pictures"], random.randint(1, 5))
    return answer("200 OK", request.keep, "\\n".join(names).encode())
"""
PYTHON = {"files": FILES, "in memory": IN_MEMORY, "counts": COUNTS, "second": TELLS_THE_SECOND, "lists": LISTS}
IN_C = """
static bool respond(int fd, const struct request *r, const char *body)
{
    char page[65536];
    const char *name = strrchr(r->target, '/') + 1;
    if (*name == '\\0')
        name = "index.html";
    if (strcmp(r->method, "DELETE") == 0)
        return answer(fd, r, remove(name) == 0 ? "200 OK" : "404 Not Found", NULL, 0);
    bool put = strcmp(r->method, "PUT") == 0;
    FILE *file = fopen(name, put ? "w" : "r");
    if (file == NULL)
        return answer(fd, r, "404 Not Found", NULL, 0);
    size_t length = put ? fwrite(body, 1, r->length, file) : fread(page, 1, sizeof page, file);
    if (fclose(file) != 0 || (put && length != r->length))
        return answer(fd, r, "500 Internal Server Error", NULL, 0);
    return put ? answer(fd, r, "201 Created", NULL, 0) : answer(fd, r, "200 OK", page, length);
}

"""


def with_respond(reference: str, respond: str) -> str:
    """A reference server that answers in another way."""
    text = (SERVERS / reference).read_text()
    head, tail = (
        ("def respond(", "def answer(") if reference.endswith(".py") else ("static bool respond(", "/* One req")
    )
    before, _, rest = text.partition(head)
    return before + respond.strip("\n") + "\n\n\n" + tail + rest.partition(tail)[2]


def judged(folder: Path, name: str, text: str, *, others: str = "quick") -> dict[str, Verdict]:
    """The verdicts on a server that stands in a folder with a page."""
    (folder / name).write_text(text)
    (folder / "index.html").write_text("<p>A student wrote this.</p>\n")
    return verdicts_on(folder / name, frozenset(), others=others)


@pytest.mark.slow
@pytest.mark.parametrize("kind", PYTHON)
def test_a_correct_server_whose_answers_change_breaks_no_rule(tmp_path: Path, kind: str) -> None:
    verdicts = judged(
        tmp_path, "server.py", with_respond("python/http_thread.py", PYTHON[kind]), others=_OTHERS.get(kind, "glance")
    )
    assert {rule: verdicts[rule].seen for rule in blamed(verdicts)} == {}
    assert {verdicts[rule].outcome for rule in ("RESP-02", "RESP-19", "ACC-07", "LIFE-05", "LIFE-09")} == {"pass"}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["index.html", "server.py"]
    assert (tmp_path / "index.html").read_text() == "<p>A student wrote this.</p>\n"


BY_THE_CLOCK = """
def respond(request, body):
    return answer("200 OK", request.keep, b"%d\\n" % (time.time() // 3))
"""


def test_an_answer_that_changes_with_the_time_is_not_compared_across_a_pause(tmp_path: Path) -> None:
    path = tmp_path / "server.py"
    path.write_text(with_respond("python/http_thread.py", BY_THE_CLOCK))
    verdicts = verdicts_on(path, frozenset({"TIME-11"}), only="time")
    assert {rule: verdicts[rule].seen for rule in blamed(verdicts)} == {}


@pytest.mark.slow
@pytest.mark.skipif(find_compiler(".c") is None, reason="no C compiler here")
def test_a_server_in_c_that_stores_and_removes_pages_breaks_no_rule(tmp_path: Path) -> None:
    verdicts = judged(tmp_path, "server.c", with_respond("c/http_fork.c", IN_C))
    assert {rule: verdicts[rule].seen for rule in blamed(verdicts)} == {}
    assert verdicts["RESP-17"].outcome == "pass"
    assert (tmp_path / "index.html").read_text() == "<p>A student wrote this.</p>\n"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["index.html", "server.c"]


SPEAKS = """
import random, socket, sys, threading, time

def serve(client):
    try:
        {talk}
    except OSError:
        pass
    client.close()

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
while True:
    try:
        client, _ = listener.accept()
    except OSError:
        time.sleep(0.05)
        continue
    try:
        threading.Thread(target=serve, args=(client,), daemon=True).start()
    except RuntimeError:
        client.close()
"""
ASKED = "asked = b''\n        while not asked.endswith((b'\\n\\n', b'\\r\\n\\r\\n')):\n" + (
    "            piece = client.recv(4096)\n            if not piece: break\n            asked += piece\n        "
)
TALKS = {
    "daytime": "client.sendall(time.ctime().encode() + b'\\r\\n')",
    "a greeting with a random tail": "client.sendall(b'hello ' + b'x' * random.randint(1, 40))",
    "a page without a status line": ASKED
    + "client.sendall(b'<html>' + b'<li>' * random.randint(1, 9) + b'</html>\\n')",
    "a random token": "word = client.recv(4096)\n        client.sendall(b'%x\\n' % random.getrandbits(40))",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", TALKS)
def test_a_server_without_a_known_protocol_may_say_something_else_each_time(tmp_path: Path, kind: str) -> None:
    verdicts = judged(tmp_path, "server.py", SPEAKS.format(talk=TALKS[kind]), others=_OTHERS.get(kind, "glance"))
    assert {rule: verdicts[rule].seen for rule in blamed(verdicts)} == {}


TOO_LONG = """
import random

def respond(request, body):
    page = b"<li>" * random.randint(1, 99)
    head = b"HTTP/1.1 200 OK\\r\\nContent-Length: 999\\r\\nConnection: close\\r\\n\\r\\n"
    request.__dict__["keep"] = False
    return head + page
"""


def test_a_listing_that_is_never_whole_is_blamed_for_that_alone(tmp_path: Path) -> None:
    verdicts = judged(tmp_path, "server.py", with_respond("python/http_thread.py", TOO_LONG), others="glance")
    assert blamed(verdicts) == {"RESP-07"}


# -- what is compared, and when -------------------------------------------------------------------------------------


def answer(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
VISIT = scenario(Connect("A"), Send("A", GET), Receive("A"))


def case_of(got: bytes, plain: Plain, protocol: str = "http", sent: bytes = GET) -> Case:
    seen = Transcript(VISIT, (Connected(0, "A"), Got(2, "A", got), Ended(2, "A", "FIN")), sent={"A": sent})
    return Case(seen, Contract(protocol=protocol), {sent: plain})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other", "parted"),
    [
        (answer(b"a"), answer(b"a"), set()),
        (answer(b"a"), answer(b"b"), {"body"}),
        (answer(b"a"), answer(b"a", "404 Not Found"), {"status", "body"}),
        (answer(b"a"), answer(b"a").replace(b"\r\n\r\n", b"\r\nDate: today\r\n\r\n"), set()),
    ],
)
def test_two_answers_differ_in_status_or_body_and_not_in_their_date(one: bytes, other: bytes, parted: set[str]) -> None:
    plain = (Plain(received, "FIN", answered=True) for received in (one, other))
    assert protocol_of(Contract(protocol="http")).differing(GET, *plain) == parted


@pytest.mark.parametrize(
    ("varies", "got", "is_same"),
    [
        (frozenset(), answer(b"other"), False),
        (frozenset({"body"}), answer(b"other"), True),
        (frozenset({"body"}), answer(b"other", "400 Bad Request"), False),
        (EVERYTHING, answer(b"other", "404 Not Found"), True),
    ],
)
def test_only_what_does_not_change_by_itself_is_compared(varies: frozenset[str], got: bytes, is_same: bool) -> None:
    plain = Plain(answer(b"usual"), "FIN", answered=True, varies=varies)  # type: ignore[arg-type]
    case = case_of(got, plain)
    theirs, usual = (http.read_answers(data, ("GET",), ended=True).answers[0] for data in (got, plain.received))
    assert same(case, GET, theirs, usual) is is_same
    assert same(uncompared(case), GET, theirs, usual)


def test_what_one_request_changes_is_compared_where_that_is_the_question() -> None:
    plain = Plain(answer(b"usual"), "FIN", answered=True, moves=EVERYTHING)
    case = case_of(answer(b"other"), plain)
    theirs, usual = (http.read_answers(answer(body), ("GET",), ended=True).answers[0] for body in (b"other", b"usual"))
    assert same(case, GET, theirs, usual)
    assert not same(case, GET, theirs, usual, on_one_server=True)


@pytest.mark.parametrize(("varies", "served"), [(frozenset(), False), (frozenset({"body"}), True)])
def test_the_length_of_an_answer_that_is_never_whole_counts_where_it_is_always_the_same(
    varies: frozenset[str], served: bool
) -> None:
    short, usual = answer(b"list")[:-2], answer(b"listing")[:-2]
    plain = Plain(usual, "FIN", answered=False, varies=varies)  # type: ignore[arg-type]
    assert (unserved(case_of(short, plain), "A") is None) is served


SECOND_TIME = """
import itertools
times = itertools.count(1)
def serve(client):
    asked = client.recv(4096)
    page = b"now" if {when} else b"before"
    client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n" % len(page) + page)
    client.close()
main(serve)
"""
THREE = scenario(*((Connect(n), Send(n, GET), Receive(n), Close(n)) for n in "ABC"))


def seen_by(session: Session, rule: str, played: Scenario) -> bool:
    """Whether a finding is left after the answers were learnt, and learnt anew."""
    session.plain.learn(played)
    finding, _, _ = believed(
        session, oracle_of(rule), session.play(played, fresh=True), lambda: session.play(played, fresh=True)
    )
    return finding is not None


def test_a_server_that_answers_its_later_clients_otherwise_is_still_blamed_for_that(tmp_path: Path) -> None:
    with session_of(tmp_path, SECOND_TIME.format(when="next(times) > 2"), Contract(protocol="http")) as session:
        assert seen_by(session, "RESP-24", THREE)


ENDS = """
def serve(client):
    asked = client.recv(1000)
    client.sendall(b"" if asked == b"end" else b"HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    client.close()
    if asked == b"end":
        time.sleep(0.3)
        os._exit(1)
main(serve)
"""


def test_what_a_server_that_is_about_to_end_does_is_not_taken_for_what_a_lone_client_gets(tmp_path: Path) -> None:
    with session_of(tmp_path, ENDS, Contract(protocol="http")) as session:
        session.play(scenario(Connect("Z"), Send("Z", b"end"), Receive("Z", "end")))
        session.plain.learn(THREE)
        assert session.case(session.play(THREE)).plain[GET].answered


STORES = """
page = b"before"
def serve(client):
    global page
    asked = b""
    while b"\\r\\n\\r\\n" not in asked:
        asked += client.recv(4096)
    if asked.startswith(b"PUT"):
        page = b"changed"
    client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n" % len(page) + page)
    client.close()
main(serve)
"""
PUT = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"


def test_what_was_learnt_of_a_server_that_others_had_changed_is_learnt_anew_and_that_is_said(tmp_path: Path) -> None:
    with session_of(tmp_path, STORES, Contract(protocol="http")) as session:
        session.play(scenario(Connect("A"), Send("A", PUT), Receive("A")))
        session.plain.learn(VISIT)
        trial = Trial(load().get("RESP-02"), session, profile("glance"))
        cut = scenario(Connect("A"), Send("A", GET[:9]), Send("A", GET[9:]), Receive("A"))
        trial.verify(st.just(cut), fresh=True)
        assert trial.verdict is not None
        assert (trial.verdict.outcome, "did not stay the same" in trial.verdict.reason) == ("pass", True)
        assert session.case(session.play(VISIT)).plain[GET].received.endswith(b"before")


def test_a_page_that_is_another_at_each_start_is_not_compared(tmp_path: Path) -> None:
    body = SECOND_TIME.format(when="len(asked) > 99").replace('b"before"', 'b"%d" % os.getpid()')
    with session_of(tmp_path, body, Contract(protocol="http")) as session:
        assert not seen_by(session, "RESP-02", VISIT)
