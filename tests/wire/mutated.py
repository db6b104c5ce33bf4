"""S5: requests to every route with some bytes changed, sent to a real server.

Whatever arrives, the server answers or closes in time, with no failure, and tells nothing of its
inside.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg
import httpx

from tests.api import Api
from tests.journeys.server import Place, Running
from tests.soak.turn import Turn
from tests.suites.answers import inside_told, wrong_errors, wrong_status
from tests.suites.stage import DATABASES, postgres
from tests.wire.changes import changed
from tests.wire.requests import CONTENT, Links, requests

BLOCK: Final = 1000
"""Cases on one server; then comes a fresh one, on the other database."""
AT_ONCE: Final = 100
HANG_SECONDS: Final = 20.0
"""After which a server that has neither answered nor closed hangs: its deadlines are shorter."""
SILENCE_SECONDS: Final = 0.4
"""After which an answer that has begun is taken for whole."""

_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)\r\n")
_NOTED: Final = 300
"""Bytes of a request that a finding shows."""


def play(turn: Turn) -> None:
    """Plays the turn's cases, block by block."""
    with postgres() as address:
        while not turn.over:
            kind = DATABASES[turn.next // BLOCK % len(DATABASES)]
            with tempfile.TemporaryDirectory(prefix="bindery-mutated-") as folder:
                url = asyncio.run(_database(address)) if kind == "postgres" else None
                _block(turn, kind, Running(Path(folder), url))


async def _database(address: Callable[[], str]) -> str:
    name = f"mutated_{uuid4().hex}"
    connection = await asyncpg.connect(address())
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return urllib.parse.urlsplit(address())._replace(path=f"/{name}").geturl()


def _block(turn: Turn, kind: str, running: Running) -> None:
    first = turn.next
    with running.started(running.create_key()) as place:
        asyncio.run(_cases(turn, kind, place))
        if httpx.get(f"{place.url}/health/ready", trust_env=False).status_code != 200:
            turn.find(first, f"{kind}: the server is not ready after a block from here")
    for line in running.log.splitlines():
        if "Traceback" in line or "Exception" in line:
            turn.find(first, f"{kind}: its log tells of a failure in a block from here: {line}")
            break


async def _cases(turn: Turn, kind: str, place: Place) -> None:
    async with httpx.AsyncClient(base_url=place.url, trust_env=False) as http:
        links = await _links(Api(http, place.key))
    whole = requests(place.key, links)
    free = asyncio.Semaphore(AT_ONCE)

    async def play_one(number: int) -> None:
        chance = turn.random(number)
        sent = changed(chance.choice(whole), [one.head for one in whole], chance)
        async with free:
            for problem in await problems(place, sent):
                turn.find(number, f"{kind}: {problem}\n{sent[:_NOTED]!r}")

    numbers = list(turn.cases(BLOCK - turn.next % BLOCK))
    await asyncio.gather(*map(play_one, numbers))


async def _links(api: Api) -> Links:
    """A link to upload a part again and again, and one to download by."""
    version = await api.version()
    made = await api.binary(version, CONTENT, "a-b")
    signed = await api.reach("SIGNED", version, CONTENT, "portable")
    found = await api.ask("query($id: ID!) { binary(id: $id) { downloadUrl } }", id=signed)
    return Links(made["parts"][0]["uploadUrl"], found["binary"]["downloadUrl"])


async def problems(place: Place, sent: bytes) -> list[str]:
    """What is wrong with what a server makes of some bytes."""
    try:
        got = await asyncio.wait_for(exchanged(place.url, sent), HANG_SECONDS)
    except TimeoutError:
        return [f"neither answered nor closed within {HANG_SECONDS:.0f} s"]
    text = got.decode("utf-8", "replace")
    found = [wrong_status(int(status)) for status in _STATUS.findall(got)]
    found.append(inside_told(text, sent.decode("utf-8", "replace")))
    found.append(_wrong_refusal(got, sent))
    return [problem for problem in found if problem]


def _wrong_refusal(got: bytes, sent: bytes) -> str:
    """What is wrong with the one answer of a refused request; or nothing, where that is not it."""
    head, _, body = got.partition(b"\r\n\r\n")
    status, length = _STATUS.findall(got), _LENGTH.search(head + b"\r\n")
    if len(status) != 1 or int(status[0]) < 400 or length is None or len(body) != int(length[1]):
        return ""
    # A handshake is answered by the rules of WebSockets, and HEAD without a body.
    if not body or b"upgrade" in sent.lower():
        return ""
    return wrong_errors(body.decode("utf-8", "replace"))


async def exchanged(url: str, sent: bytes) -> bytes:
    """What a server answers to some bytes, until it closes or says no more."""
    found = urllib.parse.urlsplit(url)
    reader, writer = await asyncio.open_connection(found.hostname, found.port)
    got = bytearray()
    try:
        writer.write(sent)
        while True:
            begun = b"\r\n\r\n" in got
            async with asyncio.timeout(SILENCE_SECONDS if begun else None):
                more = await reader.read(65_536)
            if not more:
                break
            got += more
    except (ConnectionError, TimeoutError):
        pass
    finally:
        writer.transport.abort()
    return bytes(got)
