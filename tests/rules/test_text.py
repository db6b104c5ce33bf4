import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules import text
from app.rules.errors import BadUserInput

PATH = ("input", "name")

UNSAFE = [
    ("\0", "a NUL (U+0000)"),
    ("\a", "a control character (U+0007)"),
    ("\x1b", "a control character (U+001B)"),
    ("\x7f", "a control character (U+007F)"),
    ("\x85", "a control character (U+0085)"),
    ("\r", "a line break (U+000D)"),
    ("\N{LINE SEPARATOR}", "a line separator (U+2028)"),
    ("\N{PARAGRAPH SEPARATOR}", "a paragraph separator (U+2029)"),
    ("\N{LEFT-TO-RIGHT EMBEDDING}", "a bidirectional override or isolate (U+202A)"),
    ("\N{RIGHT-TO-LEFT OVERRIDE}", "a bidirectional override or isolate (U+202E)"),
    ("\N{LEFT-TO-RIGHT ISOLATE}", "a bidirectional override or isolate (U+2066)"),
    ("\N{POP DIRECTIONAL ISOLATE}", "a bidirectional override or isolate (U+2069)"),
    ("\ud800", "half of a surrogate pair (U+D800)"),
    ("\udfff", "half of a surrogate pair (U+DFFF)"),
]
ONE_LINE_ONLY = [("\n", "a line break (U+000A)"), ("\t", "a control character (U+0009)")]


@pytest.mark.parametrize(
    "value",
    [
        "a",
        "a" * 64,
        "\N{GRINNING FACE}" * 64,
        "Firmware, 2. Ausgabe (Ä)",
        "../../etc/passwd",
        "C:\\x/y",
        "'; DROP TABLE binary; --",
        "<script>",
        "क\N{ZERO WIDTH JOINER}ष",
    ],
)
def test_a_name_is_returned_unchanged(value: str) -> None:
    assert text.name(value, field="name", max_length=64) == value


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("", "has 0 characters, it must have 1 to 64."),
        ("a" * 65, "has 65 characters, it must have 1 to 64."),
        ("   ", "must hold a visible character."),
        ("\N{ZERO WIDTH SPACE}\N{NO-BREAK SPACE}", "must hold a visible character."),
        (" a", "must not begin or end with a space."),
        ("a ", "must not begin or end with a space."),
        ("a\N{IDEOGRAPHIC SPACE}", "must not begin or end with a space."),
        ("a\r\nSet-Cookie: b", "holds a line break (U+000D) as character 2; remove it."),
    ],
)
def test_what_is_no_name_is_refused(value: str, rule: str) -> None:
    with pytest.raises(BadUserInput) as refused:
        text.name(value, field="name", max_length=64)
    assert refused.value.message == f"input.name {rule}"
    assert refused.value.path == PATH


@pytest.mark.parametrize(("character", "words"), UNSAFE + ONE_LINE_ONLY)
def test_an_unsafe_character_is_refused_in_a_name(character: str, words: str) -> None:
    with pytest.raises(BadUserInput) as refused:
        text.name(f"ab{character}c", field="name", max_length=64)
    assert refused.value.message == f"input.name holds {words} as character 3; remove it."
    assert refused.value.message.isascii()


def test_a_given_path_names_the_input() -> None:
    path = ("input", "devices", "3", "name")
    with pytest.raises(BadUserInput, match=r"^input\.devices\.3\.name has 0") as refused:
        text.name("", field="name", max_length=1, path=path)
    assert refused.value.path == path


@given(st.text())
def test_a_name_that_passes_is_safe_in_a_header_and_in_utf_8(value: str) -> None:
    try:
        text.name(value, field="name", max_length=1000)
    except BadUserInput:
        return
    assert value.splitlines() == [value]
    assert value.encode().decode() == value


@pytest.mark.parametrize("value", ["", " ", "a" * 256, "two\n\tlines ", "\N{GRINNING FACE}" * 256])
def test_a_description_is_returned_unchanged(value: str) -> None:
    assert text.description(value, field="description") == value


@pytest.mark.parametrize(("character", "words"), UNSAFE)
def test_an_unsafe_character_is_refused_in_a_description(character: str, words: str) -> None:
    with pytest.raises(BadUserInput) as refused:
        text.description(f"\n{character}", field="description")
    assert refused.value.message == f"input.description holds {words} as character 2; remove it."
    assert refused.value.path == ("input", "description")


def test_a_long_description_is_refused() -> None:
    with pytest.raises(BadUserInput, match="has 257 characters, it must have at most 256"):
        text.description("a" * 257, field="description")
    with pytest.raises(BadUserInput, match="at most 3") as refused:
        text.description("abcd", field="description", max_length=3, path=("message",))
    assert refused.value.path == ("message",)


def test_an_identifier_is_a_name_of_at_most_128_characters() -> None:
    assert text.identifier("a" * 128) == "a" * 128
    for value in ("", "a" * 129):
        with pytest.raises(BadUserInput, match="it must have 1 to 128") as refused:
            text.identifier(value)
        assert refused.value.path == ("input", "identifier")


def test_tags_keep_their_order_and_lose_repetitions() -> None:
    assert text.tags([]) == []
    assert text.tags(["b", "a", "b", "B"]) == ["b", "a", "B"]
    assert len(text.tags([str(number) for number in range(32)])) == 32


def test_too_many_tags_are_refused() -> None:
    with pytest.raises(BadUserInput, match="holds 33 tags, it must hold at most 32") as refused:
        text.tags([str(number) for number in range(33)])
    assert refused.value.path == ("input", "tags")


@pytest.mark.parametrize("tag", ["", "a" * 65, "a\nb"])
def test_a_bad_tag_is_refused_with_its_position(tag: str) -> None:
    with pytest.raises(BadUserInput) as refused:
        text.tags(["a" * 64, tag])
    assert refused.value.path == ("input", "tags", "1")


def nested(depth: int) -> dict[str, Any]:
    """An object of so many levels, lists and objects by turns."""
    value: Any = 1
    for level in range(depth - 1, 0, -1):
        value = [value] if level % 2 else {"a": value}
    return {"a": value}


def sized(length: int) -> dict[str, Any]:
    return {"a": "x" * (length - len('{"a":""}'))}


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"": [None, True, False, 0, -(2**63), 2**63 - 1, 1.5, -0.0, "", "\n\t\x01", {}]},
        {"ключ": "значение"},
        nested(64),
        sized(1_000_000),
        {"a": "\N{GRINNING FACE}" * 249_998},
    ],
)
def test_custom_metadata_is_returned_as_it_came(value: dict[str, Any]) -> None:
    assert text.custom_metadata(value) is value


@pytest.mark.parametrize("value", [None, [], "{}", 1, True])
def test_custom_metadata_is_an_object(value: object) -> None:
    with pytest.raises(BadUserInput, match=r'must be a JSON object, such as \{"a": 1\}') as refused:
        text.custom_metadata(value)
    assert refused.value.path == ("input", "customMetadata")


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ({"a": {1: 2}}, "must have texts as keys"),
        ({"a": [float("nan")]}, "must hold finite numbers, no NaN or infinity"),
        ({"a": float("-inf")}, "must hold finite numbers, no NaN or infinity"),
        (json.loads('{"a": 1e999}'), "must hold finite numbers, no NaN or infinity"),
        ({"a": 2**63}, "must hold whole numbers of 64 bits; send larger ones as text"),
        ({"a": -(2**63) - 1}, "must hold whole numbers of 64 bits; send larger ones as text"),
        ({"a": 10**5000}, "must hold whole numbers of 64 bits; send larger ones as text"),
        ({"a": ["\0"]}, "must not hold a NUL, in keys or texts"),
        ({"a": {"\0": 1}}, "must not hold a NUL, in keys or texts"),
        ({"\ud800": 1}, "must not hold half of a surrogate pair, in keys or texts"),
        ({"a": b""}, "must hold JSON values alone, bytes is none"),
        (nested(65), "must not nest more than 64 deep"),
        (nested(5000), "must not nest more than 64 deep"),
        (
            sized(1_000_001),
            "takes 1000001 bytes as compact JSON, it may take at most 1000000",
        ),
        (
            {"a": "\N{GRINNING FACE}" * 249_999},
            "takes 1000004 bytes as compact JSON, it may take at most 1000000",
        ),
    ],
)
def test_custom_metadata_that_could_not_be_kept_is_refused(
    value: dict[str, Any], rule: str
) -> None:
    with pytest.raises(BadUserInput) as refused:
        text.custom_metadata(value, path=("customMetadata",))
    assert refused.value.message == f"customMetadata {rule}."
    assert refused.value.path == ("customMetadata",)


@pytest.mark.parametrize(
    "value", ["", "a", "a" * 1024, "a\r\nb", "\N{RIGHT-TO-LEFT OVERRIDE}", "%"]
)
def test_a_text_to_look_for_is_returned_unchanged(value: str) -> None:
    assert text.sought(value, path=("filter", "name")) == value


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("a" * 1025, "has 1025 characters, it must have at most 1024."),
        ("a\0", "holds a NUL (U+0000) as character 2; remove it."),
        ("\udfff", "holds half of a surrogate pair (U+DFFF) as character 1; remove it."),
    ],
)
def test_a_text_that_no_database_can_compare(value: str, rule: str) -> None:
    with pytest.raises(BadUserInput) as refused:
        text.sought(value, path=("filter", "name"))
    assert refused.value.message == f"filter.name {rule}"
    assert refused.value.path == ("filter", "name")
