"""A start is waited for in the server's own time, and no longer than until it listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatecrash.instruments.quiescence import Resting
from gatecrash.model.contract import Contract
from tests.needs import need
from tests.sessions import session_of

_IMPATIENT = """
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
listener.settimeout({limit})
listener.accept()
"""


@pytest.mark.parametrize("limit", [20, 3600])
def test_the_limits_of_a_server_that_listens_are_not_let_expire(limit: int, tmp_path: Path) -> None:
    """Though it came to listen only when it had just been looked for."""
    need("clock")
    with session_of(tmp_path, _IMPATIENT.format(limit=limit), Contract()) as session:
        server = session.fresh()
        still = server.settle(lambda: None, patience=5.0, wait_out=False)
        assert isinstance(still, Resting)
        assert not server.let_expire(still, 90.0)
        assert server.clock is not None
        assert server.clock.skipped == 0
