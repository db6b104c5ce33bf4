"""A person in a real Chromium: opens `/`, enters the demo's key, and runs examples, offline."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest

from app.http import explorer
from tests.explorer import chromium
from tests.explorer.chromium import Page

BINDERY = Path(sys.executable).with_name("bindery")
REQUIRED = os.environ.get("BINDERY_BROWSER") == "required"
"""`make explorer-test` sets it: what is missing is then a failure."""

HEADERS: Final = (
    "document.querySelector('section[aria-label=Headers] .graphiql-editor:not(.hidden)')"
)
RUN: Final = "document.querySelector('.graphiql-execute-button')"
ANSWER: Final = "document.querySelector('.result-window .view-lines').innerText"
TAB: Final = "document.querySelector('.graphiql-tab-active').innerText.trim()"
SCHEMA_ASKED: Final = (
    "performance.getEntriesByType('resource').some("
    "one => new URL(one.name).pathname === '/graphql' && one.responseStatus === 200)"
)


@pytest.fixture(scope="module")
def browser() -> str:
    """The command of the browser. Without it, or without a build, the tests can only be skipped."""
    found = chromium.installed()
    missing = [
        *([] if found else ["Chromium (Debian package chromium) is not installed"]),
        *([] if explorer.BUILT.is_dir() else ["the explorer is not built (make explorer)"]),
    ]
    if missing:
        reason = f"NOT SHOWN in a browser: {' and '.join(missing)}"
        if REQUIRED:
            pytest.fail(reason)
        pytest.skip(reason)
    assert found is not None
    return found


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[tuple[str, str]]:
    """Address and key of a server with the demo's data."""
    with subprocess.Popen(
        [BINDERY, "serve", "--demo", "--port", "0", "--data", folder],
        env={**os.environ, "BINDERY_ACCESS_LOG": "false"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip().removeprefix("Bindery serves on ")
            key = process.stdout.readline().strip().removeprefix("Demo key (ADMIN): ")
            yield address.removesuffix("graphql"), key
        finally:
            process.kill()


def test_a_person_runs_examples(browser: str, tmp_path: Path) -> None:
    with _served(tmp_path / "data") as (address, key):
        with chromium.browsing(browser, tmp_path) as page:
            page.open(address)
            _enter(page, key)
            _run_first(page)
            _run_from_menu(page, "Why a device gets its update", shows="trace")
            assert page.value(TAB) == "WhyThisUpdate"
            _keep(page, tmp_path)
            _follow(page, address, key)
        complaints = [one for one in page.logged if not _is_harmless(one)]
    assert complaints == []
    _check_requests(tmp_path, address)


def test_the_address_that_is_printed_brings_the_key(browser: str, tmp_path: Path) -> None:
    """From the terminal to an answer in two clicks; the key does not stay in the address."""
    profile = tmp_path / "profile"
    with (
        _served(tmp_path / "data") as (address, key),
        chromium.browsing(browser, tmp_path) as page,
    ):
        page.open(f"{address}#key={key}")
        page.wait(SCHEMA_ASKED)
        assert page.value("location.href") == address
        _run_first(page)
        _run_from_menu(page, "Why a device gets its update", shows="trace")
        # Another visit finds these tabs again, and brings the key anew.
        page.open(f"{address}#key={key}")
        page.wait(SCHEMA_ASKED)
        page.click(RUN)
        page.wait(f"{ANSWER}.includes('trace')")
        # The history brings an operation back without its key, and runs it with the page's.
        page.click("document.querySelector('button[aria-label=\"Show History\"]')")
        page.click(
            "[...document.querySelectorAll('.graphiql-history-item-label')]"
            ".find(one => one.innerText.includes('Binaries'))"
        )
        page.wait(f"{TAB} === 'Binaries'")
        page.click(RUN)
        page.wait(f"{ANSWER}.includes('totalCount')")
        # A server that is not of this machine takes no key from a link that anybody may have sent.
        page.open(f"{address.replace('127.0.0.1', 'elsewhere.test')}#key={key}")
        page.wait(f"{HEADERS}?.innerText.includes('Bearer')")
        assert page.value("location.hash") == f"#key={key}"
        assert key not in page.value(f"{HEADERS}.innerText")
    stored = [one for one in profile.rglob("Local Storage/**/*") if one.is_file()]
    assert any(b"graphiql:queries" in one.read_bytes() for one in stored)
    assert not any(key.encode() in one.read_bytes() for one in stored)


def _enter(page: Page, key: str) -> None:
    """Puts the key into the headers, before the quote that ends their one line."""
    page.click(f"{HEADERS}?.querySelectorAll('.view-line')[1]")
    page.press("End", 35)
    page.press("ArrowLeft", 37)
    page.type(key)
    page.wait(f"{HEADERS}.innerText.includes({key!r})")
    # With the key the page asks for the schema, by itself.
    page.wait(SCHEMA_ASKED)


def _run_first(page: Page) -> None:
    assert page.value(TAB) == "Binaries"
    page.click(RUN)
    page.wait(f"{ANSWER}.includes('totalCount')")
    assert '"errors"' not in page.value(ANSWER)


def _open_from_menu(page: Page, title: str) -> None:
    """Opens an example in a new tab, which takes the key along."""
    page.click("document.querySelector('button[aria-label=Examples]')")
    page.click(
        "[...document.querySelectorAll('[role=menuitem]')]"
        f".find(one => one.innerText === {title!r})"
    )


def _run_from_menu(page: Page, title: str, *, shows: str) -> None:
    """Opens an example, and runs it at once."""
    _open_from_menu(page, title)
    page.click(RUN)
    page.wait(f"{ANSWER}.includes({shows!r})")
    assert '"errors"' not in page.value(ANSWER)


def _follow(page: Page, address: str, key: str) -> None:
    """Subscribes, which goes over a WebSocket with the same key, and sees what another does."""
    _open_from_menu(page, "Follow what is done")
    page.click(RUN)
    # Names of artifacts are not unique, so that each of these is an event.
    create = 'mutation { createArtifact(input: {name: "model"}) { artifact { id } } }'
    end = time.monotonic() + chromium.PATIENCE
    # Nothing tells when the subscription has begun, so there are more events until one arrives.
    while "eventRecorded" not in page.value(ANSWER):
        assert time.monotonic() < end
        done = httpx.post(
            f"{address}graphql", headers={"authorization": f"Bearer {key}"}, json={"query": create}
        )
        assert done.status_code == 200
        time.sleep(0.5)


def _keep(page: Page, folder: Path) -> None:
    """Keeps a picture where the caller of the tests looks for one."""
    kept = Path(os.environ.get("BINDERY_ARTIFACTS") or folder)
    kept.mkdir(parents=True, exist_ok=True)
    page.screenshot(kept / "explorer.png")


def _is_harmless(logged: chromium.Json) -> bool:
    """Whether it is GraphiQL's own notice of the workers that it starts."""
    first = (logged.get("args") or [{}])[0]
    return logged.get("type") == "info" and first.get("value") == "setup-workers/vite"


def _check_requests(folder: Path, address: str) -> None:
    """Nothing left the machine, and what the page asked for, it asked of the server."""
    traffic = chromium.traffic(folder)
    origin = address.removesuffix("/")
    server = urlsplit(address).netloc
    asked = [urlsplit(one.url) for one in traffic.requests if one.initiator == origin]
    assert {url.netloc for url in asked} == {server}
    assert {url.scheme for url in asked} == {"http", "ws"}
    # What was certainly asked for is in the log, so it is the right one.
    parts = {url.path.split("-")[0] for url in asked}
    assert {"/graphql", "/explorer/index", "/explorer/graphql.worker"} <= parts
    assert set(traffic.connections) == {server}
    assert traffic.datagrams == 0
