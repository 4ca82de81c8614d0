"""The one line that a sanitizer's report is told by."""

from __future__ import annotations

import pytest

from gatecrash.model.headlines import headline, signal_of

OVERFLOW = """\
=================================================================
==17==ERROR: AddressSanitizer: stack-buffer-overflow on address 0x7ffc22ac67e0 at pc 0x5574b0fb62ad bp 0x7 sp 0x7
WRITE of size 403 at 0x7ffc22ac67e0 thread T0
    #0 0x5574b0fb62ac in __interceptor_vsprintf (/tmp/x/server+0x582ac)
    #1 0x7f4013898249 in vsprintf ../stdio-common/vsprintf.c:58
    #2 0x5574b10430fd in serve /home/a student/../server.c:23
    #3 0x5574b10430fd in serve /home/student/server.c:23:5
    #4 0x5574b104353c in main /home/student/server.c:46
"""
SEGV = """\
==1==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000000 (pc 0x5 bp 0x7 sp 0x7 T0)
==1==The signal is caused by a READ memory access.
    #0 0x55 in route /home/student/server.c:88
"""
#: A signal that only the other sanitizer has caught.
UBSAN_SEGV = SEGV.replace("AddressSanitizer", "UndefinedBehaviorSanitizer")
BARE = (
    "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x602 at pc 0x5\nREAD of size 1 at 0x602 thread T0\n"
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            OVERFLOW, "stack-buffer-overflow (WRITE of size 403) in serve, server.c:23", id="below the library"
        ),
        pytest.param(SEGV, "SEGV in route, server.c:88", id="a signal"),
        pytest.param(UBSAN_SEGV, "SEGV in route, server.c:88", id="a signal, by the other one"),
        pytest.param(BARE, "heap-use-after-free (READ of size 1)", id="without a frame of the source"),
        pytest.param(
            "/home/student/a.c:7:3: runtime error: left shift of 3 by 30 places\n    #0 x\n",
            "a.c:7: runtime error: left shift of 3 by 30 places",
            id="undefined behaviour",
        ),
        pytest.param("nothing of the kind\n", None, id="of another form"),
    ],
)
def test_a_report_is_told_by_what_happened_and_where(text: str, told: str | None) -> None:
    assert headline(text) == told


def test_the_signal_that_a_sanitizer_has_caught_is_known() -> None:
    assert [signal_of(text) for text in (SEGV, UBSAN_SEGV, OVERFLOW, "")] == ["SIGSEGV", "SIGSEGV", None, None]
