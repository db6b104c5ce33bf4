"""Devices that poll: most find nothing new, some claim an update and report that it is installed.

Each device polls once, with its own key, by one of a few kept-alive connections that are shared out
among the servers. The next poll begins when one has ended, so the rate is the highest that the
servers sustain. An answer with an error, or with an update for a device that has it, ends it all.
"""

from __future__ import annotations

import json
import selectors
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from app.rules.prn import Kind
from bench.fleet.world import Fleet
from bench.load import TIMEOUT, BadAnswer, Connection, Load, request
from bench.servers import Served

OPERATIONS: Final = Path(__file__).parents[2] / "fixtures" / "operations"
POLL: Final = (OPERATIONS / "device-claim-update.graphql").read_text()
REPORT: Final = (OPERATIONS / "device-report-state.graphql").read_text()
CONNECTIONS: Final = 8
"""How many devices ask a server at once."""


@dataclass(slots=True)
class Polls(Load):
    """What came of it; the latencies are those of polls, without the reports that follow."""

    updates: int = 0

    @property
    def count(self) -> int:
        """How many polls were answered."""
        return len(self.latencies)


class Devices:
    """The devices of a fleet, in an order like chance, each of them once."""

    def __init__(self, fleet: Fleet, *, seed: int) -> None:
        self.fleet = fleet
        self.left: int | None = None
        """How many more may poll for now; None: all."""
        places = list(range(fleet.devices))
        Random(seed).shuffle(places)
        self._places = iter(places)

    def next(self) -> int | None:
        """A device that has not polled; None where there is none left."""
        if self.left is not None:
            if self.left == 0:
                return None
            self.left -= 1
        return next(self._places, None)


def poll(fleet: Fleet, place: int) -> bytes:
    """The request of a device that asks for its update, and tells what it runs."""
    runs = fleet.name(Kind.RELEASE, fleet.runs(place))
    return _request(fleet, place, POLL, reported=runs)


def _request(fleet: Fleet, place: int, query: str, *, reported: str, **more: str) -> bytes:
    asked = {"deviceId": fleet.device(place), "reported": {"releaseId": reported}, **more}
    body = json.dumps({"query": query, "variables": {"input": asked}})
    return request("/graphql", body.encode(), key=fleet.secret(place))


class _Session:
    """A connection on which one device after the other polls."""

    def __init__(self, port: int, devices: Devices, polls: Polls) -> None:
        self.connection = Connection(port)
        self._devices, self._polls = devices, polls
        self._place = 0
        self._reports = False

    def begin(self) -> bool:
        """Has the next device poll; False where all have."""
        place = self._devices.next()
        if place is None:
            return False
        self._place, self._reports = place, False
        self.connection.begin(poll(self._devices.fleet, place))
        return True

    def went_on(self) -> bool:
        """Takes what came; False once the device has all that it wants. Raises BadAnswer."""
        body = self.connection.read()
        if body is None:
            return True
        payload = _payload(body)
        if self._reports:
            return False
        self._polls.latencies.append(time.perf_counter() - self.connection.sent_at)
        update = payload["update"]
        fleet = self._devices.fleet
        if update["status"] != "UPDATE":
            return False
        if not fleet.is_behind(self._place) or not update["manifest"]:
            raise BadAnswer(f"an update for a device that has it, or without content: {update}")
        self._polls.updates += 1
        self._reports = True
        runs, outcome = update["release"]["id"], {"outcome": "INSTALLED"}
        self.connection.begin(_request(fleet, self._place, REPORT, reported=runs, **outcome))
        return True


def _payload(body: bytes) -> dict[str, Any]:
    answer = json.loads(body)
    payload: dict[str, Any] | None = next(iter((answer.get("data") or {}).values()), None)
    if "errors" in answer or payload is None or payload["errors"]:
        raise BadAnswer(f"errors: {body[:500]!r}")
    return payload


def run(
    servers: Sequence[Served], devices: Devices, *, seconds: float, most: int | None = None
) -> Polls:
    """Has devices poll for so long, but no more than `most` of them. Raises BadAnswer."""
    polls = Polls()
    devices.left = most
    sessions = [
        _Session(served.port, devices, polls) for served in servers for _ in range(CONNECTIONS)
    ]
    try:
        begun = time.perf_counter()
        for _ in _ended(sessions, until=begun + seconds):
            pass
        polls.seconds = time.perf_counter() - begun
    finally:
        devices.left = None
        for session in sessions:
            session.connection.close()
    return polls


def _ended(sessions: Sequence[_Session], *, until: float) -> Iterator[_Session]:
    """Each session, when its last device is done."""
    with selectors.DefaultSelector() as selector:
        for session in sessions:
            if session.begin():
                selector.register(session.connection.socket, selectors.EVENT_READ, session)
        while selector.get_map():
            ready = selector.select(TIMEOUT)
            if not ready:
                raise BadAnswer(f"no answer within {TIMEOUT:.0f} s")
            for key, _ in ready:
                session = key.data
                if session.went_on():
                    continue
                if time.perf_counter() >= until or not session.begin():
                    selector.unregister(session.connection.socket)
                    yield session
