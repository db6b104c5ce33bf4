"""The steps that bring content in: in parallel, broken, looked at, resumed, finished."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx

from tests.journeys.checks import equal, true
from tests.journeys.client import Json, error_code
from tests.journeys.journey import Journey, Stored
from tests.journeys.observed import Memory
from tests.journeys.sample import MIB, Part

BROKEN: Final = 7
"""The part that arrives with a wrong bit."""
UNSENT: Final = 12
"""The part that the uploader did not come to send."""
GROWTH: Final = 32 * MIB
"""Bytes by which the server's memory may grow while the content comes in."""

_PART: Final = (
    "index state size hash uploadUrl uploadMethod uploadHeaders { name value } uploadExpiresAt"
)


def in_parallel(journey: Journey) -> str:
    """All parts but one at the same time; one of them with wrong bytes."""
    stored = journey.specific
    # Whatever the server needs for its first requests of all is there by now.
    journey.memory = Memory.of(journey.place.pid)
    registered = _register(journey, stored)
    sent = [part for part in stored.sample.parts if part.index != UNSENT]
    begun = time.perf_counter()
    answers = _send(journey, stored, sent, registered, broken=BROKEN)
    size = sum(part.size for part in sent)
    speed = journey.took("upload", size, begun)
    for part, answer in zip(sent, answers, strict=True):
        if part.index == BROKEN:
            equal("The status for the broken part", answer.status_code, 400)
            equal("The code for the broken part", error_code(answer), "INVALID_HASH")
        else:
            _check_stored(part, answer)
    return f"{len(sent)} parts of {sent[0].size / MIB:.1f} MiB at once, {speed}; 1 refused"


def gap(journey: Journey) -> str:
    """Finishing is refused while parts are missing, and says which."""
    stored = journey.specific
    lacking = sum(part.size for part in stored.sample.parts if part.index in (BROKEN, UNSENT))
    error = journey.api.refused("finishBinaryUpload", binaryId=stored.id)
    equal("The code", error["code"], "PARTS_INCOMPLETE")
    equal("The missing parts", error["missing"], [BROKEN, UNSENT])
    equal("The declared size", error["declaredSize"], str(stored.sample.size))
    equal("The stored size", error["storedSize"], str(stored.sample.size - lacking))
    state = journey.api.binary(stored.id, "state bytesUploaded")
    expected = {"state": "UPLOADABLE", "bytesUploaded": str(stored.sample.size - lacking)}
    equal("The binary", state, expected)
    return f"PARTS_INCOMPLETE, missing {BROKEN} and {UNSENT}"


def resumed(journey: Journey) -> str:
    """Another uploader asks what is not there yet, and sends that alone."""
    stored = journey.specific
    listed = _listed(journey, stored)
    states = {index: part["state"] for index, part in listed.items() if part["state"] != "VALID"}
    equal("The parts not valid", states, {BROKEN: "INVALID_HASH", UNSENT: "UPLOADABLE"})
    left = [part for part in stored.sample.parts if part.index in states]
    for part, answer in zip(left, _send(journey, stored, left, listed), strict=True):
        _check_stored(part, answer)
    states = {part["state"]: index for index, part in _listed(journey, stored).items()}
    equal("The states of the parts", set(states), {"VALID"})
    uploaded = journey.api.binary(stored.id, "bytesUploaded")["bytesUploaded"]
    equal("The bytes uploaded", uploaded, str(stored.sample.size))
    return f"{len(left)} parts sent again"


def memory(journey: Journey) -> str:
    """The server's memory has not grown with the content."""
    if journey.memory is None:
        return "not measured: only Linux tells it, of one server that was started here"
    grown, before = journey.memory.growth(), journey.memory.before
    told = f"{before / MIB:.1f} MiB before, {grown / MIB:+.1f} MiB at the peak"
    true(grown <= GROWTH, f"The server's memory grew by too much: {told}, {GROWTH // MIB} allowed.")
    return told


def finished(journey: Journey) -> str:
    """The complete upload is finished."""
    stored = journey.specific
    binary = journey.api.do(
        "finishBinaryUpload",
        "binary { state bytesUploaded availableTransitions }",
        binaryId=stored.id,
    )
    moves = sorted(binary.pop("availableTransitions"))
    expected = {"state": "HASHABLE", "bytesUploaded": str(stored.sample.size)}
    equal("The binary", binary, expected)
    equal("What it allows", moves, ["RESET", "START_HASHING"])
    return "HASHABLE"


def portable(journey: Journey) -> str:
    """The portable binary, as a small file takes it: one part, finished and hashed in one step."""
    stored = journey.portable
    registered = _register(journey, stored)
    for part, answer in zip(
        stored.sample.parts, _send(journey, stored, stored.sample.parts, registered), strict=True
    ):
        _check_stored(part, answer)
    binary = journey.api.do(
        "finishBinaryUpload", "binary { state }", binaryId=stored.id, startHashing=True
    )
    equal("The binary", binary, {"state": "HASHING"})
    return f"{stored.sample.size} bytes"


def _register(journey: Journey, stored: Stored) -> dict[int, Json]:
    parts = journey.api.do(
        "createBinaryParts",
        f"parts {{ {_PART} }}",
        binaryId=stored.id,
        parts=[part.registration() for part in stored.sample.parts],
    )
    for part, found in zip(stored.sample.parts, parts, strict=True):
        expected = (part.index, str(part.size), part.hash, "UPLOADABLE")
        values = (found["index"], found["size"], found["hash"], found["state"])
        equal("The registered part", values, expected)
    return {part["index"]: part for part in parts}


def _listed(journey: Journey, stored: Stored) -> dict[int, Json]:
    parts = journey.api.binary(stored.id, f"parts {{ {_PART} }}")["parts"]
    indexes = [part["index"] for part in parts]
    equal("The indexes of the parts", indexes, [part.index for part in stored.sample.parts])
    return dict(zip(indexes, parts, strict=True))


def _send(
    journey: Journey,
    stored: Stored,
    parts: Sequence[Part],
    links: dict[int, Json],
    *,
    broken: int | None = None,
) -> list[httpx.Response]:
    """Sends every part in a thread of its own."""

    def send(part: Part) -> httpx.Response:
        blocks = stored.sample.blocks(part, broken=part.index == broken)
        return journey.api.put(links[part.index], blocks)

    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(send, parts))


def _check_stored(part: Part, answer: httpx.Response) -> None:
    equal(f"The status for part {part.index}", answer.status_code, 200)
    expected = {"index": part.index, "size": part.size, "hash": part.hash, "state": "VALID"}
    equal("The stored part", answer.json(), expected)
