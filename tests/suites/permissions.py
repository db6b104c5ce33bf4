"""The permission matrix: who gets what of everything that the schema and the routes offer.

`fixtures/permissions.csv` is the table, a line for each place and a column for each identity. What
the places are is worked out from the schema and the routes, so that a new one without a line fails.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final

from graphql import GraphQLObjectType
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from tests.graphql.questions import TYPES

TABLE: Final = Path(__file__).parents[2] / "fixtures" / "permissions.csv"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

BY_LINK: Final = " by a good link"
_LINKED: Final = {"/content/{rest:path}": ("GET", "HEAD"), "/upload/{rest:path}": ("PUT",)}

OK: Final = "ok"
"""What is asked for is given, or the mutation goes on to look at its input."""
UNREACHED: Final = "-"
"""No object of this type can be come to."""
_TAKING: Final = (
    "startbinary",
    "reset",
    "retire",
    "archive",
    "deletebinarysignature",
    "destroy",
    "delete",
    "revoke",
)


class Identity(StrEnum):
    """Who asks. All but two are of the organization that is asked about."""

    ANONYMOUS = "anonymous"
    REVOKED = "revoked"
    READ = "READ"
    WRITE = "WRITE"
    ADMIN = "ADMIN"
    DEVICE = "DEVICE"
    """The key of the device that is asked about."""
    OTHER_DEVICE = "other DEVICE"
    """The key of another device of the same cohort."""
    OTHER_ORGANIZATION = "other ADMIN"
    """The ADMIN key of another organization."""


def read() -> dict[str, dict[Identity, str]]:
    """The table: each place with what each identity gets."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {
            row["place"]: {identity: row[identity] for identity in Identity}
            for row in csv.DictReader(file)
        }


def write(table: dict[str, dict[Identity, str]]) -> None:
    """Writes the table, sorted as `listed` sorts."""
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["place", *Identity])
        for place, row in table.items():
            writer.writerow([place, *(row[identity] for identity in Identity)])


def fields() -> Iterator[str]:
    """Every field of every object type, as `Type.field`."""
    for name, type_ in sorted(TYPES.items()):
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__"):
            yield from (f"{name}.{field}" for field in sorted(type_.fields))


def routes(app: Starlette) -> Iterator[str]:
    """Every route with every method, and WebSockets."""
    for route in app.routes:
        if isinstance(route, Route):
            yield from (f"{method} {route.path}" for method in METHODS)
            yield from (f"{method} {route.path}{BY_LINK}" for method in _LINKED.get(route.path, ()))
        elif isinstance(route, WebSocketRoute):
            yield f"WebSocket {route.path}"
        else:
            raise TypeError(f"{route} is of a kind that the matrix does not know")


def listed(app: Starlette) -> Iterator[str]:
    """Every place, in the order of the table.

    What changes anything comes last, and at the very end what takes away what others need, so that
    one world serves for all of them.
    """
    yield from sorted((*fields(), *routes(app)), key=_lateness)


def _lateness(place: str) -> int:
    type_, _, field = place.partition(".")
    if type_ != "Mutation" and not type_.endswith("Payload"):
        return 0
    word = (field if type_ == "Mutation" else type_).lower()
    return next((late for late, verb in enumerate(_TAKING, 2) if word.startswith(verb)), 1)
