"""The page of permissions, printed from the table that the suite S2 holds the server to.

`python -m tests.docs.permissions_page` writes it.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Final

from tests.suites.permissions import OK, UNREACHED, Identity, read

PAGE: Final = Path(__file__).parents[2] / "docs" / "permissions.md"
INTRODUCTION: Final = """\
# Permissions

Who gets what, printed from `fixtures/permissions.csv`, which lists every field, mutation,
subscription and route. A new one without a line there fails the tests, and `make suites` (S2) asks
a server for all of it, as everybody.

An API key has one role. READ, WRITE and ADMIN each include the former; a DEVICE key is its
device's, and good for nothing else. Without a key, or with a revoked one, GraphQL answers nothing
at all: `UNAUTHENTICATED`, `KEY_REVOKED`. What another organization has is `NOT_FOUND`, as what
there is not.

`ok` means that the answer is given. `–` means that no object of this type can be come to, since
everything that leads there is refused."""
_ROLES: Final = (Identity.READ, Identity.WRITE, Identity.ADMIN)
_SHOWN: Final = (*_ROLES, Identity.DEVICE, Identity.OTHER_DEVICE, Identity.OTHER_ORGANIZATION)
_HEADS: Final = ("READ", "WRITE", "ADMIN", "its DEVICE", "another DEVICE", "another's ADMIN")


def page() -> str:
    """The whole page."""
    table = read()
    parts = [INTRODUCTION]
    for title, type_ in (
        ("Queries", "Query"),
        ("Mutations", "Mutation"),
        ("Subscriptions", "Subscription"),
    ):
        rows = {place: row for place, row in table.items() if place.startswith(f"{type_}.")}
        parts += [f"\n## {title}\n", _head("", *_HEADS)]
        parts += [_line(f"`{place.split('.')[1]}`", row) for place, row in sorted(rows.items())]
    parts += ["\n## Routes\n", _routes(table), "\n## Fields\n", _FIELDS, _fields(table)]
    return "\n".join(parts)


_FIELDS: Final = """\
What a key is given of an object, once it has come to one. A DEVICE key comes to few: its update,
and what that is made of. Where its column names fields, all others are `FORBIDDEN`. The payload of
a mutation is given to everybody, since it holds the refusals.
"""
_ROOTS: Final = ("Query", "Mutation", "Subscription")


def _fields(table: dict[str, dict[Identity, str]]) -> str:
    types: defaultdict[str, dict[str, dict[Identity, str]]] = defaultdict(dict)
    for place, row in table.items():
        type_, _, field = place.partition(".")
        if " " not in place and type_ not in _ROOTS and not type_.endswith("Payload"):
            types[type_][field] = row
    lines = [_head("", "READ", "WRITE", "ADMIN", "its DEVICE")]
    for type_, fields in sorted(types.items()):
        told = [_given(fields, identity) for identity in (*_ROLES, Identity.DEVICE)]
        lines.append(f"| `{type_}` | {' | '.join(told)} |")
    return "\n".join(lines) + "\n"


def _given(fields: dict[str, dict[Identity, str]], identity: Identity) -> str:
    verdicts = {row[identity] for row in fields.values()}
    if verdicts == {OK}:
        return "all"
    if OK not in verdicts:
        return ", ".join(sorted(_told(one) for one in verdicts))
    return ", ".join(f"`{field}`" for field, row in sorted(fields.items()) if row[identity] == OK)


def _routes(table: dict[str, dict[Identity, str]]) -> str:
    """Methods that are refused to everybody are left out."""
    lines = [_head("", "no key", "revoked", *_HEADS)]
    for place, row in table.items():
        if " " in place and set(row.values()) != {"405"}:
            told = [_told(row[identity]) for identity in Identity]
            lines.append(f"| `{place}` | {' | '.join(told)} |")
    return "\n".join(lines) + "\n"


def _head(*names: str) -> str:
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def _line(name: str, row: dict[Identity, str]) -> str:
    return f"| {name} | {' | '.join(_told(row[identity]) for identity in _SHOWN)} |"


def _told(verdict: str) -> str:
    if verdict == UNREACHED:
        return "–"
    return verdict if verdict == OK or verdict.isdigit() else f"`{verdict}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
