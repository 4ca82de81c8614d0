"""A request that comes while the one before it is answered: decided, not left to chance (RESP-17)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.profiles import profile
from gatecrash.engine.properties import properties
from gatecrash.engine.suite_run import try_property
from tests.needs import need

#: Behind an answer it looks for the next request at once. One that is there is answered, and then AGAIN.
READS_ON = """
import re, selectors, socket, sys

watched, said = selectors.DefaultSelector(), {}
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
watched.register(listener, selectors.EVENT_READ)

def more(client):
    try:
        data = client.recv(65536)
    except BlockingIOError:
        return False
    except OSError:
        data = b""
    said[client] += data
    if not data:
        del said[client]
        client.close()
    return bool(data)

def answered(client):
    count = 0
    while b"\\r\\n\\r\\n" in said[client]:
        head, _, rest = said[client].partition(b"\\r\\n\\r\\n")
        length = re.search(rb"(?i)content-length: *([0-9]+)", head)
        size = int(length[1]) if length else 0
        if len(rest) < size:
            break
        said[client], count = rest[size:], count + 1
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    return count

while True:
    for key, _ in watched.select():
        if key.fileobj is listener:
            client, _ = listener.accept()
            client.setblocking(False)
            said[client] = b""
            watched.register(client, selectors.EVENT_READ)
            continue
        watched.unregister(key.fileobj)
        if more(key.fileobj) and answered(key.fileobj) and more(key.fileobj):
            AGAIN
        if key.fileobj in said:
            watched.register(key.fileobj, selectors.EVENT_READ)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("again", "outcome"), [("answered(key.fileobj)", "pass"), ("answered(key.fileobj); continue", "fail")]
)
def test_whoever_is_served_at_once_is_watched_again(again: str, outcome: str, tmp_path: Path) -> None:
    need("gates")
    (tmp_path / "run").mkdir()
    (tmp_path / "server.py").write_text(READS_ON.replace("AGAIN", again))
    with SessionPool(tmp_path / "run", sanitized=False) as pool:
        target = pool.open(str(tmp_path / "server.py"))
        assert target is not None
        (one,) = (one for one in properties() if one.rule == "RESP-17")
        (verdict, *_) = try_property(one, target, "plain", profile("quick"))
    assert verdict.outcome == outcome, verdict.reason
    if verdict.finding is not None:
        assert "2 of 3 requests were answered, the second of which came while the first was" in verdict.finding.got
