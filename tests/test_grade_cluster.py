"""A class on a cluster has the scores it has on one machine, whatever becomes of the workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from gatecrash.config.scheme import Scheme
from gatecrash.errors import UsageError
from gatecrash.grading.cluster_address import ClusterAddress, cluster_address
from gatecrash.grading.judges import Begun, Came, Judges, JudgesGone, LocalJudges, Progressed, Said
from gatecrash.grading.summary import summary
from gatecrash.grading.work import Course, Judged, Work
from gatecrash.model.verdicts import Outcome
from gatecrash.paths import tree_root

pytest.importorskip("distributed", reason="the extra gatecrash[cluster] is not installed")

from distributed import LocalCluster, get_worker

from gatecrash.grading import cluster, cluster_connection, cluster_worker, sight
from gatecrash.grading.cluster import ClusterJudges

RULE = ("FORK-02",)
_ANY = "127.0.0.1:0"  # a port that is free
pytestmark = pytest.mark.filterwarnings("default:::distributed", "ignore::ResourceWarning")


def _works(count: int, **beside: object) -> list[Work]:
    return [Work(f"s{number}", (), Course(contained=False), **beside) for number in range(count)]  # type: ignore[arg-type]


def _handed_in(folder: Path) -> list[Work]:
    """Four submissions, of two kinds, to be judged by one rule."""
    works = []
    for number, source in enumerate(("c/http_fork.c", "faulty/never_reaps.c") * 2):
        mine = folder / f"s{number}"
        mine.mkdir()
        (mine / "server.c").write_bytes((tree_root() / "servers" / source).read_bytes())
        works.append(Work(mine.name, (str(mine),), Course(), RULE))
    return works


def _scores(events: list[Progressed]) -> dict[str, tuple[Fraction, dict[str, Outcome]]]:
    """By id the points, and what came of each rule."""
    came = [event.judged for event in events if isinstance(event, Came)]
    assert len({one.id for one in came}) == len(came), "told twice"
    summaries = {one.id: summary(one, Scheme()) for one in came}
    return {id: (one.points, dict(one.outcomes)) for id, one in summaries.items()}


def _said(events: list[Progressed]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, Said))


def _heard(
    judges: Judges, works: list[Work], meanwhile: Callable[[Progressed], None] = lambda _: None
) -> list[Progressed]:
    events = []
    for event in judges.results(iter(works)):
        events.append(event)
        meanwhile(event)
    return events


@pytest.fixture
def threads() -> Iterator[LocalCluster]:
    """Two workers in this process, where what they do can be replaced."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=_ANY, memory_limit=None
    ) as cluster:
        yield cluster


def _judges(cluster: LocalCluster, scratch: Path, seconds: float = 30.0) -> ClusterJudges:
    return ClusterJudges(ClusterAddress(cluster.scheduler_address), scratch, seconds)


def _names(cluster: LocalCluster) -> list[str]:
    return sorted(worker.address for worker in cluster.workers.values())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Workers that all see the same, and judge at once: who judged what."""
    told = sight.own().to_json()
    monkeypatch.setattr(sight, "asked", lambda: told)
    judged: list[tuple[str, str]] = []

    def judge(message: bytes) -> bytes:
        work = Work.from_json(cluster_worker.received(message)["work"])
        judged.append((get_worker().address, work.id))
        return cluster_worker.sent(Judged(work.id, record={"by": work.id}).to_json())

    _replace(monkeypatch, "judge_sent", judge)
    return judged


def _replace(monkeypatch: pytest.MonkeyPatch, name: str, function: Callable[..., bytes]) -> None:
    function.__module__, function.__qualname__ = cluster_worker.__name__, name
    monkeypatch.setattr(cluster_worker, name, function)


@pytest.mark.slow
def test_scores_are_those_of_one_machine_and_a_lost_workers_submissions_are_done_elsewhere(tmp_path: Path) -> None:
    works = _handed_in(tmp_path)
    (tmp_path / "here").mkdir()
    alone = _scores(_heard(LocalJudges(2, tmp_path / "here"), works))
    assert {id: outcomes[RULE[0]] for id, (_, outcomes) in alone.items()} == dict(
        zip(("s0", "s1", "s2", "s3"), ("pass", "fail") * 2, strict=True)
    )
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=_ANY,
        local_directory=str(tmp_path / "there"),
    ) as cluster:
        begun = []

        def kill(event: Progressed) -> None:
            begun.append(event) if isinstance(event, Begun) else None
            if len(begun) == 2 and isinstance(event, Begun):
                os.kill(cluster.workers[0].pid, signal.SIGKILL)

        events = _heard(_judges(cluster, tmp_path, 120.0), works, kill)
    assert _scores(events) == alone
    assert "was lost" in _said(events)


def test_a_worker_with_another_version_is_not_used(
    threads: LocalCluster, quick: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, other = _names(threads)
    told = sight.own().to_json()
    monkeypatch.setattr(sight, "asked", lambda: {**told, "version": "0.0.9"} if get_worker().address == other else told)
    events = _heard(_judges(threads, tmp_path), _works(6))
    assert {address for address, _ in quick} == {good}
    assert f"worker {other} is not used: it has Gatecrash 0.0.9" in _said(events)


def test_a_worker_with_other_sources_of_the_same_version_is_not_used(
    threads: LocalCluster, quick: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = sight.own().to_json()
    monkeypatch.setattr(sight, "asked", lambda: {**told, "code": "another"})
    with pytest.raises(JudgesGone, match="not of the same sources"):
        _heard(_judges(threads, tmp_path, 0.5), _works(2))
    assert quick == []


def test_a_worker_that_sees_less_is_given_nothing(
    threads: LocalCluster, quick: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, other = _names(threads)
    told = sight.own().to_json()
    less = {**told, "lacks": {"gates": "Operation not permitted"}}
    monkeypatch.setattr(sight, "asked", lambda: less if get_worker().address == other else {**told, "lacks": {}})
    events = _heard(_judges(threads, tmp_path), _works(6))
    assert {address for address, _ in quick} == {good}
    assert f"worker {other} is not used: it sees less: gates (Operation not permitted)" in _said(events)


def test_where_all_see_as_little_all_are_used_and_it_is_said(
    threads: LocalCluster, quick: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    less = {**sight.own().to_json(), "lacks": {"gates": "Operation not permitted"}}
    monkeypatch.setattr(sight, "asked", lambda: less)
    events = _heard(_judges(threads, tmp_path), _works(20))
    assert {address for address, _ in quick} == set(_names(threads))
    assert "no worker has gates (Operation not permitted): the class is judged without" in _said(events)


def test_a_worker_that_cannot_tell_what_it_sees_is_not_used(
    threads: LocalCluster, quick: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> dict[str, object]:
        raise RuntimeError("no space left")

    monkeypatch.setattr(sight, "asked", fails)
    with pytest.raises(JudgesGone, match="no space left"):
        _heard(_judges(threads, tmp_path, 0.5), _works(1))


def test_a_worker_that_fails_again_and_again_is_left_alone(
    threads: LocalCluster, quick: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, bad = _names(threads)

    def judge(message: bytes) -> bytes:
        work = Work.from_json(cluster_worker.received(message)["work"])
        if get_worker().address == bad:
            raise OSError(28, "No space left on device")
        time.sleep(0.05)  # a good one takes longer than one that fails at once
        return cluster_worker.sent(Judged(work.id, record={}).to_json())

    _replace(monkeypatch, "judge_sent", judge)
    events = _heard(_judges(threads, tmp_path), _works(30))
    came = [event.judged for event in events if isinstance(event, Came)]
    assert len(came) == 30
    assert [one.ours for one in came].count(True) == 3
    assert f"worker {bad} is not used: it failed 3 times in a row" in _said(events)


def test_a_submission_that_costs_every_worker_is_given_up(
    quick: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker is ended under it, and the next one, too."""
    with LocalCluster(
        n_workers=4, threads_per_worker=1, processes=False, dashboard_address=_ANY, memory_limit=None
    ) as cluster:
        over = threading.Event()

        def judge(message: bytes) -> bytes:
            get_worker().loop.add_callback(get_worker().close, nanny=False, executor_wait=False)
            over.wait(20)
            return b""

        _replace(monkeypatch, "judge_sent", judge)
        events = _heard(_judges(cluster, tmp_path), _works(1))
        over.set()
    (came,) = [event.judged for event in events if isinstance(event, Came)]
    assert came.ours
    assert came.why == "3 workers were lost while they judged it"


def test_a_worker_that_does_not_answer_is_not_asked_any_more(
    threads: LocalCluster, quick: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, mute = _names(threads)
    over = threading.Event()

    def judge(message: bytes) -> bytes:
        work = Work.from_json(cluster_worker.received(message)["work"])
        if get_worker().address == mute:
            over.wait(30)
        return cluster_worker.sent(Judged(work.id, record={"at": get_worker().address}).to_json())

    _replace(monkeypatch, "judge_sent", judge)
    course = Course(seconds=1.0 - 300.0 - 180.0)  # a second in all
    events = _heard(_judges(threads, tmp_path), [Work(f"s{number}", (), course) for number in range(8)])
    over.set()
    came = {event.judged.id: event.judged.record for event in events if isinstance(event, Came)}
    assert came == {f"s{number}": {"at": good} for number in range(8)}
    assert f"worker {mute} does not answer" in _said(events)


def test_no_more_is_sent_than_is_judged_just_now(
    threads: LocalCluster, quick: list[tuple[str, str]], tmp_path: Path
) -> None:
    taken = []

    def works() -> Iterator[Work]:
        for work in _works(50):
            taken.append(work.id)
            yield work

    came = 0
    for event in _judges(threads, tmp_path).results(works()):
        came += isinstance(event, Came)
        assert len(taken) - came <= 3
    assert came == 50


def test_what_cannot_be_sent_is_judged_here(
    threads: LocalCluster, quick: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_worker, "judge_here", lambda work, run, folder: Judged(work.id, why="judged here"))
    events = _heard(_judges(threads, tmp_path), [Work("gone", (str(tmp_path / "gone"),), Course()), *_works(2)])
    came = {event.judged.id: event.judged.why for event in events if isinstance(event, Came)}
    assert came == {"gone": "judged here", "s0": "", "s1": ""}


@pytest.mark.parametrize(
    ("who", "said"), [("worker", "it has no Gatecrash"), ("scheduler", "has no Gatecrash: install gatecrash")]
)
def test_who_has_no_gatecrash_is_named_and_not_harmed(
    who: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster if who == "worker" else cluster_connection, "version", _version_of_nothing)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=_ANY, memory_limit=None
    ) as one:
        with pytest.raises(JudgesGone, match=said):
            _heard(_judges(one, tmp_path, 0.5), _works(1))
        assert len(one.workers) == 1


def _version_of_nothing(name: str = "gatecrash") -> str:
    raise PackageNotFoundError(name)


def test_a_cluster_without_workers_is_waited_for_and_then_said(tmp_path: Path) -> None:
    with LocalCluster(n_workers=0, processes=False, dashboard_address=_ANY) as cluster:
        with pytest.raises(JudgesGone, match=r"has had no worker for 0\.5 s"):
            _heard(_judges(cluster, tmp_path, 0.5), _works(1))


def test_a_scheduler_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_connection, "_SECONDS_TO_CONNECT", 0.5)
    with pytest.raises(JudgesGone, match=r"tcp://127\.0\.0\.1:9 does not answer: "):
        _heard(ClusterJudges(cluster_address("tcp://127.0.0.1:9"), tmp_path), _works(1))


def test_a_scheduler_that_is_lost_in_the_middle_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_connection, "_SECONDS_TO_CONNECT", 3.0)
    where = tmp_path / "scheduler.json"
    command = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(where)]
    scheduler = subprocess.Popen(
        [sys.executable, "-m", "dask", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 60
        while not where.exists() and time.monotonic() < until:
            time.sleep(0.05)
        address = json.loads(where.read_text())["address"]
        waited = threading.Timer(1.5, scheduler.kill)
        waited.start()
        with pytest.raises(JudgesGone, match="is gone"):
            _heard(ClusterJudges(cluster_address(address), tmp_path, 60.0), _works(1))
    finally:
        scheduler.kill()
        scheduler.wait()


@pytest.mark.parametrize(
    "text",
    ["tcp://host:8786", "tls://10.0.0.1:8786", "host.example:8786", "tcp://[::1]:8786", "local:1", "local:256"],
)
def test_addresses_that_are_understood(text: str) -> None:
    assert cluster_address(text).text == text
    assert cluster_address(text).local == (int(text[6:]) if text.startswith("local") else None)


@pytest.mark.parametrize(
    "text", ["", "local", "local:0", "local:x", "local:9999", "tcp://host", "host", "http://a:1", "a:99999"]
)
def test_what_is_no_address_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="is no cluster"):
        cluster_address(text)


def test_without_the_extra_it_is_said_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "server.c").write_text("int main(void) { return 0; }\n")
    words = ["grade", str(tmp_path / "class"), "--output", str(tmp_path / "results"), "--cluster", "local:2"]
    program = (
        f"import sys; sys.modules['distributed'] = None; from gatecrash.cli import main; sys.exit(main({words!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "--cluster needs distributed, which is not installed: pip install 'gatecrash[cluster]'." in done.stderr
    assert not (tmp_path / "results").exists()
