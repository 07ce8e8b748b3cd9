"""The HTML report in a real browser: Debian's chromium, told what to do through a pipe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ecr_publish.findings import Finding
from ecr_publish.gate import Ground
from ecr_publish.outcome import Outcome
from ecr_publish.report.page import page
from tests.factories import (
    make_finding,
    make_findings,
    make_judgement,
    make_outcome,
    make_package,
    make_verdict,
)

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")

COMMAND = (
    *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--no-first-run", "--remote-debugging-pipe"),
)


class Browser:
    """Chromium, asked by its DevTools protocol: JSON, ended by a zero byte each, on fd 3 and 4."""

    def __init__(self, profile: Path) -> None:
        """Args: profile: An empty folder."""
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
        self._process = subprocess.Popen(
            # Python's own start of a process may need 3 and 4 itself; bash moves ours there.
            [
                *("bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash"),
                *(*COMMAND, f"--user-data-dir={profile}"),
            ],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._out, self._in = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb")
        self._numbers = count(1)
        self._buffer = b""
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Ask for something and wait for the answer; what happens meanwhile goes to `events`."""
        number = next(self._numbers)
        asked = {"id": number, "method": method, "params": params}
        asked |= {"sessionId": session} if session else {}
        self._out.write(json.dumps(asked).encode() + b"\0")
        self._out.flush()
        while (message := self._message()).get("id") != number:
            self.events.append(message)
        assert "error" not in message, message
        result: dict[str, Any] = message["result"]
        return result

    def wait_for(self, method: str, session: str) -> None:
        """Read events until this one has come."""
        while not any(
            (event["method"], event["sessionId"]) == (method, session)
            for event in self.events
            if "sessionId" in event
        ):
            self.events.append(self._message())

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            read = os.read(self._in.fileno(), 1 << 20)
            assert read, "chromium has ended"
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        decoded: dict[str, Any] = json.loads(message)
        return decoded

    def close(self) -> None:
        """End chromium."""
        self.call("Browser.close")
        self._process.wait(timeout=20)
        self._out.close()
        self._in.close()


class Tab:
    """A page that is open."""

    def __init__(self, browser: Browser, address: str, *, script: bool = True) -> None:
        """Args: address: Of the page. script: Whether scripts may run."""
        self._browser, self.address = browser, address
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.call("Page.navigate", url=address)
        browser.wait_for("Page.loadEventFired", self._session)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask something of this page."""
        return self._browser.call(method, self._session, **params)

    def run(self, expression: str) -> Any:
        """The value of an expression of JavaScript in the page."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def events(self, *methods: str) -> list[dict[str, Any]]:
        """What has happened in this page."""
        mine = [event for event in self._browser.events if event.get("sessionId") == self._session]
        return [event["params"] for event in mine if event["method"] in methods]

    @property
    def requests(self) -> list[str]:
        """What it has asked for, the page itself apart."""
        asked = [event["request"]["url"] for event in self.events("Network.requestWillBeSent")]
        return [address for address in asked if address != self.address]

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """What stands in its console, and what its policy has blocked."""
        said = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return self.events(*said, "Audits.issueAdded")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One for all tests: it takes a second to start."""
    chromium = Browser(tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.close()


Opened = Callable[..., Tab]


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """Opens the page of an outcome from the disk; at the end it must have been a quiet one."""
    tabs: list[Tab] = []

    def opens(outcome: Outcome, **over: Any) -> Tab:
        path = tmp_path / f"{len(tabs)}.html"
        path.write_text("".join(page(outcome)), encoding="utf-8")
        tabs.append(Tab(browser, path.as_uri(), **over))
        return tabs[-1]

    yield opens
    for tab in tabs:
        assert tab.requests == []
        assert tab.complaints == []


def judged(*findings: Finding, **grounds: Ground) -> Outcome:
    """Findings that are below the threshold, or have the ground that is given for their name."""
    judgements = tuple(
        make_judgement(item, ground=grounds.get(item.name, Ground.BELOW_THRESHOLD))
        for item in findings
    )
    return make_outcome(verdict=make_verdict(judgements=judgements))


ROWS = "[...document.querySelectorAll('#findings tbody tr')].filter(row => row.checkVisibility())"
NAMES = f"{ROWS}.map(row => row.cells[1].textContent)"
SHOWN = "document.getElementById('shown').textContent"


def press(tab: Tab, button: str) -> None:
    """Press the button that is named so."""
    named = (
        f"[...document.querySelectorAll('button')].find(each => each.textContent === {button!r})"
    )
    tab.run(f"{named}.click()")


def choose(tab: Tab, field: str, value: str) -> None:
    """Write into a field of the filters, or choose from it, as a user does."""
    field = f"document.getElementById('filters').elements.{field}"
    tab.run(
        f"{field}.value = {value!r}, {field}.dispatchEvent(new Event('input', {{bubbles: true}}))"
    )


THREE = (
    make_finding("CVE-2024-10", "HIGH", packages=(make_package(name="zlib"),), score=7.5),
    make_finding("CVE-2024-9", "LOW", packages=(make_package(name="curl"),), score=10.0),
    make_finding("CVE-2023-1", "UNTRIAGED", packages=(make_package(name="musl"),)),
)


@pytest.mark.parametrize(
    ("column", "once", "twice"),
    [
        ("Severity", ["2023-1", "2024-9", "2024-10"], ["2024-10", "2024-9", "2023-1"]),
        ("Finding", ["2023-1", "2024-9", "2024-10"], ["2024-10", "2024-9", "2023-1"]),
        ("Package", ["2024-9", "2023-1", "2024-10"], ["2024-10", "2023-1", "2024-9"]),
        # The higher the worse, and what is not known is last either way.
        ("CVSS", ["2024-9", "2024-10", "2023-1"], ["2024-10", "2024-9", "2023-1"]),
    ],
)
def test_sort__by_column(opened: Opened, column: str, once: list[str], twice: list[str]) -> None:
    tab = opened(judged(*THREE))
    for names, first in ((once, True), (twice, False)):
        press(tab, column)
        assert tab.run(NAMES) == [f"CVE-{name}" for name in names]
        downwards = (column == "CVSS") is first or (column == "Severity" and not first)
        marks = tab.run("[...document.querySelectorAll('[aria-sort]')].map(e => e.ariaSort)")
        assert marks == ["descending" if downwards else "ascending"]


def test_sort__is_possible_by_each_column_with_the_keyboard(opened: Opened) -> None:
    tab = opened(judged(*THREE))
    heads = "[...document.querySelectorAll('#findings thead th')]"
    assert tab.run(f"{heads}.every(head => head.firstChild.matches('button:enabled'))")
    tab.run(f"{heads}[2].firstChild.focus()")
    for kind in ("rawKeyDown", "char", "keyUp"):
        tab.call(
            "Input.dispatchKeyEvent", type=kind, key="Enter", text="\r", windowsVirtualKeyCode=13
        )
    assert tab.run(NAMES) == ["CVE-2024-9", "CVE-2023-1", "CVE-2024-10"]


def test_filter__by_severity(opened: Opened) -> None:
    tab = opened(judged(*THREE))
    tab.run("document.querySelector('[value=LOW]').click()")
    assert tab.run(NAMES) == ["CVE-2024-10", "CVE-2023-1"]
    assert tab.run(SHOWN) == "Showing 2 of 2 that match, of 3 findings"


@pytest.mark.parametrize("text", ["2024-9", "CURL", " curl 3.0 "])
def test_filter__by_text(opened: Opened, text: str) -> None:
    tab = opened(judged(*THREE))
    choose(tab, "text", text)
    assert tab.run(NAMES) == ["CVE-2024-9"]


def test_filter__by_ground(opened: Opened) -> None:
    tab = opened(
        judged(*THREE, **{"CVE-2024-10": Ground.AT_THRESHOLD, "CVE-2023-1": Ground.IGNORED})
    )
    seen = {}
    for label in tab.run("[...document.querySelectorAll('option')].map(each => each.label)"):
        value = tab.run(
            f"[...document.querySelectorAll('option')].find(e => e.label === {label!r}).value"
        )
        choose(tab, "ground", value)
        seen[label] = tab.run(NAMES)
    high, low, unknown = (finding.name for finding in THREE)
    assert seen == {
        "all": [high, low, unknown],
        "all that refuses": [high],
        "all that is allowed": [low, unknown],
        "at or above the threshold high": [high],
        "below the threshold high": [low],
        "ignored by the policy": [unknown],
    }


def test_filter__clear_brings_all_back(opened: Opened) -> None:
    tab = opened(judged(*THREE))
    choose(tab, "text", "no such thing")
    assert tab.run(NAMES) == []
    press(tab, "Clear")
    tab.run("new Promise(setTimeout)")
    assert tab.run(f"{ROWS}.length") == 3
    assert tab.run(SHOWN) == "3 findings"


def test_filter__enter_sends_nothing(opened: Opened) -> None:
    tab = opened(judged(*THREE))
    tab.run("document.getElementById('filters').requestSubmit()")
    assert tab.run(f"{ROWS}.length") == 3


def test_chunks__many_rows_come_when_they_are_asked_for(opened: Opened) -> None:
    tab = opened(judged(*make_findings(high=1500)))
    assert tab.run(f"{ROWS}.length") == 200
    assert tab.run(SHOWN) == "Showing 200 of 1,500 findings"
    press(tab, "Show more")
    assert tab.run(f"{ROWS}.length") == 1200
    press(tab, "Show all")
    assert tab.run(SHOWN) == "1,500 findings"


def test_print__has_all_rows_and_then_as_many_as_before(opened: Opened) -> None:
    tab = opened(judged(*make_findings(high=300)))
    tab.run("dispatchEvent(new Event('beforeprint'))")
    assert tab.run(f"{ROWS}.length") == 300
    tab.run("dispatchEvent(new Event('afterprint'))")
    assert tab.run(f"{ROWS}.length") == 200


def test_many_findings__are_filtered_and_sorted_without_a_wait(opened: Opened) -> None:
    tab = opened(judged(*make_findings(high=5000, low=5000)))
    spent = tab.run(
        "(() => { const start = performance.now();"
        " document.querySelector('[value=HIGH]').click();"
        " document.querySelectorAll('#findings thead button')[1].click();"
        " document.body.offsetHeight; return performance.now() - start; })()"
    )
    assert tab.run(SHOWN) == "Showing 200 of 5,000 that match, of 10,000 findings"
    assert spent < 2000  # milliseconds; 150 on a machine with nothing else to do


def test_without_scripts__all_is_there_and_nothing_that_does_not_work(opened: Opened) -> None:
    # To look at the page needs a script itself, so the tree is asked instead.
    tab = opened(judged(*make_findings(high=300)), script=False)
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in nodes if not node["ignored"]]
    assert roles.count("rowheader") >= 300
    assert not {"button", "searchbox", "checkbox"} & {*roles}


def test_copy__takes_the_image(opened: Opened, browser: Browser) -> None:
    outcome = judged()
    tab = opened(outcome)
    press(tab, "Copy")
    assert tab.run("getSelection().toString()") == outcome.image


HOSTILE = "</script></style><img src=x onerror=document.title='hacked'><script>alert(1)</script>"


def test_hostile_text__stays_text(opened: Opened) -> None:
    package = make_package(name=HOSTILE, version=HOSTILE, fixed_in=HOSTILE, path=HOSTILE)
    tab = opened(
        judged(make_finding(HOSTILE, HOSTILE, packages=(package,), uri=f"javascript:{HOSTILE}"))
    )
    press(tab, "Package")
    assert tab.run("document.querySelectorAll('img, script').length") == 1
    assert tab.run(NAMES) == [HOSTILE]


def test_policy__runs_no_script_and_loads_nothing_that_is_not_the_pages_own(
    browser: Browser, tmp_path: Path
) -> None:
    """What the escaping keeps out would not run either: tag after tag is put into the page."""
    path = tmp_path / "broken.html"
    script = "<script>document.title = 'hacked'</script>"
    tags = f"{script}<img src='https://e.example/x' onerror='alert(1)'>"
    text = "".join(page(judged()))
    path.write_text(text.replace("<main>", f"<main>{tags}"), encoding="utf-8")
    tab = Tab(browser, path.as_uri())
    assert tab.run("document.title").startswith("Passed: ")
    assert len(tab.complaints) >= 2


@pytest.mark.parametrize("width", [380, 1000, 1600])
def test_layout__needs_no_sideways_scrolling(opened: Opened, width: int) -> None:
    name = "a-package-with-a-long-name" * 10
    package = make_package(name=name, version=name, fixed_in=name, path=name)
    tab = opened(
        judged(*THREE, make_finding(name, packages=(package,), platforms=("linux/arm64",)))
    )
    tab.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=800,
        deviceScaleFactor=1,
        mobile=False,
    )
    assert tab.run("document.documentElement.scrollWidth") <= width
