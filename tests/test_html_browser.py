"""The HTML report in a browser: it runs without a complaint, and its controls do what they say."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gatecrash.diagrams import diagram
from gatecrash.model.contract import Contract
from gatecrash.model.prepared import Prepared
from gatecrash.model.scenario import Close, Connect, HalfClose, Receive, Send, Settle, scenario
from gatecrash.model.transcript import Connected, Ended, Got, Sent, Transcript
from gatecrash.model.verdicts import Difference, Finding, Verdict
from gatecrash.reports import html_report
from gatecrash.reproduction import script
from gatecrash.results.record import JudgedRule, RunRecord
from gatecrash.rulebook import load

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is a development dependency")
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs Debian's packages chromium and chromium-driver")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SENT = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nox"
PLAYED = scenario(
    Connect("A"), Send("A", SENT), Receive("A"), Connect("B"), Send("B", SENT), HalfClose("B"), Receive("B"),
    Close("A"), Settle("end"),
)  # fmt: skip
SEEN = Transcript(
    PLAYED,
    (
        Connected(0, "A"), Sent(1, "A", SENT, read=True, consumed=len(SENT)), Got(2, "A", ANSWER), Connected(3, "B"),
        Sent(4, "B", SENT, read=True, consumed=len(SENT)), Got(6, "B", ANSWER), Ended(6, "B", "FIN"),
    ),
)  # fmt: skip
FINDING = Finding(
    "RESP-02", "the same answer", "B got another </script>", ("seen",), Difference(ANSWER[:-1] + b"k", ANSWER, 38)
)


def record() -> RunRecord:
    """One broken rule, and others of every other verdict."""
    broken = Verdict("RESP-02", "fail", finding=FINDING, scenario=PLAYED, transcript=SEEN, confirmed=(3, 3))
    others = [
        Verdict("ACC-01", "pass"),
        Verdict("ACC-09", "pass"),
        Verdict("FORK-02", "not_applicable", reason="it does not fork"),
        Verdict("LIFE-02", "inconclusive", reason="patience ran out"),
    ]
    judged = tuple(JudgedRule(load().get(one.rule), one) for one in [broken, *others])
    prepared = Prepared("server.c", Contract(protocol="http", source="c"), {}, address="127.0.0.1:9157")
    return RunRecord("server.c", prepared, {}, judged, 1.0, "quick", named="server.c")


@contextmanager
def opened(profile: Path) -> Iterator[Any]:
    """A browser with a profile of its own, which ends with the block."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=str(DRIVER)))
    try:
        started.set_window_size(1200, 900)
        yield started
    finally:
        started.quit()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One browser, with the page in it."""
    folder = tmp_path_factory.mktemp("page")
    page = folder / "report.html"
    page.write_text(html_report.render(record()), encoding="utf-8")
    with opened(folder / "profile") as started:
        started.get(page.as_uri())
        yield started


def whole_script() -> str:
    """What `gatecrash repro` would write for the one failure."""
    (broken,) = record().broken
    prepared = record().prepared
    return script(broken.verdict, broken.rule, prepared.contract, "server.c", prepared.address)


def shown(browser: Any) -> list[str]:
    """The rules on the board that the filter leaves."""
    found: list[str] = browser.execute_script(
        "const there = rule => !rule.hidden && !rule.closest('[data-group]').hidden;"
        "return [...document.querySelectorAll('[data-rule]')].filter(there).map(rule => rule.dataset.rule)"
    )
    return found


def click(browser: Any, selector: str) -> None:
    """Press what the selector names."""
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


def test_it_loads_without_a_complaint_and_asks_nobody_for_anything(browser: Any) -> None:
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    assert browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)") == []


@pytest.mark.parametrize(
    ("by", "value", "left"),
    [
        ("verdict", "fail", {"RESP-02"}),
        ("verdict", "pass", {"ACC-01", "ACC-09"}),
        ("area", "fork", {"FORK-02"}),
        ("level", "MUST", None),
    ],
)
def test_a_filter_leaves_what_it_names(browser: Any, by: str, value: str, left: set[str] | None) -> None:
    everything = shown(browser)
    wanted = left if left is not None else {rule for rule in everything if load().get(rule).level == value}
    button = f'[data-by="{by}"][data-value="{value}"]'
    click(browser, button)
    assert set(shown(browser)) == wanted
    click(browser, button)
    assert shown(browser) == everything


def test_the_search_finds_words_of_a_rule(browser: Any) -> None:
    search = (
        "const field = document.querySelector('#search'); field.value = arguments[0];"
        "field.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    browser.execute_script(search, "does not fork")
    assert shown(browser) == ["FORK-02"]
    browser.execute_script(search, "no such words")
    assert shown(browser) == []
    browser.execute_script(search, "")
    assert len(shown(browser)) == 5


def test_the_theme_can_be_changed(browser: Any) -> None:
    colour = "return getComputedStyle(document.body).backgroundColor"
    before = browser.execute_script(colour)
    click(browser, "#theme")
    assert browser.execute_script(colour) != before
    click(browser, "#theme")
    assert browser.execute_script(colour) == before


def test_the_diagrams_lanes_are_those_of_the_transcript(browser: Any) -> None:
    drawn = browser.execute_script("return [...document.querySelectorAll('svg [data-lane]')].map(l => l.dataset.lane)")
    wanted = {lane.key for lane in diagram(SEEN, FINDING, "RESP-02").lanes}
    assert {"client:A", "client:B"} <= wanted
    assert set(drawn) == wanted


def test_the_script_is_a_download_and_the_command_can_be_copied(browser: Any) -> None:
    link = browser.execute_script("return document.querySelector('a[download]').href")
    assert link.startswith("data:text/")
    assert base64.b64decode(link.partition(",")[2], validate=True).decode() == whole_script()
    click(browser, ".copy")
    assert [entry["message"] for entry in browser.get_log("browser")] == []


@contextmanager
def screen(browser: Any, width: int, medium: str = "screen") -> Iterator[None]:
    """The page on a screen so wide, or on paper."""
    sizes = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sizes)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def visible(browser: Any, selector: str) -> bool:
    """Whether what the selector names takes room."""
    found: bool = browser.execute_script(
        "return document.querySelector(arguments[0]).getClientRects().length > 0", selector
    )
    return found


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_screen(browser: Any, width: int) -> None:
    with screen(browser, width):
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [360, 1200])
def test_a_picture_that_is_wider_than_its_box_says_so(browser: Any, width: int) -> None:
    wider = "const box = document.querySelector('.diagram'); return box.scrollWidth > box.clientWidth"
    shown = "return new Promise(done => setTimeout(() => requestAnimationFrame(() => done(true)), 50))"
    with screen(browser, width):
        browser.execute_script(shown)  # resize is told with the next frame
        assert visible(browser, ".scrolls") == browser.execute_script(wider) == (width == 360)


@pytest.mark.parametrize(
    ("width", "medium", "named"), [(360, "screen", False), (1200, "screen", True), (700, "print", True)]
)
def test_a_tile_is_named_where_there_is_room(browser: Any, width: int, medium: str, named: bool) -> None:
    with screen(browser, width, medium):
        assert visible(browser, "a.cell .name") == named


def test_what_paper_cannot_do_is_not_on_it(browser: Any) -> None:
    with screen(browser, 700, "print"):
        for selector in (".jump", ".loads", ".scrolls", "#filters", "#theme", ".copy"):
            assert not visible(browser, selector), selector
        assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"


def test_on_paper_everything_is_unfolded(browser: Any) -> None:
    closed = "return [...document.querySelectorAll('details')].filter(d => !d.open).length"
    assert browser.execute_script(closed) > 0
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script(closed) == 0
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert browser.execute_script(closed) > 0
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert printed.startswith(b"%PDF")
