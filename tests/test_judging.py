"""What is said of a rule whose prerequisite does not hold, or could not be shown to hold."""

from collections.abc import Iterator

import pytest

from gatecrash.engine import judge as judge_module
from gatecrash.engine.prerequisites import Prerequisites
from gatecrash.engine.session import Session
from gatecrash.language import stated
from gatecrash.model.contract import Contract
from gatecrash.model.verdicts import Case, Finding, Held, Ruling, broken_here
from gatecrash.rulebook import load
from tests.sessions import session_of

_SERVER = "main(lambda client: (client.recv(999), client.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\n'), client.close()))"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with session_of(tmp_path_factory.mktemp("server"), _SERVER, Contract(protocol="http")) as opened:
        yield opened


def reason(session: Session, monkeypatch: pytest.MonkeyPatch, *found: bool | None) -> tuple[str | None, int]:
    """Why ACC-07 cannot be seen when the probe of ACC-01 finds these (conclusive or not), one after the other."""
    findings = [None if one is None else Finding("ACC-01", "it", "no answer came", conclusive=one) for one in found]
    tried: list[Case] = []

    def judge(case: Case) -> Ruling:
        if any(plain.varies for plain in case.plain.values()):  # asked whether it is found without a comparison, too
            return findings[len(tried) - 1] or Held()
        tried.append(case)
        return findings[len(tried) - 1] or Held()

    monkeypatch.setattr(judge_module, "oracle_of", lambda rule: judge if rule == "ACC-01" else lambda case: Held())
    return Prerequisites(session).broken(load().get("ACC-07")), len(tried)


def test_what_is_seen_on_two_fresh_servers_is_called_broken(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    said, times = reason(session, monkeypatch, True, True)
    assert said == "ACC-01 is broken (no answer came), so this cannot be seen"
    assert times == 2


def test_what_is_seen_once_and_not_again_is_not_called_broken(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reason(session, monkeypatch, True, None) == (None, 2)


@pytest.mark.parametrize("found", [(False,), (True, False)])
def test_what_only_patience_says_is_not_called_broken(
    session: Session, monkeypatch: pytest.MonkeyPatch, found: tuple[bool, ...]
) -> None:
    said, times = reason(session, monkeypatch, *found)
    assert said == "ACC-01 could not be proven here (no answer came), so this cannot be seen"
    assert times == len(found)


def test_what_a_probe_does_not_show_holds(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reason(session, monkeypatch, None) == (None, 1)


@pytest.mark.parametrize(("told", "said"), [("", None), ("it is broken", "it is broken")])
def test_what_a_trial_said_of_its_probe_is_not_played_again(
    session: Session, monkeypatch: pytest.MonkeyPatch, told: str, said: str | None
) -> None:
    monkeypatch.setattr(Prerequisites, "_try", lambda one, rule: f"{rule} was played")
    prerequisites = Prerequisites(session)
    prerequisites.learn({rule.id: "" for rule in load().rules})
    prerequisites.learn({"ACC-01": told})
    assert prerequisites.broken(load().get("ACC-07")) == said


def test_files_that_stay_open_hide_no_end_of_a_connection(session: Session) -> None:
    hidden = {rule.id: "" for rule in load().rules}
    files = stated(
        "{number} files more are open after {clients} clients more, all of whom have gone", number=4, clients=4
    )
    sockets = stated("{number} more after {clients} clients more, all of whom have gone", number=4, clients=4)
    for got, seen in ((files, ["RESP-14", "RESP-15"]), (sockets, [])):
        prerequisites = Prerequisites(session)
        prerequisites.learn(hidden | {"RES-01": broken_here("RES-01", Finding("RES-01", "", got))})
        asked = ("RESP-14", "RESP-15", "RES-02")
        assert [rule for rule in asked if prerequisites.broken(load().get(rule)) is None] == seen
