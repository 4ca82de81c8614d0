"""Two instances of one server in one arena: what the first does meanwhile is not the second's."""

from __future__ import annotations

from pathlib import Path

from gatecrash.model.contract import Contract
from gatecrash.model.scenario import StartSecond, scenario
from gatecrash.model.transcript import Started
from tests.needs import need
from tests.sessions import session_of

#: Replaces its worker every two seconds; one that finds its port taken tries again, and then gives up.
REPLACES_ITS_WORKER = """
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
for _ in range(5):
    try:
        listener.bind(("127.0.0.1", int(sys.argv[1])))
        break
    except OSError:
        time.sleep(1)
else:
    sys.exit(1)
listener.listen(16)
while True:
    if os.fork() == 0:
        time.sleep(2)
        os._exit(0)
    os.wait()
"""


def test_a_worker_that_the_first_forks_meanwhile_is_not_the_second_listening(tmp_path: Path) -> None:
    need("arena")
    contract = Contract(protocol="http", has_limits=True, sleeps=True)
    with session_of(tmp_path, REPLACES_ITS_WORKER, contract) as session:
        transcript = session.play(scenario(StartSecond()))
        (started,) = (event for event in transcript.events if isinstance(event, Started))
        assert not started.listening
        assert started.status == 1
