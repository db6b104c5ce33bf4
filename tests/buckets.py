"""The S3 of the tests: moto's server, in a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from app.settings import Settings
from app.storage.location import Location

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "not-secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 of this session alone, in memory."""
    with serving() as address:
        yield address


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """The address of an S3 in memory, for as long as the block lasts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env={**os.environ, "MOTO_ALLOW_NONEXISTENT_REGION": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(address, process)
        yield address
    finally:
        process.kill()
        process.wait()


Quiet = Callable[[], contextlib.AbstractContextManager[str]]
"""Makes the address of a store that says nothing."""


@contextlib.contextmanager
def accepting() -> Iterator[str]:
    """The address of what takes connections and requests, and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def dropping() -> Iterator[str]:
    """The address of what drops packets, as a firewall does: the queue of its listener is full."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        while _is_taken(stack.enter_context(socket.socket()), address):
            pass
        yield f"http://127.0.0.1:{address[1]}"


def _is_taken(client: socket.socket, address: tuple[str, int]) -> bool:
    client.settimeout(0.5)
    try:
        client.connect(address)
    except TimeoutError:
        return False
    return True


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError("moto's server did not start.")


@pytest.fixture
def location(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Location:
    """A new bucket, with the credentials for it in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    name = f"bindery-{uuid4().hex}"
    make_bucket(s3_server, name)
    return Location.of(f"s3://{name}/content", endpoint=s3_server)


@pytest.fixture(name="settings")
def through_bucket(settings: Settings, location: Location) -> Settings:
    """The settings of a server that keeps its content in the bucket, and sends it there itself."""
    return replace(
        settings,
        content=f"s3://{location.bucket}/content",
        s3_endpoint=location.endpoint,
        s3_direct=False,
    )


def make_bucket(address: str, name: str, *, locked: bool = False) -> None:
    """Makes a bucket, by the one request that needs no signature here."""
    request = urllib.request.Request(f"{address}/{name}", method="PUT")
    if locked:
        request.add_header("x-amz-bucket-object-lock-enabled", "true")
    with urllib.request.urlopen(request, timeout=10):
        pass
