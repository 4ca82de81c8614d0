"""Loads Gatecrash's side of pytest: the options, the fixture `trial`, how a broken rule is told."""

import os
import shutil
import tempfile

import pytest

pytest_plugins = ["gatecrash.plugin"]

#: Where bytecode is kept while the tests run, for those who want none beside the sources: the command is started
#: hundreds of times, and would compile itself, pytest and Hypothesis each time anew.
_BYTECODE = tempfile.mkdtemp(prefix="gatecrash-") if os.environ.pop("PYTHONDONTWRITEBYTECODE", "") else ""
if _BYTECODE:
    os.environ["PYTHONPYCACHEPREFIX"] = _BYTECODE


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the bytecode that this process kept aside; its workers have ended."""
    if _BYTECODE:
        shutil.rmtree(_BYTECODE, ignore_errors=True)
