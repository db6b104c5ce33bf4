"""GET and HEAD of content: the bytes, what is said of them, ranges, and damage."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.actions.content import erase_garbage
from app.http import content
from app.models import Binary, BinaryPart
from app.rules.binary import DOWNLOADABLE, ContentHealth, Move, State
from app.rules.failures import ContentCorrupt
from app.rules.link import Link
from tests.http.house import MIB, House, error_of, exchange, sample

PIECES = (b"a", sample(1_000, 2), b"bc", sample(5_000, 3))
DATA = b"".join(PIECES)


async def blobs_of(binary: Binary) -> list[str]:
    parts = await BinaryPart.filter(binary_id=binary.id).order_by("index")
    return [part.blob for part in parts if part.blob is not None]


async def test_the_parts_come_in_their_order(house: House) -> None:
    pieces = [sample(MIB + 1, 4), sample(7, 5), sample(3 * MIB, 6)]
    binary = await house.stored(*pieces)
    response = await house.client.get(house.download_url(binary))
    assert response.status_code == 200
    assert response.content == b"".join(pieces)


async def test_the_headers_of_verified_content(house: House) -> None:
    binary = await house.stored(*PIECES)
    for method in ("GET", "HEAD"):
        response = await house.client.request(method, house.download_url(binary))
        digest = hashlib.sha256(DATA).digest()
        seconds = house.server.settings.url_ttl
        headers = dict(response.headers)
        assert headers.pop("cache-control") in {
            f"private, max-age={seconds - gone}, immutable, no-transform" for gone in range(3)
        }
        assert headers == {
            "content-length": str(len(DATA)),
            "content-type": "application/octet-stream",
            "content-disposition": f'attachment; filename="{binary.id}.bin"',
            "etag": f'"sha256-{digest.hex()}"',
            "repr-digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
            "accept-ranges": "bytes",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        }
        assert response.content == (DATA if method == "GET" else b"")


@pytest.mark.parametrize("state", sorted(DOWNLOADABLE))
async def test_a_digest_is_told_only_once_it_is_verified(house: House, state: State) -> None:
    binary = await house.stored(*PIECES, state=state)
    response = await house.client.get(house.download_url(binary))
    assert response.content == DATA
    verified = state in (State.SIGNABLE, State.SIGNED)
    assert ("repr-digest" in response.headers) is verified
    expected = f"sha256-{binary.hash}" if verified else f"{binary.id}-{binary.epoch}"
    assert response.headers["etag"] == f'"{expected}"'


async def test_empty_content(house: House) -> None:
    binary = await house.stored()
    url = house.download_url(binary)
    response = await house.client.get(url)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == "0"
    refused = await house.client.get(url, headers={"Range": "bytes=0-"})
    assert refused.status_code == 416
    assert refused.headers["content-range"] == "bytes */0"
    assert (await house.client.get(url, headers={"Range": "bytes=-1"})).status_code == 200


_place = st.one_of(st.integers(0, len(DATA) + 10), st.sampled_from([0, 1, 1_001, 1_003, 6_003]))


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=st.none() | _place, last=st.none() | _place)
async def test_any_range_is_the_slice(house: House, first: int | None, last: int | None) -> None:
    binary = await Binary.first() or await house.stored(*PIECES)
    written = "-".join("" if end is None else str(end) for end in (first, last))
    response = await house.client.get(
        house.download_url(binary), headers={"Range": f"bytes={written}"}
    )
    size = len(DATA)
    if first is None:
        start, stop = (size - last if last is not None else 0), size
    else:
        start, stop = first, (size if last is None else last + 1)
    start, stop = max(0, start), min(stop, size)
    reversed_ = first is not None and last is not None and last < first
    if reversed_ or (first, last) == (None, None):
        assert (response.status_code, response.content) == (200, DATA)
        assert "content-range" not in response.headers
    elif start >= stop:
        assert response.status_code == 416
        assert response.headers["content-range"] == f"bytes */{size}"
    else:
        assert response.status_code == 206
        assert response.content == DATA[start:stop]
        assert response.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
        assert response.headers["content-length"] == str(stop - start)


async def test_a_range_beyond_the_end(house: House) -> None:
    binary = await house.stored(*PIECES)
    response = await house.client.get(
        house.download_url(binary), headers={"Range": f"bytes={len(DATA)}-"}
    )
    assert error_of(response) == (416, "BAD_REQUEST")
    assert response.headers["content-range"] == f"bytes */{len(DATA)}"
    assert response.json()["errors"][0]["extensions"]["size"] == len(DATA)


@pytest.mark.parametrize("header", ["bytes=5-2", "bytes=x", "bytes=0-1,3-4", "lines=1-2"])
async def test_other_ranges_are_ignored(house: House, header: str) -> None:
    binary = await house.stored(*PIECES)
    response = await house.client.get(house.download_url(binary), headers={"Range": header})
    assert (response.status_code, response.content) == (200, DATA)


async def test_six_thousand_ranges_cost_nothing(house: House) -> None:
    binary = await house.stored(b"content")
    url = house.download_url(binary)
    header = "bytes=" + ",".join(["0-0"] * 6_000)

    async def seconds(**headers: str) -> float:
        before = time.perf_counter()
        assert (await house.client.get(url, headers=headers)).content == b"content"
        return time.perf_counter() - before

    plain = min([await seconds() for _ in range(5)])
    assert min([await seconds(Range=header) for _ in range(5)]) < plain + 0.01


async def test_head_ignores_a_range(house: House) -> None:
    binary = await house.stored(*PIECES)
    for header in ("bytes=0-1", "bytes=99999999-"):
        response = await house.client.head(house.download_url(binary), headers={"Range": header})
        assert response.status_code == 200
        assert response.headers["content-length"] == str(len(DATA))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_client_that_has_it_gets_304(house: House, method: str) -> None:
    binary = await house.stored(*PIECES)
    url = house.download_url(binary)
    tag = f'"sha256-{binary.hash}"'
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        response = await house.client.request(
            method, url, headers={"If-None-Match": known, "Range": "bytes=0-1"}
        )
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == tag
        assert "content-length" not in response.headers
    for known in ('"other"', binary.hash, tag[:-1], ""):
        response = await house.client.request(method, url, headers={"If-None-Match": known})
        assert response.status_code == 200


async def test_if_range_takes_nothing_but_the_very_tag(house: House) -> None:
    binary = await house.stored(*PIECES)
    url = house.download_url(binary)
    tag = f'"sha256-{binary.hash}"'
    response = await house.client.get(url, headers={"Range": "bytes=1-3", "If-Range": tag})
    assert (response.status_code, response.content) == (206, DATA[1:4])
    for other in (f"W/{tag}", '"other"', "Sat, 01 Jan 2000 00:00:00 GMT", ""):
        for header in ("bytes=1-3", "bytes=99999999-"):
            response = await house.client.get(url, headers={"Range": header, "If-Range": other})
            assert (response.status_code, response.content) == (200, DATA)


async def test_content_known_to_be_damaged_is_not_served(house: House) -> None:
    binary = await house.stored(*PIECES)
    for health in (ContentHealth.CORRUPT, ContentHealth.MISSING):
        await Binary.filter(id=binary.id).update(content_health=health)
        response = await house.client.get(house.download_url(binary))
        assert error_of(response) == (500, "CONTENT_CORRUPT")
    await Binary.filter(id=binary.id).update(content_health=ContentHealth.OK)
    assert (await house.client.get(house.download_url(binary))).content == DATA


async def test_damage_that_shows_before_the_first_byte_is_told(house: House) -> None:
    binary = await house.stored(*PIECES)
    first, *_ = await blobs_of(binary)
    await house.store.erase([first])
    response = await house.client.get(house.download_url(binary))
    assert error_of(response) == (500, "CONTENT_CORRUPT")
    assert first not in response.text
    later = await house.client.get(house.download_url(binary), headers={"Range": "bytes=1-9"})
    assert (later.status_code, later.content) == (206, DATA[1:10])


async def test_a_lost_part_row_is_damage(house: House) -> None:
    binary = await house.stored(*PIECES)
    await BinaryPart.filter(binary_id=binary.id, index=4).delete()
    response = await house.client.get(house.download_url(binary))
    assert error_of(response) == (500, "CONTENT_CORRUPT")


async def test_damage_in_the_middle_ends_the_body_in_an_error(house: House) -> None:
    binary = await house.stored(*PIECES)
    await house.store.erase((await blobs_of(binary))[2:3])
    sent = exchange("GET", house.download_url(binary))
    with pytest.raises(ContentCorrupt):
        await house.app(sent.scope, sent.receive, sent.send)
    assert sent.sent[0]["status"] == 200
    # The last block that was read is held back for its digest, which never came to agree.
    assert sent.response.content == DATA[:1]
    assert all(message["more_body"] for message in sent.sent[1:])


@pytest.mark.parametrize("before_the_rows", [True, False])
@pytest.mark.parametrize(
    ("state", "move", "code"),
    [
        (State.SIGNED, Move.DESTROY, "CONTENT_DESTROYED"),
        (State.SIGNABLE, Move.RESET, "UPLOAD_SUPERSEDED"),
    ],
)
async def test_a_move_between_the_first_look_and_the_first_byte(
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    state: State,
    move: Move,
    code: str,
    before_the_rows: bool,
) -> None:
    binary = await house.stored(*PIECES, state=state)
    look = content._parts

    async def moves_meanwhile(link: Link) -> Sequence[tuple[str, int, str]]:
        early = [] if before_the_rows else await look(link)
        await house.move(binary, move)
        await erase_garbage(house.store)
        return early or await look(link)

    monkeypatch.setattr(content, "_parts", moves_meanwhile)
    response = await house.client.get(house.download_url(binary))
    assert error_of(response) == (410, code)
