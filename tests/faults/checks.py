"""What must hold after one restart: every acknowledgement, and rows and files in step."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from tests.faults.ledger import Entry, Ledger
from tests.journeys.checks import Failed
from tests.journeys.client import Api, Json

T = TypeVar("T")

PATIENCE: Final = 10.0
"""Seconds after a restart in which what was under way must be through."""


def acknowledged(api: Api, ledger: Ledger) -> list[str]:
    """What of a client's acknowledgements does not hold; what was in doubt is settled."""
    found = []
    for entry in list(ledger.live):
        found += _entry(api, entry)
        if entry.state == "DESTROYED":
            ledger.live.remove(entry)
            ledger.gone.append(entry)
    return found


def gone(api: Api, ledger: Ledger) -> list[str]:
    """The destroyed binaries that are not destroyed any more."""
    states = ((entry.id, api.binary(entry.id, "state")["state"]) for entry in ledger.gone)
    return [f"{id} was destroyed, and is {state}" for id, state in states if state != "DESTROYED"]


def _entry(api: Api, entry: Entry) -> list[str]:
    try:
        binary = within(lambda: _through(api, entry))
    except Failed as failed:
        return [f"{entry.id}: {failed}"]
    state, parts = binary["state"], binary["parts"]
    if state == "HASHING":
        return [f"{entry.id} is stuck in HASHING"]
    if state not in entry.possible():
        return [f"{entry.id} is {state}, of {sorted(entry.possible())}"]
    found = []
    valid = [part["hash"] for part in parts if part["state"] == "VALID"]
    # A reset without an answer may have taken the upload with it.
    kept = entry.stored and entry.asked != "UPLOADABLE"
    if state == "UPLOADABLE" and kept and valid != [entry.hash]:
        found.append(f"{entry.id} lost its acknowledged part")
    if state in ("SIGNABLE", "SIGNED"):
        found += _downloaded(api, entry, binary["downloadUrl"])
    if state == "DESTROYED":
        found += _destroyed(api, entry, binary["contentErasedAt"])
    entry.settle(state, stored=bool(valid))
    entry.part = {}
    return found


def _through(api: Api, entry: Entry) -> tuple[Json, bool]:
    binary = api.binary(entry.id, "state downloadUrl contentErasedAt parts { state hash }")
    waits = binary["state"] == "HASHING" or (
        binary["state"] == "DESTROYED" and binary["contentErasedAt"] is None
    )
    return binary, not waits


def _downloaded(api: Api, entry: Entry, url: str | None) -> list[str]:
    if url is None:
        return [f"{entry.id} has no URL to download from"]
    answer = api.http.get(url)
    if answer.status_code != 200:
        return [f"{entry.id} is answered {answer.status_code}"]
    if hashlib.sha256(answer.content).hexdigest() != entry.hash:
        return [f"{entry.id} is served with other bytes"]
    return []


def _destroyed(api: Api, entry: Entry, erased: object) -> list[str]:
    found = [] if erased else [f"{entry.id} is destroyed, and not erased"]
    status = api.http.get(entry.download).status_code if entry.download else 410
    return found if status == 410 else [*found, f"{entry.id} is destroyed, its URL says {status}"]


def consistency(data: Path, database: Path | None = None) -> list[str]:
    """Where the rows of the database and the files of the store are out of step."""

    def look() -> tuple[list[str], bool]:
        found = compared(data, database)
        return found, not found

    return within(look)


def compared(data: Path, database: Path | None = None) -> list[str]:
    """The same, as it is now; what is under way is not waited for."""
    file = database or data / "bindery.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as opened:
        rows = opened.execute("SELECT blob, hash FROM binary_part WHERE blob IS NOT NULL")
        parts: dict[str, str] = dict(rows)
        (intents,) = opened.execute("SELECT count(*) FROM storage_intent").fetchone()
        (garbage,) = opened.execute("SELECT count(*) FROM storage_gc").fetchone()
    files = {path.name: path for path in (data / "blobs").glob("??/*")}
    found = [f"{name} is an orphan file" for name in files.keys() - parts.keys()]
    found += [f"{name} has no file" for name in parts.keys() - files.keys()]
    for name in parts.keys() & files.keys():
        if hashlib.sha256(files[name].read_bytes()).hexdigest() != parts[name]:
            found.append(f"{name} has other bytes than its part")
    if intents or garbage:
        found.append(f"{intents} intents and {garbage} garbage blobs are left")
    return found


def within(attempt: Callable[[], tuple[T, bool]]) -> T:
    """The first result that is final, or the last one when the patience is over."""
    end = time.monotonic() + PATIENCE
    while True:
        result, final = attempt()
        if final or time.monotonic() > end:
            return result
        time.sleep(0.02)
