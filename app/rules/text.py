"""Text that people and devices send: names, descriptions, tags, identifiers, custom metadata.

A name is shown in consoles, logs and HTTP headers and is never used as a path. So it is one line
of plain text, and characters that could forge another line or reorder what is read are refused;
slashes and dots are ordinary characters. Lengths are counted in Unicode code points.
Source of the rules: the table of bad inputs in the API's contract.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

from app.rules.errors import BadUserInput

MAX_DESCRIPTION: Final = 256
MAX_IDENTIFIER: Final = 128
MAX_TAG: Final = 64
MAX_TAGS: Final = 32
MAX_METADATA_BYTES: Final = 1_000_000
MAX_METADATA_DEPTH: Final = 64
MAX_SOUGHT: Final = 1024
"""The longest text that a list can be asked for."""

# Controls, line and paragraph separators, bidirectional embeddings, overrides and isolates, and
# lone surrogates (which no UTF-8 can hold). Joiners stay allowed: some scripts need them.
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSTORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")
_OFFENCES: Final = {
    "Cc": "a control character",
    "Cf": "a bidirectional override or isolate",
    "Cs": "half of a surrogate pair",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}


def label(path: Sequence[str]) -> str:
    """The words by which a message names the input at `path`, such as `input.parts.0.hash`."""
    return ".".join(path)


def name(value: str, *, field: str, max_length: int, path: Sequence[str] = ()) -> str:
    """Return `value` unchanged if it is a name: 1 to `max_length` code points, on one line.

    `path` names the input concerned and is `("input", field)` when not given. Spaces at either
    end are refused, since two names that look the same would both count as unique.

    Raises BadUserInput: empty, too long, nothing visible in it, a space at an end, or an unsafe
    character.
    """
    path = path or ("input", field)
    if not 1 <= len(value) <= max_length:
        raise BadUserInput(
            f"{label(path)} has {len(value)} characters, it must have 1 to {max_length}.", path=path
        )
    _check_characters(value, path=path)
    if not any(unicodedata.category(character)[0] not in "CZ" for character in value):
        raise BadUserInput(f"{label(path)} must hold a visible character.", path=path)
    if value != value.strip():
        raise BadUserInput(f"{label(path)} must not begin or end with a space.", path=path)
    return value


def description(
    value: str, *, field: str, max_length: int = MAX_DESCRIPTION, path: Sequence[str] = ()
) -> str:
    """Return `value` unchanged if it is a description: 0 to `max_length` code points.

    Line feeds and tabs are allowed, else the characters are those of a name. `path` is
    `("input", field)` when not given. Raises BadUserInput.
    """
    path = path or ("input", field)
    if len(value) > max_length:
        raise BadUserInput(
            f"{label(path)} has {len(value)} characters, it must have at most {max_length}.",
            path=path,
        )
    _check_characters(value, path=path, allowed="\n\t")
    return value


def sought(value: str, *, path: Sequence[str]) -> str:
    """Return `value` unchanged if it can be looked for: a text that a database can compare.

    Whatever is longer than any text that is listed, or holds what none can hold, would be found
    nowhere, and some databases fail at it. Raises BadUserInput.
    """
    if len(value) > MAX_SOUGHT:
        raise BadUserInput(
            f"{label(path)} has {len(value)} characters, it must have at most {MAX_SOUGHT}.",
            path=path,
        )
    _check_characters(value, path=path, unsafe=_UNSTORABLE)
    return value


def identifier(value: str, *, path: Sequence[str] = ("input", "identifier")) -> str:
    """Return `value` unchanged if it can identify a device: a name of 1 to 128 code points."""
    return name(value, field="identifier", max_length=MAX_IDENTIFIER, path=path)


def tags(values: Sequence[str], *, path: Sequence[str] = ("input", "tags")) -> list[str]:
    """Return the tags in their order, each once: at most 32, each a name of 1 to 64 code points.

    Tags are a set, so a repeated one is no mistake. Raises BadUserInput, for a bad tag with its
    position (from 0) in the path.
    """
    if len(values) > MAX_TAGS:
        raise BadUserInput(
            f"{label(path)} holds {len(values)} tags, it must hold at most {MAX_TAGS}.", path=path
        )
    for position, tag in enumerate(values):
        name(tag, field="tags", max_length=MAX_TAG, path=(*path, str(position)))
    return list(dict.fromkeys(values))


def custom_metadata(
    value: object, *, path: Sequence[str] = ("input", "customMetadata")
) -> dict[str, Any]:
    """Return `value` if it is a JSON object that every supported database can hold.

    At most 1,000,000 bytes as compact UTF-8 JSON; objects and lists nested at most 64 deep, the
    object itself being the first level. Numbers are finite, whole ones fit in 64 bits, so that
    they are answered as they came. Texts and keys hold no NUL (PostgreSQL's jsonb has none) and
    no lone surrogate. Raises BadUserInput.
    """
    if not isinstance(value, dict):
        raise BadUserInput(f'{label(path)} must be a JSON object, such as {{"a": 1}}.', path=path)
    _check_json(value, depth=1, path=path)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    length = len(text.encode())
    if length > MAX_METADATA_BYTES:
        raise BadUserInput(
            f"{label(path)} takes {length} bytes as compact JSON, "
            f"it may take at most {MAX_METADATA_BYTES}.",
            path=path,
        )
    return value


def _check_characters(
    value: str, *, path: Sequence[str], allowed: str = "", unsafe: re.Pattern[str] = _UNSAFE
) -> None:
    for found in unsafe.finditer(value):
        if found[0] not in allowed:
            raise BadUserInput(
                f"{label(path)} holds {_offence(found[0])} (U+{ord(found[0]):04X}) "
                f"as character {found.start() + 1}; remove it.",
                path=path,
            )


def _offence(character: str) -> str:
    if character == "\0":
        return "a NUL"
    if character in "\r\n":
        return "a line break"
    return _OFFENCES[unicodedata.category(character)]


def _check_json(value: object, *, depth: int, path: Sequence[str]) -> None:
    """Refuse what JSON or a database can't hold; the bound on `depth` bounds the recursion."""
    fault = _json_fault(value, depth=depth)
    if fault:
        raise BadUserInput(f"{label(path)} {fault}.", path=path)
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise BadUserInput(f"{label(path)} must have texts as keys.", path=path)
            _check_json(key, depth=depth, path=path)
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _check_json(item, depth=depth + 1, path=path)


def _json_fault(value: object, *, depth: int) -> str | None:
    """What is wrong with one JSON value, its children apart; None if nothing is."""
    match value:
        case dict() | list():
            too_deep = depth > MAX_METADATA_DEPTH
            return f"must not nest more than {MAX_METADATA_DEPTH} deep" if too_deep else None
        case str():
            found = _UNSTORABLE.search(value)
            return f"must not hold {_offence(found[0])}, in keys or texts" if found else None
        case int():
            fits = -(2**63) <= value < 2**63
            return None if fits else "must hold whole numbers of 64 bits; send larger ones as text"
        case float():
            return None if math.isfinite(value) else "must hold finite numbers, no NaN or infinity"
        case None:
            return None
    return f"must hold JSON values alone, {type(value).__name__} is none"
