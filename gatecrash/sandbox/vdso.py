"""The vDSO's clocks made to run ahead: what is written into a program that has just been executed, and where.

The C library, CPython, Go and the JVM read the time from the vDSO, without a system call (vdso(7)). A small stub is
put behind the end of its image, in the unused rest of its last page, and its functions jump there. The stub asks the
kernel and adds what stands in front of it, which whoever traces the process can write: `totals`. The pages are the
process's own from then on; a fork copies them, an exec begins with fresh ones.

Imported by the broker: standard library only.
"""

from __future__ import annotations

import ctypes
import os
import struct
from functools import cache

#: The third argument of the stub's own calls, by which a filter tells them from those that a program makes itself.
MAGIC = 0x4B434C47
MARK = b"GCclock\x01"
#: From MARK on: whole seconds that the clocks are ahead, nanoseconds, and those as microseconds.
TOTALS = struct.Struct("<QQQ")
_AT_SYSINFO_EHDR = 33
_PAGE = 4096

#: tests/clock/stub.s, which a test assembles.
STUB = bytes.fromhex(
    "4743636c6f636b01000000000000000000000000000000000000000000000000ba474c434bb8e40000000f0585c0753b"
    "83ff0b7736baf30b00000fa3fa732c488b15c2ffffff480116488b15c0ffffff480356084881fa00ca9a3b7c0a4881ea"
    "00ca9a3b48ff0648895608c30f1f4000ba474c434bb8600000000f0585c075314885ff742c488b157cffffff48011748"
    "8b1582ffffff480357084881fa40420f007c0a4881ea40420f0048ff0748895708c366662e0f1f8400000000000f1f00"
    "574883ec10bf050000004889e6e84effffff488b04244883c4105f4885ff7403488907c3"
)
_CLOCK_GETTIME, _GETTIMEOFDAY, _TIME = 0x20, 0x70, 0xC0
_ENTRIES = {
    b"clock_gettime": _CLOCK_GETTIME,
    b"__vdso_clock_gettime": _CLOCK_GETTIME,
    b"gettimeofday": _GETTIMEOFDAY,
    b"__vdso_gettimeofday": _GETTIMEOFDAY,
    b"time": _TIME,
    b"__vdso_time": _TIME,
}


class NoStub(Exception):
    """This machine's vDSO cannot be changed; says why."""


def totals(ahead_ns: int) -> bytes:
    """What is written at the mark for clocks that are so many nanoseconds ahead."""
    seconds, rest = divmod(ahead_ns, 1_000_000_000)
    return MARK + TOTALS.pack(seconds, rest, rest // 1000)


@cache
def patches() -> tuple[tuple[int, bytes], ...]:
    """What to write, by offsets from the vDSO's beginning; the first is the stub, with the mark. Raises NoStub.

    Every 64-bit process has the image that this one has.
    """
    if os.uname().machine != "x86_64":
        raise NoStub(f"no stub for {os.uname().machine}, only for x86_64")
    image = _own_image()
    free = -(-_end_of(image) // 16) * 16
    if free + len(STUB) > len(image):
        raise NoStub(f"the vDSO has no room of {len(STUB)} bytes")
    functions = {value: _ENTRIES[name] for name, value in _symbols(image) if name in _ENTRIES}
    if set(functions.values()) != {_CLOCK_GETTIME, _GETTIMEOFDAY, _TIME}:
        raise NoStub("the vDSO lacks a clock")
    jumps = ((at, b"\xe9" + struct.pack("<i", free + entry - at - 5)) for at, entry in functions.items())
    return ((free, STUB), *jumps)


def _own_image() -> bytes:
    libc = ctypes.CDLL(None)
    libc.getauxval.restype, libc.getauxval.argtypes = ctypes.c_ulong, [ctypes.c_ulong]
    base = libc.getauxval(_AT_SYSINFO_EHDR)
    if not base:
        raise NoStub("this process has no vDSO")
    pages = -(-_end_of(ctypes.string_at(base, 64)) // _PAGE)
    return ctypes.string_at(base, pages * _PAGE)


def _end_of(image: bytes) -> int:
    """Where an ELF file ends: its section headers are the last of it (elf(5))."""
    (sections,) = struct.unpack_from("<Q", image, 40)
    size, count = struct.unpack_from("<HH", image, 58)
    return int(sections) + int(size) * int(count)


def _symbols(image: bytes) -> list[tuple[bytes, int]]:
    """Names and values of .dynsym (type 11), with the names from the section it is linked to."""
    (sections,) = struct.unpack_from("<Q", image, 40)
    _, count = struct.unpack_from("<HH", image, 58)
    headers = [struct.unpack_from("<IIQQQQIIQQ", image, sections + 64 * number) for number in range(count)]
    found: list[tuple[bytes, int]] = []
    for header in headers:
        if header[1] != 11:
            continue
        names = headers[header[6]][4]
        for at in range(header[4], header[4] + header[5], 24):
            name, _, _, _, value, _ = struct.unpack_from("<IBBHQQ", image, at)
            text = image[names + name : image.index(b"\0", names + name)]
            found.append((text, value))
    return found
