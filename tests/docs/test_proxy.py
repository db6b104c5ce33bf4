"""The example for nginx, before a real server: bytes, events and sockets go through it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.docs.pages import ROOT
from tests.journeys.checks import within
from tests.journeys.server import Running, free_port

EXAMPLE = ROOT / "examples" / "nginx" / "bindery.conf"
NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
AROUND = """
daemon off; pid nginx.pid; error_log stderr; worker_processes 1;
events {{}}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  {example}
}}
"""
CREATE = 'mutation { createArtifact(input: {name: "model"}) { errors { message } } }'
FOLLOW = "subscription { eventRecorded { kind } }"


@dataclass(frozen=True)
class Proxied:
    """A server as it is reached through nginx."""

    url: str
    key: str
    certificate: Path
    folder: Path

    @property
    def trust(self) -> ssl.SSLContext:
        """What believes nginx's certificate."""
        return ssl.create_default_context(cafile=self.certificate)

    def http(self) -> httpx.AsyncClient:
        """A client with the key."""
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(
            base_url=self.url, verify=self.trust, headers=headers, trust_env=False, timeout=30
        )

    def bindery(self, *arguments: str | Path) -> dict[str, Any]:
        """What a command of the client tells as JSON."""
        about = {
            "BINDERY_URL": self.url,
            "BINDERY_KEY": self.key,
            "SSL_CERT_FILE": str(self.certificate),
            "NO_PROXY": "localhost",
        }
        ran = subprocess.run(
            [Path(sys.executable).with_name("bindery"), *arguments, "--json"],
            cwd=self.folder,
            env={**os.environ, **about},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        told: dict[str, Any] = json.loads(ran.stdout)
        return told


def _certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@contextlib.contextmanager
def _nginx(folder: Path, *changes: tuple[str, str]) -> Iterator[None]:
    """The example with some of its words changed, each of which it must have."""
    text = EXAMPLE.read_text(encoding="utf-8")
    for word, other in changes:
        assert text.count(word) == 1
        text = text.replace(word, other)
    (folder / "nginx.conf").write_text(AROUND.format(example=text))
    assert NGINX is not None
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([NGINX, "-p", str(folder), "-c", "nginx.conf"], stderr=log) as process,
    ):
        try:
            yield
        finally:
            process.terminate()


def _listens(port: int) -> bool | None:
    with socket.socket() as probe:
        return True if probe.connect_ex(("127.0.0.1", port)) == 0 else None


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    if NGINX is None:
        pytest.skip("NOT SHOWN: nginx is not here (Debian package nginx-light)")
    folder = tmp_path_factory.mktemp("proxied")
    certificate, key = _certificate(folder)
    port = free_port()
    url = f"https://localhost:{port}"
    settings = {"BINDERY_PUBLIC_URL": url, "BINDERY_TRUSTED_PROXIES": "127.0.0.1"}
    running = Running(folder, settings=settings, fork=True)
    with (
        running.started(running.create_key()) as place,
        _nginx(
            folder,
            ("443", f"127.0.0.1:{port}"),
            ("server_name bindery.example;", "server_name localhost;"),
            ("/etc/ssl/bindery.example.pem", str(certificate)),
            ("/etc/ssl/private/bindery.example.key", str(key)),
            ("http://127.0.0.1:8000", place.url),
        ),
    ):
        within(30, "nginx's start", lambda: _listens(port), pause=0.05)
        yield Proxied(url, place.key, certificate, folder)


async def test_content_goes_through_by_links_that_lead_back(proxied: Proxied) -> None:
    # One part of this has more than the 1 MiB that nginx takes by itself.
    content = os.urandom(6 << 20)
    (proxied.folder / "in.bin").write_bytes(content)
    names = ("--artifact", "firmware", "--version", "1.0.0", "--target", "portable")
    pem = proxied.folder / "release.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(pem)], check=True)
    pushed = proxied.bindery("push", "in.bin", *names, "--sign", pem)
    assert (pushed["state"], pushed["bytesSent"]) == ("SIGNED", len(content))
    pulled = proxied.bindery("pull", *names, "--output", "out.bin")
    assert pulled["hash"] == pushed["hash"]
    assert (proxied.folder / "out.bin").read_bytes() == content
    async with proxied.http() as http:
        query = "{ binaries(first: 1) { nodes { downloadUrl } } }"
        answer = (await http.post("/graphql", json={"query": query})).json()
    (found,) = answer["data"]["binaries"]["nodes"]
    assert found["downloadUrl"].startswith(f"{proxied.url}/")


async def test_events_come_as_they_are_recorded(proxied: Proxied) -> None:
    headers = {"accept": "text/event-stream"}
    async with proxied.http() as http, asyncio.timeout(30):
        told = _told(http, headers)
        create = asyncio.create_task(_creating(http))
        assert '"artifact.create"' in await anext(aiter(told))
        create.cancel()


async def _told(http: httpx.AsyncClient, headers: dict[str, str]) -> AsyncIterator[str]:
    async with http.stream("POST", "/graphql", json={"query": FOLLOW}, headers=headers) as answer:
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                yield line


async def _creating(http: httpx.AsyncClient) -> None:
    """Makes events until somebody has heard one: nothing tells when the listening has begun."""
    while True:
        await http.post("/graphql", json={"query": CREATE})
        await asyncio.sleep(0.2)


async def test_a_socket_goes_through(proxied: Proxied) -> None:
    async with (
        proxied.http() as http,
        asyncio.timeout(30),
        connect(
            proxied.url.replace("https", "wss") + "/graphql",
            ssl=proxied.trust,
            subprotocols=[Subprotocol("graphql-transport-ws")],
            proxy=None,
        ) as news,
    ):
        payload = {"authorization": f"Bearer {proxied.key}"}
        await news.send(json.dumps({"type": "connection_init", "payload": payload}))
        assert json.loads(await news.recv())["type"] == "connection_ack"
        asked = {"id": "1", "type": "subscribe", "payload": {"query": FOLLOW}}
        await news.send(json.dumps(asked))
        create = asyncio.create_task(_creating(http))
        assert json.loads(await news.recv())["type"] == "next"
        create.cancel()


async def test_nobody_is_local_who_comes_through(proxied: Proxied) -> None:
    async with proxied.http() as http:
        del http.headers["authorization"]
        assert (await http.get("/metrics")).status_code == 401
