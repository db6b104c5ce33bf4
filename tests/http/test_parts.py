"""PUT of a part's bytes: what is taken, what is refused, and that a refusal leaves nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import httpx
import pytest

from app.actions.binary import delete_binary
from app.http.parts import LEAST_BYTES
from app.models import Binary, BinaryPart, StorageGarbage, StorageIntent
from app.rules.binary import Move
from app.rules.failures import StorageDegraded
from app.rules.part import PartState
from app.storage.content import ContentStore
from app.storage.disk import DiskStore
from tests.http.house import (
    MIN_PART,
    Exchange,
    House,
    error_of,
    exchange,
    part_of,
    sample,
    sha256,
    until,
)


@pytest.fixture
def store(disk: DiskStore) -> ContentStore:
    return disk


async def uploaded_bytes(binary: Binary) -> int:
    return int((await Binary.get(id=binary.id)).bytes_uploaded)


async def test_the_bytes_declared_make_the_part_valid(house: House) -> None:
    data = sample(3_000_001)
    binary, (part,) = await house.registered(data)
    answers = [
        await house.client.put(house.upload_url(binary, part), content=data) for _ in range(3)
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert answer.json() == {
            "index": 1,
            "size": len(data),
            "hash": sha256(data),
            "state": "VALID",
        }
    assert (await part_of(part)).state is PartState.VALID
    assert await uploaded_bytes(binary) == len(data)
    assert house.server.work.is_set()
    await house.assert_tidy()


async def test_parts_come_in_parallel_and_any_order(house: House) -> None:
    contents = [sample(MIN_PART, 1), sample(MIN_PART, 2), sample(MIN_PART, 3), sample(17)]
    binary, parts = await house.registered(*contents)
    puts = [
        house.client.put(house.upload_url(binary, part), content=data)
        for part, data in zip(parts, contents, strict=True)
    ]
    random.Random(1).shuffle(puts)
    answers = await asyncio.gather(*puts)
    assert {answer.status_code for answer in answers} == {200}
    assert await uploaded_bytes(binary) == sum(map(len, contents))
    await house.move(binary, Move.FINISH_UPLOAD)
    response = await house.client.get(house.download_url(binary))
    assert response.content == b"".join(contents)
    await house.assert_tidy()


async def test_racing_uploads_of_one_part_leave_one_copy(house: House) -> None:
    data = sample(2_000_000)
    binary, (part,) = await house.registered(data)
    url = house.upload_url(binary, part)
    answers = await asyncio.gather(*(house.client.put(url, content=data) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert await uploaded_bytes(binary) == len(data)
    await house.assert_tidy()
    assert len([name async for name in house.store.names()]) == 1


@pytest.mark.parametrize("sent", [b"conten", b"contents", b""])
async def test_another_size_than_declared(house: House, sent: bytes) -> None:
    binary, (part,) = await house.registered(b"content")
    url = house.upload_url(binary, part)
    refused = await house.client.put(url, content=sent, headers={"Content-Length": str(len(sent))})
    assert error_of(refused) == (400, "INVALID_SIZE")
    extensions = refused.json()["errors"][0]["extensions"]
    assert (extensions["declaredSize"], extensions["receivedSize"]) == (7, len(sent))
    assert (await part_of(part)).state is PartState.INVALID_SIZE
    assert await uploaded_bytes(binary) == 0
    await house.assert_tidy()
    assert (await house.client.put(url, content=b"content")).status_code == 200
    assert (await part_of(part)).state is PartState.VALID


@pytest.mark.parametrize("sent", [b"conten", b"contents"])
async def test_fewer_or_more_bytes_than_content_length_says(house: House, sent: bytes) -> None:
    binary, (part,) = await house.registered(b"content")
    put = upload(house, binary, part, length=7)
    put.body(sent, more=False)
    await house.app(put.scope, put.receive, put.send)
    assert error_of(put.response) == (400, "INVALID_SIZE")
    assert (await part_of(part)).state is PartState.INVALID_SIZE
    await house.assert_tidy()


async def test_another_digest_than_declared(house: House) -> None:
    binary, (part,) = await house.registered(b"content")
    url = house.upload_url(binary, part)
    refused = await house.client.put(url, content=b"CONTENT")
    assert error_of(refused) == (400, "INVALID_HASH")
    extensions = refused.json()["errors"][0]["extensions"]
    assert extensions["declaredHash"] == sha256(b"content")
    assert extensions["receivedHash"] == sha256(b"CONTENT")
    assert "connection" not in refused.headers
    assert (await part_of(part)).state is PartState.INVALID_HASH
    await house.assert_tidy()
    assert (await house.client.put(url, content=b"content")).status_code == 200
    assert await uploaded_bytes(binary) == 7


@pytest.mark.parametrize(
    ("sent", "code"), [(b"CONTENT", "INVALID_HASH"), (b"short", "INVALID_SIZE")]
)
async def test_a_valid_part_stays_valid(house: House, sent: bytes, code: str) -> None:
    binary, (part,) = await house.registered(b"content")
    url = house.upload_url(binary, part)
    await house.client.put(url, content=b"content")
    before = await part_of(part)
    assert error_of(await house.client.put(url, content=sent)) == (400, code)
    after = await part_of(part)
    assert (after.state, after.blob) == (PartState.VALID, before.blob)
    await house.assert_tidy()


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ([], (400, "LENGTH_REQUIRED")),
        ([("content-length", "7"), ("content-length", "7")], (400, "BAD_REQUEST")),
        ([("content-length", "7"), ("content-length", "8")], (400, "BAD_REQUEST")),
        ([("content-length", "7, 7")], (400, "BAD_REQUEST")),
        ([("content-length", "-7")], (400, "BAD_REQUEST")),
        ([("content-length", "+7")], (400, "BAD_REQUEST")),
        ([("content-length", "7.0")], (400, "BAD_REQUEST")),
        ([("content-length", "0x7")], (400, "BAD_REQUEST")),
        ([("content-length", "\xb2")], (400, "BAD_REQUEST")),
        ([("content-length", "")], (400, "BAD_REQUEST")),
        ([("content-length", "9" * 5_000)], (400, "BAD_REQUEST")),
        ([("transfer-encoding", "chunked")], (400, "BAD_REQUEST")),
        ([("transfer-encoding", "chunked"), ("content-length", "7")], (400, "BAD_REQUEST")),
        ([("content-length", "7"), ("content-range", "bytes 0-6/7")], (400, "BAD_REQUEST")),
        ([("content-length", "7"), ("content-encoding", "gzip")], (415, "UNSUPPORTED_MEDIA_TYPE")),
        (
            [("content-length", "7"), ("content-encoding", "identity, br")],
            (415, "UNSUPPORTED_MEDIA_TYPE"),
        ),
        (
            [
                ("content-length", "7"),
                ("content-encoding", "identity"),
                ("content-encoding", "gzip"),
            ],
            (415, "UNSUPPORTED_MEDIA_TYPE"),
        ),
    ],
)
async def test_headers_are_judged_before_the_body_is_read(
    house: House, headers: Sequence[tuple[str, str]], answer: tuple[int, str]
) -> None:
    binary, (part,) = await house.registered(b"content")
    put = exchange("PUT", house.upload_url(binary, part), headers)
    put.body(b"content", more=False)
    await house.app(put.scope, put.receive, put.send)
    assert error_of(put.response) == answer
    assert put.received_before_answer == 0
    if headers:
        assert put.response.headers["connection"] == "close"
    if answer[0] == 415:
        assert put.response.headers["accept-encoding"] == "identity"
    assert (await part_of(part)).state is PartState.UPLOADABLE
    await house.assert_tidy()


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
async def test_the_identity_coding_is_no_coding(house: House, coding: str) -> None:
    binary, (part,) = await house.registered(b"content")
    headers = {"Content-Encoding": coding}
    url = house.upload_url(binary, part)
    assert (await house.client.put(url, content=b"content", headers=headers)).status_code == 200


def upload(house: House, binary: Binary, part: BinaryPart, *, length: int) -> Exchange:
    return exchange("PUT", house.upload_url(binary, part), [("content-length", str(length))])


async def until_writing(house: House, put: Exchange) -> None:
    """Waits until the first bytes of an upload lie in the store."""

    async def writing() -> bool:
        return put.to_send.empty() and [name async for name in house.store.names()] != []

    await until(writing)


async def test_a_stalled_upload_ends_at_its_deadline(house: House) -> None:
    binary, (part,) = await house.registered(b"content")
    put = upload(house, binary, part, length=7)
    put.body(b"cont", more=True)
    await asyncio.wait_for(house.app(put.scope, put.receive, put.send), 5)
    assert error_of(put.response) == (408, "UPLOAD_TIMEOUT")
    assert put.response.headers["connection"] == "close"
    assert (await part_of(part)).state is PartState.UPLOADABLE
    assert house.server.work.is_set()
    await house.assert_tidy()
    assert [name async for name in house.store.names()] == []


async def test_a_slow_upload_is_not_a_stalled_one(house: House) -> None:
    piece = b"x" * LEAST_BYTES
    binary, (part,) = await house.registered(piece * 7)
    put = upload(house, binary, part, length=len(piece) * 7)
    running = asyncio.create_task(house.app(put.scope, put.receive, put.send))
    for _ in range(7):
        await asyncio.sleep(0.2)
        put.body(piece, more=True)
    put.body(b"", more=False)
    await running
    assert put.response.status_code == 200


async def test_a_byte_now_and_then_is_a_stalled_upload(house: House) -> None:
    binary, (part,) = await house.registered(b"x" * 100)
    put = upload(house, binary, part, length=100)
    running = asyncio.create_task(house.app(put.scope, put.receive, put.send))
    for _ in range(20):
        await asyncio.sleep(0.1)
        put.body(b"x", more=True)
    await asyncio.wait_for(running, 5)
    assert error_of(put.response) == (408, "UPLOAD_TIMEOUT")
    await house.assert_tidy()


@pytest.mark.parametrize("sent", [b"", b"cont", b"content"])
async def test_a_disconnect_leaves_nothing(house: House, sent: bytes) -> None:
    binary, (part,) = await house.registered(b"content")
    put = upload(house, binary, part, length=7)
    if sent:
        put.body(sent, more=True)
    put.disconnect()
    await house.app(put.scope, put.receive, put.send)
    assert put.sent == []
    assert (await part_of(part)).state is PartState.UPLOADABLE
    assert house.server.work.is_set()
    await house.assert_tidy()
    assert [name async for name in house.store.names()] == []


async def test_a_cancelled_upload_leaves_nothing(house: House) -> None:
    binary, (part,) = await house.registered(b"content")
    put = upload(house, binary, part, length=7)
    put.body(b"cont", more=True)
    running = asyncio.create_task(house.app(put.scope, put.receive, put.send))
    await until_writing(house, put)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await house.assert_tidy()
    assert [name async for name in house.store.names()] == []


@pytest.mark.parametrize("change", ["finish", "reset", "replace", "delete"])
async def test_a_part_can_not_follow_what_ended_its_upload(house: House, change: str) -> None:
    binary, (part,) = await house.registered(b"content")
    put = upload(house, binary, part, length=7)
    put.body(b"cont", more=True)
    running = asyncio.create_task(house.app(put.scope, put.receive, put.send))
    await until_writing(house, put)
    if change == "finish":
        await house.move(binary, Move.FINISH_UPLOAD)
    elif change == "reset":
        await house.move(binary, Move.FINISH_UPLOAD, Move.RESET)
    elif change == "replace":
        await house.registered(b"another", binary=binary)
    else:
        await delete_binary(house.actor, binary.id)
    put.body(b"ent", more=False)
    await running
    assert error_of(put.response) == (410, "UPLOAD_SUPERSEDED")
    assert await BinaryPart.filter(blob__isnull=False).count() == 0
    if change != "delete":
        assert await uploaded_bytes(binary) == 0
    await house.assert_tidy()
    assert [name async for name in house.store.names()] == []


async def test_a_part_and_a_finish_at_once(house: House) -> None:
    outcomes = set()
    for turn in range(30):
        binary, (part,) = await house.registered(b"content")
        put = upload(house, binary, part, length=7)
        put.body(b"content", more=False)

        async def finish(binary: Binary = binary, turn: int = turn) -> None:
            await asyncio.sleep(0.001 * turn)
            await house.move(binary, Move.FINISH_UPLOAD)

        await asyncio.gather(house.app(put.scope, put.receive, put.send), finish())
        state = (await part_of(part)).state
        outcomes.add((put.response.status_code, state))
        assert await uploaded_bytes(binary) == (7 if state is PartState.VALID else 0)
        await house.assert_tidy()
    assert outcomes <= {(200, PartState.VALID), (410, PartState.UPLOADABLE)}


async def test_a_full_disk_takes_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    binary, (part,) = await house.registered(b"content")
    monkeypatch.setattr(house.store, "_reserve", 1 << 60)
    url = house.upload_url(binary, part)
    refused = await house.client.put(url, content=b"content")
    assert error_of(refused) == (507, "STORAGE_FULL")
    assert refused.headers["retry-after"] == "60"
    # It is refused before a byte of it was read, and before anything was noted.
    put = exchange("PUT", url, [("content-length", "7")])
    put.disconnect()
    await house.app(put.scope, put.receive, put.send)
    assert (put.response.status_code, put.received_before_answer) == (507, 0)
    assert not await StorageIntent.exists()
    assert not await StorageGarbage.exists()
    assert (await part_of(part)).state is PartState.UPLOADABLE
    monkeypatch.undo()
    await house.assert_tidy()


async def test_a_failed_disk_takes_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise StorageDegraded("The disk failed: Input/output error.")

    binary, (part,) = await house.registered(b"content")
    monkeypatch.setattr(DiskStore, "write", fails)
    refused = await house.client.put(house.upload_url(binary, part), content=b"content")
    assert error_of(refused) == (503, "STORAGE_DEGRADED")
    assert refused.headers["retry-after"] == "5"
    assert (await part_of(part)).state is PartState.UPLOADABLE
    await house.assert_tidy()


async def test_a_lost_database_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(**_: object) -> None:
        raise ConnectionRefusedError

    binary, (part,) = await house.registered(b"content")
    url = house.upload_url(binary, part)
    monkeypatch.setattr(Binary, "get_or_none", away)
    refused: httpx.Response = await house.client.put(url, content=b"content")
    assert error_of(refused) == (503, "DATABASE_UNAVAILABLE")
    assert refused.headers["retry-after"] == "5"
    monkeypatch.undo()
    await house.assert_tidy()
