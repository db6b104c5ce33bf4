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
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from app.settings import Settings
from app.storage.bucket import Location

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
