"""The scalars beyond GraphQL's own five."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

BigInt = NewType("BigInt", int)
DateTime = NewType("DateTime", datetime)
JSON = NewType("JSON", object)
Sha256 = NewType("Sha256", str)

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,30})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def _big_int(value: Any) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise GraphQLError("BigInt is a whole number of 64 bits, as a string or an integer.")
    return value


def _date_time(value: Any) -> datetime:
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise GraphQLError("DateTime is RFC 3339 with an offset, such as 2030-01-31T12:00:00Z.")


def write_date_time(value: datetime) -> str:
    """A moment as RFC 3339 in UTC, with `Z`."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise GraphQLError("Sha256 is 64 hex digits, or base64 of the 32 bytes.")
    return value


SCALARS: dict[object, ScalarDefinition] = {
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number of 64 bits. Answers are decimal strings, since JSON numbers"
        " lose digits beyond 53 bits; inputs may be strings or integers.",
        serialize=str,
        parse_value=_big_int,
    ),
    DateTime: strawberry.scalar(
        name="DateTime",
        description="A moment, as RFC 3339. Inputs need an offset, and what they say beyond"
        " microseconds is dropped; answers are UTC with `Z`.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=write_date_time,
        parse_value=_date_time,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    ),
    Sha256: strawberry.scalar(
        name="Sha256",
        description="A SHA-256. Answers are 64 lowercase hex digits; inputs may be hex of any"
        " case, or base64 of the 32 bytes.",
        serialize=str,
        parse_value=_text,
    ),
}
