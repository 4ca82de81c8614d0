"""What a test needs of the machine it runs on: where that is refused, the test is skipped by name."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from functools import cache

import pytest

from gatecrash.paths import tree_root

_IO_URING_SETUP = 425
_ASK = """
import json
from gatecrash.instruments.capabilities import capabilities
print(json.dumps({one.name: one.reason for one in capabilities()}))
"""


def need(name: str) -> None:
    """Skip this test where the machine refuses a capability, named as `gatecrash doctor` names it, with its reason."""
    reason = refused()[name]
    if reason is not None:
        pytest.skip(f"needs {name}, which this machine refuses: {reason}")


def need_io_uring() -> None:
    """Skip this test where io_uring_setup(2) is refused: by kernel.io_uring_disabled, or a container's filter."""
    descriptor = ctypes.CDLL(None, use_errno=True).syscall(_IO_URING_SETUP, 1, ctypes.create_string_buffer(120))
    if descriptor < 0:
        pytest.skip(f"needs io_uring, which this machine refuses: {os.strerror(ctypes.get_errno())}")
    os.close(descriptor)


@cache
def refused() -> dict[str, str | None]:
    """Every capability by its name: the reason it is refused here, None where it is not.

    Asked by a process of its own: a test may have replaced in this one what it is asked with.
    """
    told = subprocess.run([sys.executable, "-c", _ASK], cwd=tree_root(), stdout=subprocess.PIPE, check=True, timeout=60)
    found: dict[str, str | None] = json.loads(told.stdout)
    return found
