"""A real Chromium, driven over its DevTools protocol; it needs the browser and nothing else."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

PATIENCE: Final = 60.0
"""Seconds for what takes one or two on an idle machine."""
_LOOK_AGAIN_SECONDS: Final = 0.1
_CLEAN = (
    "--headless",
    "--no-sandbox",  # Root has none; the only page that is opened is our own.
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    # Whatever the page or the browser asks for elsewhere has no address. The browser asks its maker
    # for this and that in spite of the above; it gets as far as this.
    "--host-resolver-rules=MAP elsewhere.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-proxy-server",
)

Json = dict[str, Any]


def installed() -> str | None:
    """The command of a Chromium on this machine."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Page:
    """One page: what it shows, what it logs, and a person's mouse and keys."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.logged: list[Json] = []
        """What the page and the browser wrote to the console, and exceptions, in order."""

    def open(self, address: str) -> None:
        """Opens an address in a window of 1280 × 800 and begins to listen."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        size = {"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        self._call("Page.navigate", url=address)

    def value(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Waits until an expression is true, or is something."""
        end = time.monotonic() + PATIENCE
        while not self.value(f"!!({expression})"):
            assert time.monotonic() < end, f"never came true: {expression}"
            time.sleep(_LOOK_AGAIN_SECONDS)

    def click(self, expression: str) -> None:
        """Clicks into the middle of an element, once it is there."""
        self.wait(expression)
        place = self.value(
            f"(() => {{ const box = ({expression}).getBoundingClientRect();"
            " return {x: box.x + box.width / 2, y: box.y + box.height / 2} })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def press(self, key: str, code: int, *, control: bool = False) -> None:
        """Presses and releases a key, by its name and its Windows key code."""
        held = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        for kind in ("rawKeyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, modifiers=2 * control, **held)

    def type(self, text: str) -> None:
        """Enters a text where the cursor is."""
        self._call("Input.insertText", text=text)

    def screenshot(self, path: Path) -> None:
        """Keeps what the window shows, as PNG."""
        shot = self._call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))

    def close_browser(self) -> None:
        """Ends the browser in good order, so that its log is complete."""
        self._session = None
        self._call("Browser.close")

    def _call(self, method: str, /, **params: Any) -> Json:
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        self._connection.send(
            json.dumps({"id": number, "method": method, "params": params, **session})
        )
        while True:
            message: Json = json.loads(self._connection.recv(timeout=PATIENCE))
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                result: Json = message["result"]
                return result
            if message.get("method") in (
                "Log.entryAdded",
                "Runtime.consoleAPICalled",
                "Runtime.exceptionThrown",
            ):
                self.logged.append(message["params"])


@contextlib.contextmanager
def browsing(command: str, folder: Path) -> Iterator[Page]:
    """A browser with an empty profile in a folder, and its page. `traffic` tells what it did."""
    profile = folder / "profile"
    with subprocess.Popen(
        [
            command,
            *_CLEAN,
            f"--user-data-dir={profile}",
            f"--log-net-log={folder / 'network.json'}",
            "--remote-debugging-port=0",
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            port, path = _door(profile, process)
            address = f"ws://127.0.0.1:{port}{path}"
            with connect(address, max_size=None, proxy=None, open_timeout=PATIENCE) as connection:
                page = Page(connection)
                yield page
                page.close_browser()
            process.wait(PATIENCE)
        finally:
            process.kill()


@dataclass(frozen=True)
class Request:
    """A URL that was asked for, by the page of an origin, its workers, or the browser itself."""

    initiator: str
    url: str


@dataclass(frozen=True)
class Traffic:
    """What the browser did on the network, by its own log."""

    requests: list[Request]
    connections: list[str]
    """Addresses and ports that it tried to connect to by TCP."""
    datagrams: int
    """How many it sent by UDP; connecting such a socket, to learn its route, sends none."""


def traffic(folder: Path) -> Traffic:
    """The traffic of a browser that was here, and is closed."""
    log = json.loads((folder / "network.json").read_text())
    types = log["constants"]["logEventTypes"]

    def told(name: str, fact: str) -> list[Json]:
        """What the events of a type tell, where they tell this fact; their end does not."""
        events = (event for event in log["events"] if event["type"] == types[name])
        return [event["params"] for event in events if fact in event.get("params", {})]

    return Traffic(
        requests=[
            Request(initiator=one["initiator"], url=one["url"])
            for one in told("URL_REQUEST_START_JOB", "url")
        ],
        connections=[one["address"] for one in told("TCP_CONNECT_ATTEMPT", "address")],
        datagrams=sum(event["type"] == types["UDP_BYTES_SENT"] for event in log["events"]),
    )


def _door(profile: Path, process: subprocess.Popen[bytes]) -> list[str]:
    """Port and path of the browser's DevTools, which it writes into its profile."""
    written = profile / "DevToolsActivePort"
    end = time.monotonic() + PATIENCE
    while not written.is_file() or len(written.read_text().splitlines()) < 2:
        assert process.poll() is None, f"Chromium ended with status {process.returncode}"
        assert time.monotonic() < end, "Chromium did not open its DevTools"
        time.sleep(_LOOK_AGAIN_SECONDS)
    return written.read_text().splitlines()
