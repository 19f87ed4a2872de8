"""A real Chromium without a window, spoken to over a pipe (its DevTools protocol): pages are opened and used in tests.

`MAGENT_TEST_BROWSER` names the program; else it is looked for on the PATH. `.ci/run` installs Debian's where there is
none.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--remote-debugging-pipe",
)  # fmt: skip
# The browser reads its descriptor 3 and writes to 4.
_AS_3_AND_4 = """\
import fcntl, os, sys
pair = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for number, place in zip(pair, (3, 4)):
    os.dup2(number, place)
os.execvp(sys.argv[3], sys.argv[3:])
"""
_KEYS = {"/": ("Slash", "/"), "Tab": ("Tab", ""), "Enter": ("Enter", "\r"), "Escape": ("Escape", "")}


def program() -> str | None:
    return os.environ.get("MAGENT_TEST_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One process. Commands go out on one pipe, answers and events come in on another, each ended by a NUL."""

    def __init__(self, command: str) -> None:
        self.home = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        to_child, self._out = os.pipe()
        self._in, from_child = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", _AS_3_AND_4, str(to_child), str(from_child), command, *_FLAGS,
             f"--user-data-dir={self.home.name}", "about:blank"],
            pass_fds=(to_child, from_child), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, "HOME": self.home.name},
        )  # fmt: skip
        os.close(to_child)
        os.close(from_child)
        self._left = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **values: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": values}
        message |= {"sessionId": session} if session else {}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def wait(self, method: str, session: str) -> None:
        while not any(each.get("method") == method and each.get("sessionId") == session for each in self.events):
            self.events.append(self._read())

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            part = os.read(self._in, 1 << 20)
            assert part, "the browser is gone"
            self._left += part
        whole, _, self._left = self._left.partition(b"\0")
        message: dict[str, Any] = json.loads(whole)
        return message

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._out)
        os.close(self._in)
        self.home.cleanup()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Page:
    """A tab. `requests` are the addresses that it asked for, `said` what its console and its security policy told."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session: str = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.target = target
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **values)

    def look(self, width: int, height: int = 900, *, dark: bool = False, script: bool = True) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.call("Emulation.setScriptExecutionDisabled", value=not script)

    def open(self, file: Path) -> None:
        self.browser.events.clear()
        self.call("Page.navigate", url=file.resolve().as_uri())
        self.browser.wait("Page.loadEventFired", self.session)

    @property
    def requests(self) -> list[str]:
        return [params["request"]["url"] for params in self._told("Network.requestWillBeSent")]

    @property
    def said(self) -> list[str]:
        logged = [str(params["entry"]["text"]) for params in self._told("Log.entryAdded")]
        return logged + [str(params) for params in self._told("Runtime.exceptionThrown")]

    def _told(self, method: str) -> Iterator[Mapping[str, Any]]:
        return (each["params"] for each in self.browser.events if each.get("method") == method)

    def evaluate(self, script: str) -> Any:
        values = {"expression": script, "returnByValue": True, "awaitPromise": True}
        answer = self.call("Runtime.evaluate", **values)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        code, text = _KEYS[key]
        values = {
            "key": key,
            "code": code,
            "windowsVirtualKeyCode": {"Tab": 9, "Enter": 13, "Escape": 27}.get(key, 191),
        }
        self.call("Input.dispatchKeyEvent", type="keyDown", **values, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **values)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def picture(self, *, whole: bool = True) -> bytes:
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **self._clip(whole))
        return base64.b64decode(answer["data"])

    def _clip(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 8000), "scale": 1}}

    def pdf(self) -> bytes:
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def close(self) -> None:
        self.browser.call("Target.closeTarget", targetId=self.target)


@contextmanager
def opened(browser: Browser, file: Path, width: int = 1280, **how: bool) -> Iterator[Page]:
    """The page of a file, in a window so wide."""
    page = Page(browser)
    page.look(width, **how)
    page.open(file)
    yield page
    page.close()
