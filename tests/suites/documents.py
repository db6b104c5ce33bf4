"""Hostile documents by their shape: fragments, floods and depths."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

TOO_COMPLEX: Final = "QUERY_TOO_COMPLEX"
INVALID: Final = "GRAPHQL_VALIDATION_FAILED"
NOT_JSON: Final = "BAD_JSON"
UNPARSED: Final = "GRAPHQL_PARSE_FAILED"


@dataclass(frozen=True, slots=True)
class Hostile:
    """A body to POST, and the code that refuses it; for a limit, which."""

    name: str
    body: bytes
    code: str
    limit: str = ""
    headers: dict[str, str] = field(default_factory=dict)


def asked(
    name: str, query: str, code: str, limit: str = "", *, operation: str | None = None, **more: Any
) -> Hostile:
    """A request for an operation, and how it is refused."""
    body = {"query": query, "variables": more, "operationName": operation}
    return Hostile(name, json.dumps(body).encode(), code, limit)


def chain(links: int, each: str, last: str, type_: str = "ApiKey") -> str:
    """Fragments of which each one holds the next."""
    return (
        " ".join(
            f"fragment F{i} on {type_} {{ {each.replace('@', f'...F{i + 1}')} }}"
            for i in range(links)
        )
        + f" fragment F{links} on {type_} {{ {last} }}"
    )


def fragments() -> Iterator[Hostile]:
    """Fragments that multiply, and that end in themselves."""
    yield asked(
        "a fragment bomb of aliases",
        "{ viewer { ...F0 } } " + chain(60, "@ @", "a: name b: name"),
        TOO_COMPLEX,
        "aliases",
    )
    yield asked(
        "a fragment bomb of objects",
        "{ viewer { ...F0 } } " + chain(60, "@ @", "device { id }"),
        TOO_COMPLEX,
        "cost",
    )
    yield asked(
        "a fragment bomb of directives",
        "{ viewer { ...F0 } } " + chain(60, "@ @", "name @skip(if: false)"),
        TOO_COMPLEX,
        "directives",
    )
    yield asked(
        "a fragment bomb within inline fragments",
        "{ viewer { ...F0 } } " + chain(60, "... { @ } ... { @ }", "device { id }"),
        TOO_COMPLEX,
        "cost",
    )
    yield asked("a fragment in itself", "{ ...A } fragment A on Query { ...A }", INVALID)
    yield asked(
        "two fragments in each other",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        INVALID,
    )
    ring = chain(200, "@", "...F0", "Query")
    yield asked("a ring of 200 fragments", "{ ...F0 } " + ring, INVALID)
    yield asked(
        "a fragment in itself, below a field",
        "{ viewer { ...A } } fragment A on ApiKey { device { apiKeys { nodes { ...A } } } }",
        INVALID,
    )
    yield asked(
        "a ring that doubles",
        "{ ...F0 } " + chain(100, "@ @", "...F0 ...F1", "Query"),
        INVALID,
    )
    clique = " ".join(
        f"fragment F{i} on Query {{ {' '.join(f'...F{j}' for j in range(25))} }}" for i in range(25)
    )
    yield asked("25 fragments, each in all", "{ ...F0 } " + clique, INVALID)
    yield asked(
        "fragments that nobody uses",
        "{ viewer { id } } "
        + " ".join(f"fragment F{i} on Query {{ __typename }}" for i in range(250)),
        INVALID,
    )
    yield asked(
        "spreads of fragments that there are not",
        "{ " + " ".join(f"...F{i}" for i in range(900)) + " }",
        INVALID,
    )
    yield asked(
        "fragments of one name",
        "{ ...F } " + "fragment F on Query { __typename } " * 250,
        INVALID,
    )


def floods() -> Iterator[Hostile]:
    """More of something than anybody needs."""
    yield asked(
        "aliases of a root field",
        "{ " + " ".join(f"a{i}: rateLimit {{ cost }}" for i in range(31)) + " }",
        TOO_COMPLEX,
        "aliases",
    )
    yield asked(
        "as many aliases as there are tokens",
        "{ viewer { " + " ".join(f"a{i}: name" for i in range(600)) + " } }",
        TOO_COMPLEX,
        "aliases",
    )
    yield asked(
        "10,000 root fields",
        "{ " + "__typename " * 10_000 + "}"[:1],
        TOO_COMPLEX,
        "characters",
    )
    yield asked("2,000 root fields", "{ " + "viewer " * 2_000 + "}", TOO_COMPLEX, "tokens")
    yield asked("21 root fields", "{ " + "viewer { id } " * 21 + "}", TOO_COMPLEX, "root fields")
    yield asked(
        "root fields in fragments",
        "{ ...A ...B } fragment A on Query { " + "viewer { id } " * 11 + "}"
        " fragment B on Query { " + "viewer { id } " * 11 + "}",
        TOO_COMPLEX,
        "root fields",
    )
    mutation = 'createArtifact(input: {name: "a"}) { errors { code } } '
    yield asked("11 mutations", "mutation { " + mutation * 11 + "}", TOO_COMPLEX, "mutations")
    yield asked(
        "directives on a field",
        "{ viewer { " + "name @skip(if: false) " * 51 + "} }",
        TOO_COMPLEX,
        "directives",
    )
    yield asked(
        "directives on one place",
        "{ viewer { name " + "@a " * 900 + "} }",
        TOO_COMPLEX,
        "directives",
    )
    yield asked("directives on an operation", "query " + "@a " * 900 + "{ viewer { id } }", INVALID)
    yield asked(
        "directives on a fragment",
        "{ ...A } fragment A on Query " + "@a " * 900 + "{ viewer { id } }",
        INVALID,
    )
    yield asked(
        "directives on a variable", "query($a: Int " + "@a " * 900 + ") { viewer { id } }", INVALID
    )
    yield asked(
        "one field again and again",
        "{ viewer { " + "name " * 1_950 + "} }",
        TOO_COMPLEX,
        "overlaps",
    )
    yield asked(
        "one object again and again",
        "{ viewer { " + "device { id } " * 450 + "} }",
        TOO_COMPLEX,
        "overlaps",
    )
    yield asked(
        "one field in many fragments",
        "{ viewer { "
        + " ".join(f"...F{i}" for i in range(60))
        + " } } "
        + " ".join(
            f"fragment F{i} on ApiKey {{ device {{ id identifier product {{ id }} }} }}"
            for i in range(60)
        ),
        TOO_COMPLEX,
        "overlaps",
    )
    yield asked(
        "arguments that conflict",
        "{ organization { "
        + " ".join(f"events(first: {i + 1}) {{ totalCount }}" for i in range(200))
        + " } }",
        TOO_COMPLEX,
        "overlaps",
    )
    yield asked(
        "one argument again and again",
        "{ events(" + "first: 1 " * 600 + ") { totalCount } }",
        INVALID,
    )
    yield asked(
        "variables that nobody uses",
        "query(" + " ".join(f"$v{i}: Int" for i in range(490)) + ") { viewer { id } }",
        INVALID,
    )
    yield asked(
        "variables of one name", "query(" + "$v: Int " * 490 + ") { viewer { id } }", INVALID
    )


def depths() -> Iterator[Hostile]:
    """Things within things."""
    below = "viewer { device { " + "product { cohorts { nodes { " * 8 + "id" + " } } }" * 8 + " } }"
    yield asked("a depth of 27", "{ " + below + " }", TOO_COMPLEX, "depth")
    yield asked("900 levels of fields", "{ a " * 900 + "} " * 900, TOO_COMPLEX, "depth")
    yield asked("900 levels that are not closed", "{ a " * 900, TOO_COMPLEX, "depth")
    yield asked(
        "300 inline fragments in each other",
        "{ " + "... { " * 300 + "viewer { id } " + "} " * 301,
        TOO_COMPLEX,
        "depth",
    )
    yield asked(
        "lists in lists",
        "{ nodes(ids: " + "[" * 900 + "]" * 900 + ") { id } }",
        TOO_COMPLEX,
        "depth",
    )
    yield asked(
        "objects in objects",
        "{ products(filter: " + "{a: " * 600 + "1" + "}" * 600 + ") { totalCount } }",
        TOO_COMPLEX,
        "depth",
    )
    yield asked(
        "types in types",
        "query($a: " + "[" * 900 + "Int" + "]" * 900 + ") { viewer { id } }",
        TOO_COMPLEX,
        "depth",
    )
    yield asked(
        "a variable nested 900 deep",
        "query($i: UpdateBinaryInput!) { __typename }",
        NOT_JSON,
        i=nested(900),
    )


def nested(levels: int) -> Any:
    """Objects in each other."""
    found: Any = {}
    for _ in range(levels):
        found = {"a": found}
    return found
