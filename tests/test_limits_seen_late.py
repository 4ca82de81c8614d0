"""A time limit that no discovery sees, for only a client who does not read is waited for: its time is skipped all the
same from the moment when it is seen.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.profiles import profile
from gatecrash.engine.properties import properties
from gatecrash.engine.suite_run import try_property
from tests.needs import need

#: One process for all; what is sent to one client may take 5 s, and nobody else is looked after meanwhile.
SENDS_IN_THE_LOOP = """
import selectors, socket, sys

def echo(client):
    try:
        data = client.recv(65536)
        client.sendall(data)
    except OSError:
        data = b""
    if not data:
        watched.unregister(client)
        client.close()

watched = selectors.DefaultSelector()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
watched.register(listener, selectors.EVENT_READ)
while True:
    for key, _ in watched.select():
        if key.fileobj is not listener:
            echo(key.fileobj)
            continue
        client, _ = listener.accept()
        client.settimeout(5)
        watched.register(client, selectors.EVENT_READ)
"""


@pytest.mark.slow
def test_a_limit_of_which_only_a_client_who_reads_nothing_comes_to_know(tmp_path: Path) -> None:
    need("clock")
    (tmp_path / "run").mkdir()
    (tmp_path / "server.py").write_text(SENDS_IN_THE_LOOP)
    with SessionPool(tmp_path / "run", sanitized=False) as pool:
        target = pool.open(str(tmp_path / "server.py"))
        assert target is not None
        assert not target.session.contract.has_limits
        (verdict, *_) = (
            try_property(one, target, "plain", profile("quick"))[0] for one in properties() if one.rule == "LIFE-11"
        )
        assert target.session.has_limits
        target.session.begin()
        assert not target.session.has_limits
    assert verdict.outcome == "fail"
    assert verdict.finding is not None
    assert "only when the server had waited for another one in vain" in verdict.finding.got
