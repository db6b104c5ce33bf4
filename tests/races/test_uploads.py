"""Bytes that arrive while something else happens to their binary."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from app.actions import content, verification
from app.models import BinaryPart, StorageGarbage, StorageIntent
from app.rules.binary import Move, State
from app.settings import Settings
from app.storage.content import Digest
from tests.races.house import (
    CLIENTS,
    CONTENT,
    FEW,
    HALF,
    ROUNDS,
    Answer,
    House,
    at_once,
    check_moves,
    half,
)

DIGEST = hashlib.sha256(CONTENT).hexdigest()


def _puts(house: House, url: str) -> Callable[[], Awaitable[Answer]]:
    """A client that sends a part's bytes; it won if they were taken."""

    async def put() -> Answer:
        answer: httpx.Response = await house.api.http.put(url, content=CONTENT)
        if answer.status_code == 200:
            assert answer.json()["state"] == "VALID"
            return Answer(None, {"errors": []})
        assert answer.status_code == 410, answer.text
        return Answer(None, {"errors": [answer.json()["errors"][0]["extensions"]]})

    return put


async def _check_files(house: House, settings: Settings) -> None:
    """Checks that the store holds the blobs of the parts, and none but them."""
    assert await StorageIntent.all().count() == 0
    await content.erase_garbage(house.server.store)
    assert await StorageGarbage.all().count() == 0
    held = {str(row.blob) for row in await BinaryPart.exclude(blob=None)}
    root: Path = settings.data / "blobs"
    assert {path.name for path in root.rglob("*") if path.is_file()} == held


async def test_no_part_follows_a_finish(house: House, settings: Settings) -> None:
    for number in range(ROUNDS):
        made = await house.api.binary(house.version, CONTENT, f"target-part-{number}")
        id, url = made["id"], made["parts"][0]["uploadUrl"]
        before = await house.told(id)
        clients = half([_puts(house, url)] * HALF, [house.asks(Move.FINISH_UPLOAD, id)] * HALF)
        answers = await at_once(clients)
        also = {"PARTS_INCOMPLETE", "UPLOAD_SUPERSEDED"}
        moves = await check_moves(house, id, before, answers, also=also)
        assert moves[Move.FINISH_UPLOAD] <= 1
        told = await house.told(id)
        assert (told["bytesUploaded"], told["parts"]) == ("7", [{"state": "VALID"}])
        assert any(answer.won for answer in answers[::2])
        await _check_files(house, settings)
        await house.api.do("deleteBinary", "deletedBinaryId", binaryId=id)


async def test_a_part_is_replaced_or_stored(house: House, settings: Settings) -> None:
    for number in range(FEW):
        made = await house.api.binary(house.version, CONTENT, f"target-part-{number}")
        id, url = made["id"], made["parts"][0]["uploadUrl"]
        other = {"index": 1, "size": len(CONTENT), "hash": "0" * 64}
        clients = half(
            [_puts(house, url)] * HALF,
            [
                house.asks_for(
                    "createBinaryParts", "parts { id hash state }", binaryId=id, parts=[other]
                )
            ]
            * HALF,
        )
        answers = await at_once(clients)
        registered = {str(answer.payload["parts"]) for answer in answers[1::2] if answer.won}
        # The first one replaced the part, for the others it was the same part already.
        assert len(registered) == 1
        assert all(answer.won for answer in answers[1::2])
        told = await house.told(id)
        assert (told["bytesUploaded"], told["parts"]) == ("0", [{"state": "UPLOADABLE"}])
        await _check_files(house, settings)


async def test_a_reset_or_the_result_of_a_verification_comes_first(
    house: House, settings: Settings
) -> None:
    for _ in range(ROUNDS):
        id = await house.binary(State.HASHING)
        before = await house.told(id)
        claimed = await verification.claim(lease_seconds=60)
        assert claimed is not None

        async def finish(claimed: verification.Claimed = claimed) -> Answer:
            passed = await verification.finish(claimed, Digest(DIGEST, len(CONTENT)))
            return Answer(None, {"errors": [], "passed": passed})

        answers = await at_once([finish, *[house.asks(Move.RESET, id)] * (CLIENTS - 1)])
        moves = await check_moves(house, id, before, answers)
        passed = answers[0].payload["passed"]
        assert moves == Counter({Move.RESET: 1, Move.PASS_VERIFICATION: int(passed)})
        told = await house.told(id)
        assert (told["state"], told["bytesUploaded"], told["parts"]) == ("UPLOADABLE", "0", [])
        await _check_files(house, settings)


async def test_64_workers_claim_each_record_once(house: House) -> None:
    for _ in range(FEW):
        ids = [await house.binary(State.HASHING) for _ in range(8)]
        claims = await at_once([lambda: verification.claim(lease_seconds=60)] * CLIENTS)
        taken = [str(claim.binary_id) for claim in claims if claim is not None]
        assert sorted(taken) == sorted(id.rsplit(":", 1)[1] for id in ids)
        for id in ids:
            await house.api.do("resetBinary", "binary { id }", binaryId=id)
