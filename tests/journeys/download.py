"""The steps that bring content out: whole, in ranges, described, and as a device gets it."""

from __future__ import annotations

import base64
import time
from typing import Final

import httpx

from tests.journeys.checks import Failed, equal, true
from tests.journeys.client import Json
from tests.journeys.journey import Journey, Line, Stored
from tests.journeys.sample import MIB, Sample

_POLL: Final = (
    "update { status release { id } manifest { hash size url signatures { signature } }"
    " trace { reason } }"
)


def whole(journey: Journey) -> str:
    """Both binaries, as operators download them."""
    for stored in (journey.portable, journey.specific):
        stored.url = journey.api.binary(stored.id, "downloadUrl")["downloadUrl"]
        begun = time.perf_counter()
        compare(journey.api.http, stored.url, stored.sample)
        speed = journey.took("download", stored.sample.size, begun)
    return f"{journey.specific.sample.size} bytes are those of the file, {speed}"


def ranges(journey: Journey) -> str:
    """The first bytes, some across two parts, an open end, and a suffix."""
    stored = journey.specific
    size = stored.sample.size
    seam = stored.sample.parts[1].start
    wanted = {
        "bytes=0-99": (0, 100),
        f"bytes={seam - MIB}-{seam + MIB - 1}": (seam - MIB, seam + MIB),
        f"bytes={size - 10}-": (size - 10, size),
        "bytes=-4096": (size - 4096, size),
    }
    for header, (start, stop) in wanted.items():
        answer = journey.api.http.get(stored.url, headers={"Range": header})
        equal(f"The status for {header}", answer.status_code, 206)
        told = answer.headers["Content-Range"]
        equal("Content-Range", told, f"bytes {start}-{stop - 1}/{size}")
        with stored.sample.path.open("rb") as file:
            file.seek(start)
            true(answer.content == file.read(stop - start), f"{header} gave other bytes.")
    beyond = journey.api.http.get(stored.url, headers={"Range": f"bytes={size}-"})
    equal("The status beyond the end", beyond.status_code, 416)
    equal("Content-Range beyond the end", beyond.headers["Content-Range"], f"bytes */{size}")
    return f"{len(wanted)} ranges, and 416 beyond the end"


def head(journey: Journey) -> str:
    """What is said of the content without sending it."""
    stored = journey.specific
    answer = journey.api.http.head(stored.url)
    digest = base64.b64encode(bytes.fromhex(stored.sample.hash)).decode()
    expected = {
        "Content-Length": str(stored.sample.size),
        "Accept-Ranges": "bytes",
        "ETag": f'"sha256-{stored.sample.hash}"',
        "Repr-Digest": f"sha-256=:{digest}:",
    }
    equal("The status of HEAD", answer.status_code, 200)
    equal("The headers", {name: answer.headers.get(name) for name in expected}, expected)
    known = {"If-None-Match": expected["ETag"]}
    again = journey.api.http.get(stored.url, headers=known)
    equal("The status for who has it", (again.status_code, again.content), (304, b""))
    return "ETag, Repr-Digest"


def device(journey: Journey) -> str:
    """A device with a key of its own asks for its update, and downloads it."""
    journey.device_key = journey.api.do(
        "createApiKey",
        "secret",
        name=journey.name("Gateway"),
        role="DEVICE",
        deviceId=journey.own.device,
    )
    update = poll(journey, journey.own)
    stored = journey.specific
    equal("The status", update["status"], "UPDATE")
    equal("The release", update["release"], {"id": journey.own.release})
    (entry,) = update["manifest"]
    url = entry.pop("url")
    expected = {
        "hash": stored.sample.hash,
        "size": str(stored.sample.size),
        "signatures": [{"signature": text} for text in stored.signatures],
    }
    equal("The manifest", entry, expected)
    compare(journey.api.http, url, stored.sample)
    _refused_to_others(journey)
    return "claimUpdate, and the bytes of the file"


def poll(journey: Journey, line: Line) -> Json:
    """What the device's own poll is answered."""
    api = journey.api.with_key(journey.device_key)
    update: Json = api.do("claimUpdate", _POLL, deviceId=line.device)
    return update


def gone(journey: Journey, stored: Stored) -> str:
    """Demands that the content can't be had by the URL that was good before."""
    http = journey.api.http
    for headers in ({}, {"Range": "bytes=0-99"}):
        answer = http.get(stored.url, headers=headers)
        equal("The status", answer.status_code, 410)
        code = answer.json()["errors"][0]["extensions"]["code"]
        equal("The code", code, "CONTENT_DESTROYED")
    equal("The status of HEAD", http.head(stored.url).status_code, 410)
    return "410 CONTENT_DESTROYED"


def compare(http: httpx.Client, url: str, sample: Sample) -> None:
    """Demands that a download is the file, byte by byte, without keeping it. Raises Failed."""
    at = 0
    with http.stream("GET", url) as answer, sample.path.open("rb") as file:
        equal("The status of the download", answer.status_code, 200)
        for block in answer.iter_raw(MIB):
            if block != file.read(len(block)):
                raise Failed(f"The download differs from the file, within {len(block)} B of {at}.")
            at += len(block)
    equal("The size of the download", at, sample.size)


def _refused_to_others(journey: Journey) -> None:
    """A device's key is no good for another device."""
    api = journey.api.with_key(journey.device_key)
    error = api.refused("claimUpdate", deviceId=journey.other.device)
    true(error["code"] in ("FORBIDDEN", "NOT_FOUND"), f"Another device's poll: {error}.")
