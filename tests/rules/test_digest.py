import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.digest import from_base64, sha256_hex, size
from app.rules.errors import BadUserInput

PATH = ("input", "hash")
# These bytes use both letters in which the two base64 alphabets differ.
DIGEST = bytes.fromhex("fbff" * 16)
STANDARD = "+//7//v/+//7//v/+//7//v/+//7//v/+//7//v/+/8="
URL_SAFE = "-__7__v_-__7__v_-__7__v_-__7__v_-__7__v_-_8="


@pytest.mark.parametrize(
    "value",
    [
        "fbff" * 16,
        "FBFF" * 16,
        "fbFF" * 16,
        STANDARD,
        URL_SAFE,
        STANDARD.rstrip("="),
        URL_SAFE.rstrip("="),
    ],
)
def test_every_spelling_gives_lowercase_hex(value: str) -> None:
    assert sha256_hex(value, path=PATH) == "fbff" * 16


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a" * 63,
        "a" * 65,
        "g" * 64,
        "a" * 64 + "\n",
        " " + "a" * 64,
        "0x" + "a" * 62,
        "\N{FULLWIDTH DIGIT ONE}" * 64,
        STANDARD + "=",
        STANDARD[1:],
        STANDARD + "\n",
        STANDARD[:-2] + "9=",  # A stray bit after the 32 bytes.
        "-" + STANDARD[1:],  # Both alphabets at once.
        "." + STANDARD[1:],
        base64.b64encode(bytes(31)).decode(),
        base64.b64encode(bytes(33)).decode(),
    ],
)
def test_anything_else_is_refused(value: str) -> None:
    with pytest.raises(BadUserInput) as refused:
        sha256_hex(value, path=PATH)
    assert refused.value.message == (
        "input.hash must be a SHA-256: 64 hex digits, or base64 of its 32 bytes."
    )
    assert refused.value.path == PATH


@given(st.binary(min_size=32, max_size=32))
def test_base64_of_32_bytes_is_read_in_both_alphabets(value: bytes) -> None:
    for spelt in (base64.b64encode(value), base64.urlsafe_b64encode(value)):
        assert from_base64(spelt.decode()) == value
        assert from_base64(spelt.decode().rstrip("=")) == value


def test_hex_is_no_base64() -> None:
    assert from_base64("00" * 32) is None


@pytest.mark.parametrize("value", [0, 1, 2**31, 53_687_091_200_000])
def test_a_size_is_returned_unchanged(value: int) -> None:
    assert size(value, path=("input", "size")) == value


@pytest.mark.parametrize("value", [-1, 53_687_091_200_001, 10**100])
def test_a_size_out_of_range_is_refused(value: int) -> None:
    with pytest.raises(BadUserInput) as refused:
        size(value, path=("input", "size"))
    assert refused.value.message == "input.size must be 0 to 53687091200000 bytes."
    assert refused.value.path == ("input", "size")
