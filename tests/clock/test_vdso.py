"""The stub that runs the vDSO's clocks ahead is what its source says, and sits where nothing else is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gatecrash.sandbox import vdso


def test_the_stub_is_what_its_source_says(tmp_path: Path) -> None:
    if shutil.which("as") is None or shutil.which("objcopy") is None:
        pytest.skip("needs an assembler")
    source, built, code = Path(__file__).with_name("stub.s"), tmp_path / "stub.o", tmp_path / "stub.bin"
    try:
        subprocess.run(["as", "-o", built, source], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"needs an assembler for x86_64: {error.stderr!r}")
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", built, code], check=True)
    assert code.read_bytes() == vdso.STUB
    listed = subprocess.run(["nm", built], check=True, capture_output=True, text=True).stdout
    places = {line.split()[2]: int(line.split()[0], 16) for line in listed.splitlines()}
    named = {name.decode().removeprefix("__vdso_"): at for name, at in vdso._ENTRIES.items()}
    assert {name: places[name] for name in named} == named
    assert [places[name] for name in ("seconds", "nanos", "micros")] == [8, 16, 24]


def test_the_stub_fills_unused_room_and_every_function_leads_to_it() -> None:
    try:
        (at, stub), *jumps = vdso.patches()
    except vdso.NoStub as missing:
        pytest.skip(f"needs a vDSO that can be changed: {missing}")
    image = vdso._own_image()
    assert image[at : at + len(stub)] == bytes(len(stub))
    assert all(image[place : place + 5] != bytes(5) for place, _ in jumps)
    landed = {place + 5 + int.from_bytes(jump[1:], "little", signed=True) - at for place, jump in jumps}
    assert landed == set(vdso._ENTRIES.values())


@pytest.mark.parametrize(
    ("nanoseconds", "totals"), [(0, (0, 0, 0)), (1_999_999_999, (1, 999_999_999, 999_999)), (10**18, (10**9, 0, 0))]
)
def test_what_is_skipped_is_written_as_the_kernel_writes_time(nanoseconds: int, totals: tuple[int, ...]) -> None:
    written = vdso.totals(nanoseconds)
    assert written.startswith(vdso.MARK)
    assert vdso.TOTALS.unpack(written[len(vdso.MARK) :]) == totals
