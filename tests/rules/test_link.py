import dataclasses
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.failures import UrlInvalid
from app.rules.link import Link, sign, verify

KEY = bytes(range(32))
ORGANIZATION = UUID("01890000-0000-7000-8000-00000000000a")
BINARY = UUID("01890000-0000-7000-8000-00000000000b")
PART = UUID("01890000-0000-7000-8000-00000000000c")
UPLOAD = Link("upload", ORGANIZATION, BINARY, PART, epoch=3, expires=1_800_000_000)
DOWNLOAD = Link("download", ORGANIZATION, BINARY, None, epoch=0, expires=1_800_000_000)


def verified(url: str, *, key: bytes = KEY) -> Link:
    path, _, query = url.partition("?")
    return verify(path, query.encode("latin-1"), key=key)


def test_an_upload_names_the_registration() -> None:
    assert sign(UPLOAD, key=KEY) == (
        f"/upload/{BINARY}/{PART}?organization={ORGANIZATION}&epoch=3&expires=1800000000"
        "&signature=f8cc7be5c6caa288e3ed252a0eecdf8e1e8273a075d66149690b10918905518d"
    )
    assert verified(sign(UPLOAD, key=KEY)) == UPLOAD


def test_a_download_names_the_binary() -> None:
    assert sign(DOWNLOAD, key=KEY) == (
        f"/content/{BINARY}?organization={ORGANIZATION}&epoch=0&expires=1800000000"
        "&signature=6f1b1e6770f03ad2bd16f0af46494b63e6927e47cf5031d7cda80e4fa22ef3c4"
    )
    assert verified(sign(DOWNLOAD, key=KEY)) == DOWNLOAD


@given(
    ids=st.tuples(st.uuids(), st.uuids(), st.none() | st.uuids()),
    epoch=st.integers(0, 10**18 - 1),
    expires=st.integers(0, 10**18 - 1),
    key=st.binary(min_size=32, max_size=32),
)
def test_a_signed_link_is_read_back(
    ids: tuple[UUID, UUID, UUID | None], epoch: int, expires: int, key: bytes
) -> None:
    link = Link("upload" if ids[2] else "download", *ids, epoch=epoch, expires=expires)
    assert verified(sign(link, key=key), key=key) == link


@pytest.mark.parametrize("link", [UPLOAD, DOWNLOAD])
def test_no_character_can_be_changed_left_out_or_doubled(link: Link) -> None:
    url = sign(link, key=KEY)
    for at, character in enumerate(url):
        for other in {"0", "1", "a", "A", "&", "%", "\xff"} - {character}:
            refused(url[:at] + other + url[at + 1 :])
        refused(url[:at] + url[at + 1 :])
        refused(url[: at + 1] + url[at:])


def refused(url: str, *, key: bytes = KEY) -> None:
    with pytest.raises(UrlInvalid) as refusal:
        verified(url, key=key)
    assert refusal.value.message == (
        "This link was changed, or not issued by this server; ask for a fresh one."
    )


def test_parameters_are_those_that_were_signed() -> None:
    url = sign(UPLOAD, key=KEY)
    path, _, query = url.partition("?")
    organization, epoch, expires, signature = query.split("&")
    for other in [
        [],
        [organization, epoch, expires],
        [epoch, expires, signature],
        [organization, epoch, epoch, expires, signature],
        [organization, epoch, expires, signature, signature],
        [organization, expires, epoch, signature],
        [signature, organization, epoch, expires],
        [organization, epoch, expires, "x=1", signature],
        [organization, epoch, expires, signature, "x=1"],
        [organization, epoch, expires, signature, ""],
        [organization, epoch.replace("3", "%33"), expires, signature],
        [organization, epoch.replace("3", "03"), expires, signature],
        [organization, epoch.replace("3", "+3"), expires, signature],
        [organization.replace("-", "%2D"), epoch, expires, signature],
        [organization.upper(), epoch, expires, signature],
        [organization, epoch, expires.replace("18", "19"), signature],
        [organization, epoch, expires, signature.upper().replace("SIGNATURE", "signature")],
    ]:
        refused(f"{path}?{'&'.join(other)}")


def test_the_path_is_compared_as_it_was_sent() -> None:
    url = sign(UPLOAD, key=KEY)
    refused(url.replace("/upload/0", "/upload/%30"))
    refused(url.replace("/upload/", "//upload/"))
    refused(url.replace("/upload/", "/Upload/"))
    refused(url.replace("?", "/?"))
    refused(f"https://example.org{url}")
    refused(url + "\n")


def test_a_link_of_another_kind_or_key_is_refused() -> None:
    upload, download = sign(UPLOAD, key=KEY), sign(DOWNLOAD, key=KEY)
    refused(upload.replace(f"/upload/{BINARY}/{PART}", f"/content/{BINARY}"))
    refused(download.replace(f"/content/{BINARY}", f"/upload/{BINARY}/{PART}"))
    refused(upload, key=KEY[::-1])


def test_a_link_whose_time_is_over_still_verifies() -> None:
    old = dataclasses.replace(UPLOAD, expires=0)
    assert verified(sign(old, key=KEY)) == old


def test_a_link_expires_at_its_second() -> None:
    assert not UPLOAD.expired(1_799_999_999.999)
    assert UPLOAD.expired(1_800_000_000)
    assert UPLOAD.expired(1_800_000_001)


def test_a_link_that_makes_no_sense_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="an upload names a part registration"):
        dataclasses.replace(UPLOAD, part_registration_id=None)
    with pytest.raises(ValueError, match="a download none"):
        dataclasses.replace(DOWNLOAD, part_registration_id=PART)
    for number in (-1, 10**18):
        with pytest.raises(ValueError, match="at most 18 digits"):
            dataclasses.replace(UPLOAD, epoch=number)
        with pytest.raises(ValueError, match="at most 18 digits"):
            dataclasses.replace(UPLOAD, expires=number)
