"""One submission judged: unpacked, built, run, and what came of it. In a process of its own (`judge.py`)."""

from __future__ import annotations

import re
import resource
import shutil
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gatecrash.config.contract_file import SubmissionSection, read_contract, read_grading, read_limits, read_submission
from gatecrash.config.scheme import Scheme
from gatecrash.engine.events import listen
from gatecrash.engine.run import Run
from gatecrash.engine.run_request import RunRequest
from gatecrash.errors import GatecrashError, TargetError
from gatecrash.grading.choosing import Undecided, server_in
from gatecrash.grading.unpacking import Bounds, unpack
from gatecrash.grading.work import Judged, Work
from gatecrash.language import say, speak
from gatecrash.model.confinement import Confinement
from gatecrash.paths import lacks_room, no_room, speaks_of_room
from gatecrash.reports import html_report
from gatecrash.results.record import RunRecord
from gatecrash.results.saved_record import from_row, to_row
from gatecrash.rulebook import load

_MEMORY_TO_UNPACK = 192 << 20  # bytes of address space beyond what is in use: a header of an archive may ask for any


def judge(work: Work, room: Path) -> Judged:
    """Judge it in `room`, a folder of its own, which is removed. Whatever goes wrong is told."""
    speak(work.course.language)
    began = time.monotonic()
    try:
        judged = _judged(work, room)
    except Undecided as undecided:
        judged = Judged(work.id, why=str(undecided))
    except GatecrashError as error:
        judged = Judged(work.id, why=str(error), ours=True)
    except OSError as error:
        why = str(no_room(room.parent.parent, error.strerror)) if lacks_room(error) else _fault(error)
        judged = Judged(work.id, why=why, ours=True)
    except Exception as error:  # noqa: BLE001 - a fault of ours costs one submission its score, and no other
        judged = Judged(work.id, why=_fault(error), ours=True)
    finally:
        shutil.rmtree(room, ignore_errors=True)
    if judged.record is not None and speaks_of_room(judged.record["fault"] or ""):
        judged = Judged(work.id, why=str(no_room(room.parent.parent, None)), ours=True)
    own, started = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return replace(
        judged,
        seconds=time.monotonic() - began,
        processor_seconds=sum(one.ru_utime + one.ru_stime for one in (own, started)),
        memory_kib=max(own.ru_maxrss, started.ru_maxrss),
    )


def _fault(error: Exception) -> str:
    """Its first line is what is shown."""
    fault = f"{type(error).__name__}: {error}\n{traceback.format_exc()[-2000:]}"
    return say("Gatecrash itself failed: {fault}", fault=fault)


def _judged(work: Work, room: Path) -> Judged:
    contract = room / "course.toml"
    if work.course.contract is not None:
        contract.write_text(work.course.contract, encoding="utf-8")
    section = read_submission(contract) if contract.exists() else SubmissionSection()
    scheme = read_grading(contract) if contract.exists() else None
    folder = room / "submission"
    notes: tuple[str, ...] = ()
    request = _request(work, str(folder), contract if contract.exists() else None, scheme)
    try:
        notes = _unpacked(work, room, folder, section)
        server = server_in(folder, named=section.server, started=_started(contract), left_out=notes)
        request = replace(request, target=str(server), named=server.name)
        record = _merged(work, listen(Run(request, _made(room / "run")).events()))
    except TargetError as error:
        record = Run(request, room).failed(TargetError(_as_handed_in(str(error), room)))
    page = html_report.render(record) if work.course.page else ""
    return Judged(work.id, to_row(record), notes=notes, page=page)


def _request(work: Work, target: str, contract: Path | None, scheme: Scheme | None) -> RunRequest:
    rules = load().rules if work.rules is None else tuple(map(load().get, work.rules))
    return RunRequest(
        target=target,
        rules=rules,
        profile=work.course.profile,
        arena="namespace" if work.course.contained else "auto",
        confinement=Confinement() if contract is None else read_limits(contract),
        patience=work.course.patience,
        contract=None if contract is None else str(contract),
        jobs=1,
        max_time=work.course.seconds,
        grading=scheme,
    )


def _as_handed_in(text: str, room: Path) -> str:
    """Files named as their student knows them."""
    return re.sub(rf"{re.escape(str(room))}/(?:submission|run/\w+/(?:tree/[^/]+|\w+))/", "", text)


def _merged(work: Work, record: RunRecord) -> RunRecord:
    """The record, with what was known before of the rules that were not judged anew."""
    if work.before is None:
        return record
    anew = {judgement.rule.id for judgement in record.judgements}
    before = from_row(work.before)
    kept = [judgement for judgement in before.judgements if judgement.rule.id not in anew]
    order = {rule.id: number for number, rule in enumerate(load().rules)}
    both = sorted((*kept, *record.judgements), key=lambda judgement: order[judgement.rule.id])
    return replace(record, judgements=tuple(both), seconds=before.seconds)


def _started(contract: Path) -> bool:
    """Whether the contract says by itself how a folder is built or started."""
    if not contract.exists():
        return False
    section = read_contract(contract)[1]
    return section.build is not None or section.command is not None


def _unpacked(work: Work, room: Path, folder: Path, section: SubmissionSection) -> tuple[str, ...]:
    bounds = Bounds(section.most_mib << 20, section.most_files)
    sources = tuple(map(Path, work.sources))
    if work.packed is not None:
        sources = (room / "sent.tar",)
        sources[0].write_bytes(work.packed)
    with little_memory():
        return unpack(sources, folder, bounds)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@contextmanager
def little_memory() -> Iterator[None]:
    """Bounds what this process may ask for meanwhile, so that a crafted archive ends in MemoryError (setrlimit(2))."""
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = in_use + _MEMORY_TO_UNPACK
    resource.setrlimit(resource.RLIMIT_AS, (most if soft == resource.RLIM_INFINITY else min(soft, most), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
