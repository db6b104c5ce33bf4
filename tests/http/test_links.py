"""The order of the checks on a signed link: signature, method, what became of it, time."""

from __future__ import annotations

import pytest

from app.actions.binary import delete_binary
from app.models import Binary, BinaryPart
from app.rules.binary import Move, State
from tests.http.house import House, error_of, exchange, part_of

WRONG_UPLOAD_METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "MKCOL")
WRONG_DOWNLOAD_METHODS = ("PUT", "POST", "PATCH", "DELETE", "OPTIONS", "MKCOL")


async def refused(house: House, method: str, url: str) -> tuple[int, str]:
    return error_of(await house.client.request(method, url))


async def destroyed(house: House, data: bytes = b"content") -> tuple[Binary, BinaryPart]:
    """A binary as its links know it, that has been destroyed since."""
    binary, (part,) = await house.registered(data)
    await Binary.filter(id=binary.id).update(state=State.SIGNED)
    await house.move(binary, Move.DESTROY)
    return binary, part


@pytest.mark.parametrize("kind", ["upload", "download"])
async def test_any_changed_character_is_refused(house: House, kind: str) -> None:
    binary, (part,) = await house.registered(b"content")
    url = house.upload_url(binary, part) if kind == "upload" else house.download_url(binary)
    for place in range(url.index("/", 1) + 1, len(url)):
        changed = url[:place] + ("1" if url[place] == "0" else "0") + url[place + 1 :]
        assert await refused(house, "PUT", changed) == (403, "URL_INVALID"), changed
    assert (await part_of(part)).state == "UPLOADABLE"


async def test_other_spellings_of_a_link_are_refused(house: House) -> None:
    binary, (part,) = await house.registered(b"content")
    url = house.upload_url(binary, part)
    path, query = url.split("?")
    first = query.split("&")[0]
    digit = path[8]
    for changed in (
        f"{url}&{first}",
        f"{path}?{first}&{query}",
        f"{url}&extra=1",
        f"{url}&",
        f"{path}?{'&'.join(reversed(query.split('&')))}",
        f"{path}/?{query}",
        f"{path.replace('/upload/', '/upload//')}?{query}",
        f"{path.upper().replace('/UPLOAD/', '/upload/')}?{query}",
        f"/upload/%{ord(digit):02x}{path[9:]}?{query}",
        path,
        path.replace("/upload/", "/content/"),
        f"/content/{path.split('/')[2]}?{query}",
        "/upload/",
        "/content/../../etc/passwd",
    ):
        sent = exchange("PUT", changed)
        await house.app(sent.scope, sent.receive, sent.send)
        assert error_of(sent.response) == (403, "URL_INVALID"), changed


async def test_a_server_without_raw_path_takes_the_same_links(house: House) -> None:
    binary = await house.stored(b"content")
    url = house.download_url(binary)
    sent = exchange("HEAD", url)
    del sent.scope["raw_path"]
    await house.app(sent.scope, sent.receive, sent.send)
    assert sent.response.status_code == 200
    sent = exchange("HEAD", url.replace("/content/", "/content/x"))
    del sent.scope["raw_path"]
    await house.app(sent.scope, sent.receive, sent.send)
    assert error_of(sent.response) == (403, "URL_INVALID")


async def test_a_link_works_below_the_root_path_of_a_proxy(house: House) -> None:
    binary = await house.stored(b"content")
    sent = exchange("HEAD", "/bindery" + house.download_url(binary), root_path="/bindery")
    await house.app(sent.scope, sent.receive, sent.send)
    assert sent.response.status_code == 200


@pytest.mark.parametrize("method", WRONG_UPLOAD_METHODS)
async def test_an_upload_link_is_good_for_put_alone(house: House, method: str) -> None:
    binary, part = await destroyed(house)
    response = await house.client.request(method, house.expired(binary, part))
    assert response.status_code == 405
    assert response.headers["allow"] == "PUT"
    if method != "HEAD":
        assert error_of(response) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("method", WRONG_DOWNLOAD_METHODS)
async def test_a_download_link_is_good_for_get_and_head_alone(house: House, method: str) -> None:
    binary, _ = await destroyed(house)
    response = await house.client.request(method, house.expired(binary))
    assert error_of(response) == (405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "GET, HEAD"


async def test_a_changed_link_is_refused_before_all_else(house: House) -> None:
    binary, part = await destroyed(house)
    for url in (house.expired(binary, part), house.expired(binary)):
        assert await refused(house, "POST", url + "&epoch=1") == (403, "URL_INVALID")


async def test_destroyed_comes_before_expired(house: House) -> None:
    binary, part = await destroyed(house)
    assert await refused(house, "PUT", house.expired(binary, part)) == (410, "CONTENT_DESTROYED")
    assert await refused(house, "GET", house.expired(binary)) == (410, "CONTENT_DESTROYED")
    assert await refused(house, "GET", house.download_url(binary)) == (410, "CONTENT_DESTROYED")


async def test_superseded_comes_before_expired(house: House) -> None:
    binary, (part,) = await house.registered(b"content")
    await house.registered(b"another", binary=binary)
    for url in (house.upload_url(binary, part), house.expired(binary, part)):
        assert await refused(house, "PUT", url) == (410, "UPLOAD_SUPERSEDED")


async def test_a_finished_upload_takes_nothing(house: House) -> None:
    binary, (part,) = await house.registered(b"content")
    await house.client.put(house.upload_url(binary, part), content=b"content")
    await house.move(binary, Move.FINISH_UPLOAD)
    for url in (house.upload_url(binary, part), house.expired(binary, part)):
        response = await house.client.put(url, content=b"content")
        assert error_of(response) == (410, "UPLOAD_SUPERSEDED")
    await house.assert_tidy()


async def test_a_reset_ends_both_links(house: House) -> None:
    binary, (part,) = await house.registered(b"content")
    await house.client.put(house.upload_url(binary, part), content=b"content")
    await house.move(binary, Move.FINISH_UPLOAD)
    assert (await house.client.get(house.download_url(binary))).content == b"content"
    fresh = await house.move(binary, Move.RESET)
    for method, url in (
        ("PUT", house.upload_url(binary, part)),
        ("PUT", house.expired(binary, part)),
        ("GET", house.download_url(binary)),
        ("GET", house.expired(binary)),
        ("GET", house.download_url(fresh)),
    ):
        assert await refused(house, method, url) == (410, "UPLOAD_SUPERSEDED")
    await house.assert_tidy()
    assert [name async for name in house.store.names()] == []


async def test_a_deleted_record_ends_both_links(house: House) -> None:
    binary, (part,) = await house.registered(b"content")
    await delete_binary(house.actor, binary.id)
    assert await refused(house, "PUT", house.upload_url(binary, part)) == (410, "UPLOAD_SUPERSEDED")
    assert await refused(house, "GET", house.download_url(binary)) == (410, "UPLOAD_SUPERSEDED")


async def test_an_expired_link_changes_nothing(house: House) -> None:
    binary, (part,) = await house.registered(b"content")
    response = await house.client.put(house.expired(binary, part), content=b"content")
    assert error_of(response) == (403, "URL_EXPIRED")
    assert response.headers["connection"] == "close"
    assert (await part_of(part)).state == "UPLOADABLE"
    await house.assert_tidy()
    stored = await house.stored(b"content")
    assert await refused(house, "GET", house.expired(stored)) == (403, "URL_EXPIRED")


@pytest.mark.parametrize("state", [State.UPLOADABLE])
async def test_content_that_is_not_complete_can_not_be_downloaded(
    house: House, state: State
) -> None:
    binary = await house.stored(b"content", state=state)
    assert await refused(house, "GET", house.download_url(binary)) == (410, "UPLOAD_SUPERSEDED")


async def test_a_link_is_good_for_its_own_route_alone(house: House) -> None:
    binary = await house.stored(b"content")
    url = house.download_url(binary)
    sent = exchange("PUT", url, path="/upload/x/y")
    await house.app(sent.scope, sent.receive, sent.send)
    assert error_of(sent.response) == (403, "URL_INVALID")
