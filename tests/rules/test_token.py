import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.token import seal, unseal

KEY = bytes(range(32))


def test_a_sealed_value_is_the_payload_and_a_tag() -> None:
    sealed = seal("plan", b"\xfb\xff payload", key=KEY)
    assert sealed == "-_8gcGF5bG9hZOE0_NoOuXWoW2uS_GM2nsk"
    raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    assert raw[:-16] == b"\xfb\xff payload"
    assert len(raw) == 26


@given(
    purpose=st.text(st.characters(codec="utf-8"), max_size=20),
    payload=st.binary(max_size=100),
    key=st.binary(min_size=32, max_size=32),
    tag_bytes=st.integers(8, 32),
)
def test_a_sealed_value_is_read_back(
    purpose: str, payload: bytes, key: bytes, tag_bytes: int
) -> None:
    sealed = seal(purpose, payload, key=key, tag_bytes=tag_bytes)
    assert unseal(purpose, sealed, key=key, tag_bytes=tag_bytes) == payload
    assert not set(sealed) & set("+/=")


def test_no_character_can_be_changed_left_out_or_added() -> None:
    sealed = seal("plan", b"payload", key=KEY)
    for at, character in enumerate(sealed):
        for other in {"A", "B", "-", "/", "=", "\n", "\xff", "\ud800"} - {character}:
            refused(sealed[:at] + other + sealed[at + 1 :])
            refused(sealed[:at] + other + sealed[at:])
        refused(sealed[:at] + sealed[at + 1 :])
    for ending in ("=", "==", "\n", " ", "A"):
        refused(sealed + ending)


def refused(text: str, *, purpose: str = "plan", key: bytes = KEY, tag_bytes: int = 16) -> None:
    with pytest.raises(ValueError):
        unseal(purpose, text, key=key, tag_bytes=tag_bytes)


@pytest.mark.parametrize("text", ["", "A", "AA", "A" * 21, "A" * 22, "A" * 1000, "é"])
def test_what_was_never_sealed_is_refused(text: str) -> None:
    refused(text)


def test_a_value_sealed_for_another_purpose_is_refused() -> None:
    sealed = seal("plan", b"payload", key=KEY)
    refused(sealed, purpose="cursor")
    refused(seal("pla", b"npayload", key=KEY))
    refused(sealed, key=KEY[::-1])
    refused(sealed, tag_bytes=15)
    refused(seal("plan", b"payload", key=KEY, tag_bytes=8))


@pytest.mark.parametrize("tag_bytes", [0, 7, 33])
def test_a_tag_is_neither_too_short_nor_longer_than_the_hash(tag_bytes: int) -> None:
    with pytest.raises(ValueError, match="a tag has 8 to 32 bytes"):
        seal("plan", b"", key=KEY, tag_bytes=tag_bytes)
    with pytest.raises(ValueError, match="a tag has 8 to 32 bytes"):
        unseal("plan", "", key=KEY, tag_bytes=tag_bytes)
