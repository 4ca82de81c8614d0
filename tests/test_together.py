"""Tests of one reference server go to one worker of pytest-xdist, whatever pytest does with their ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def scheduler(pytestconfig: pytest.Config) -> Any:
    """The scheduler that pytest-xdist is given in this checkout."""
    conftest = next(
        plugin
        for plugin in pytestconfig.pluginmanager.get_plugins()
        if getattr(plugin, "__file__", None) == str(Path(__file__).parents[1] / "conftest.py")
    )
    together: Any = conftest
    return object.__new__(together._Together)


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("suites/accept/test_loop.py::test_a[c-http_fork]", "c-http_fork"),
        ("suites/accept/test_queue.py::test_b[c-http_fork+sanitized]", "c-http_fork"),
        ("suites/stream/test_bytes.py::test_c[python-echo_fork]", "python-echo_fork"),
        ("suites/accept/test_loop.py::test_a[target]", "suites/accept/test_loop.py::test_a[target]"),
        ("tests/test_html_browser.py::test_d[dark]", "tests/test_html_browser.py"),
        ("tests/test_tap.py::test_e", "tests/test_tap.py::test_e"),
        ("tests/test_tap.py::test_f[a[b]]", "tests/test_tap.py::test_f[a[b]]"),
    ],
)
def test_a_test_belongs_to_its_server(scheduler: Any, nodeid: str, group: str) -> None:
    assert scheduler._split_scope(nodeid) == group
