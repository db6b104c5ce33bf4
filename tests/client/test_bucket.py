"""`bindery push` and `pull`, past the server, to a bucket and from it."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path
from unittest import mock
from uuid import uuid4

import pytest

from app.client.outcome import Status
from tests.buckets import CREDENTIALS, make_bucket, s3_server
from tests.client.conftest import Bindery
from tests.journeys.server import Running

__all__ = ["s3_server"]

NAMES = ("--artifact", "firmware", "--version", "2.0.0", "--target", "portable")


def test_there_and_back(
    s3_server: str,
    bindery: Bindery,
    pem: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = f"bindery-{uuid4().hex}"
    make_bucket(s3_server, name)
    content = random.Random(name).randbytes(11_000_003)
    file = tmp_path / "firmware.bin"
    file.write_bytes(content)
    bucket = {"BINDERY_CONTENT": f"s3://{name}", "BINDERY_S3_ENDPOINT": s3_server}
    with mock.patch.dict(os.environ, CREDENTIALS):
        running = Running(tmp_path / "server", settings=bucket, fork=True)
        running.folder.mkdir()
        with running.started(running.create_key()) as place:
            monkeypatch.setenv("BINDERY_URL", place.url)
            monkeypatch.setenv("BINDERY_KEY", place.key)
            ran = bindery("push", file, *NAMES, "--sign", pem, "--wait", "--json")
            assert ran.status == Status.DONE, ran.err
            assert ran.json["hash"] == hashlib.sha256(content).hexdigest()
            assert (ran.json["state"], ran.json["parts"]) == ("SIGNED", 3)
            again = bindery("push", file, *NAMES, "--sign", pem, "--wait", "--json")
            assert (again.status, again.json["bytesSent"]) == (Status.DONE, 0)
            fetched = tmp_path / "fetched.bin"
            pulled = bindery("pull", *NAMES, "--output", fetched, "--json")
            assert pulled.status == Status.DONE, pulled.err
            assert fetched.read_bytes() == content
    assert not (running.folder / "data" / "blobs").exists()
