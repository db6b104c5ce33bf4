"""Hostile requests: all of them, and those that are so by their values, texts and bodies."""

from __future__ import annotations

import json
from collections.abc import Iterator

from graphql import get_introspection_query

from tests.suites.documents import (
    INVALID,
    TOO_COMPLEX,
    UNPARSED,
    Hostile,
    asked,
    depths,
    floods,
    fragments,
)


def hostile() -> list[Hostile]:
    """All of them."""
    return [
        *fragments(),
        *floods(),
        *depths(),
        *_values(),
        *_texts(),
        *_operations(),
        *_introspection(),
        *_costs(),
        *_bodies(),
    ]


def _values() -> Iterator[Hostile]:
    page = "{{ products(first: {}) {{ totalCount }} }}"
    yield asked("an integer of 60,000 digits", page.format("9" * 60_000), INVALID)
    yield asked("an integer of 4,000 digits", page.format("9" * 4_000), INVALID)
    yield asked("a float beyond all", page.format("1e" + "9" * 1_000), INVALID)
    yield asked("a float of 60,000 digits", page.format("0." + "9" * 60_000), INVALID)
    text = '{{ product(id: "{}") {{ id }} }}'
    yield asked("a text of 60,000 characters", text.format("a" * 60_000), "BAD_USER_INPUT")
    yield asked("10,000 unicode escapes", text.format("\\u0041" * 10_000), "BAD_USER_INPUT")
    yield asked("10,000 long escapes", text.format("\\u{1F600}" * 7_000), "BAD_USER_INPUT")
    yield asked("half of a pair, escaped", text.format("\\uD800" * 9_000), UNPARSED)
    yield asked("an escape that is none", text.format("\\q"), UNPARSED)
    yield asked("a text that does not end", '{ product(id: "' + "a" * 60_000, UNPARSED)
    yield asked(
        "a block string of 20,000 lines",
        '{ product(id: """' + " \n  " * 15_000 + '""") { id } }',
        "BAD_USER_INPUT",
    )
    yield asked(
        "a block string that does not end", '{ product(id: """' + '\\"""' * 15_000, UNPARSED
    )
    yield asked(
        "a list of 1,900 ids", "{ nodes(ids: [" + '"a" ' * 1_900 + "]) { id } }", "BAD_USER_INPUT"
    )
    yield asked(
        "a variable of 30,000 ids",
        "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        TOO_COMPLEX,
        "cost",
        ids=["a"] * 30_000,
    )
    yield asked(
        "a variable of 100,000 lists",
        "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        TOO_COMPLEX,
        "cost",
        ids=[[]] * 100_000,
    )
    yield asked(
        "an object of 50,000 fields",
        "query($f: ProductFilter) { products(filter: $f) { totalCount } }",
        INVALID,
        f={f"a{i}": 1 for i in range(50_000)},
    )
    yield asked(
        "a filter of 20,000 states",
        "query($f: BinaryFilter) { binaries(filter: $f) { totalCount } }",
        "BAD_USER_INPUT",
        f={"state": ["SIGNED"] * 20_000},
    )


def _texts() -> Iterator[Hostile]:
    yield asked("65,000 characters", "{ viewer { id } }" + " " * 65_000, TOO_COMPLEX, "characters")
    yield asked("32,000 comments", "#\n" * 32_000 + "{ a }", TOO_COMPLEX, "characters")
    yield asked("comments and no operation", "#\n" * 31_000, TOO_COMPLEX, "tokens")
    yield asked("60,000 commas", "," * 60_000, UNPARSED)
    yield asked("60,000 byte order marks", "\ufeff" * 60_000 + "{", UNPARSED)
    yield asked("60,000 line ends", "\r\n" * 30_000 + "{", UNPARSED)
    yield asked("2,001 tokens", "{ " + "a " * 2_001 + "}", TOO_COMPLEX, "tokens")
    yield asked("20,000 braces", "{" * 20_000, UNPARSED)
    yield asked("60,000 ampersands", "&" * 60_000, UNPARSED)
    yield asked("a name of 60,000 letters", "{ " + "a" * 60_000 + " }", INVALID)
    yield asked(
        "nearly right names, so that suggestions are looked for",
        "{ organization { " + " ".join(f"artefactVersion{i}" for i in range(400)) + " } }",
        INVALID,
    )
    yield asked(
        "values that are no member of an enum",
        "{ binaries(filter: {state: [" + "SIGNABEL " * 900 + "]}) { totalCount } }",
        INVALID,
    )
    yield asked(
        "types that there are not",
        "query(" + " ".join(f"$v{i}: Binarry{i}" for i in range(400)) + ") { viewer { id } }",
        INVALID,
    )
    yield asked("a type definition", "type A { a: Int } " * 200, INVALID)


def _operations() -> Iterator[Hostile]:
    many = " ".join(f"query Q{i} {{ viewer {{ id }} }}" for i in range(200))
    yield asked("200 operations and no name", many, "OPERATION_NAME_REQUIRED")
    yield asked("200 operations, none of them named so", many, INVALID, operation="X" * 100_000)
    yield asked(
        "one operation 200 times", "query Q { viewer { id } } " * 200, INVALID, operation="Q"
    )
    yield asked(
        "a subscription of 20 fields",
        "subscription { " + "eventRecorded { kind } " * 20 + "}",
        "NOT_ACCEPTABLE",
    )
    yield asked("no operation", "fragment F on Query { viewer { id } }", INVALID)


def _introspection() -> Iterator[Hostile]:
    deep = "ofType { " * 25 + "name" + " }" * 25
    yield asked(
        "a deep type",
        f"{{ __schema {{ types {{ fields {{ type {{ {deep} }} }} }} }} }}",
        TOO_COMPLEX,
        "depth",
    )
    wide = "fields { type { " * 6 + "name" + " } }" * 6
    yield asked(
        "types through their fields",
        f"{{ __schema {{ types {{ {wide} }} }} }}",
        TOO_COMPLEX,
        "cost",
    )
    turn = "possibleTypes { interfaces { " * 5 + "name" + " } }" * 5
    yield asked(
        "types through their interfaces",
        f'{{ __type(name: "Node") {{ {turn} }} }}',
        TOO_COMPLEX,
        "cost",
    )
    usual = get_introspection_query(descriptions=True)
    twice = usual.replace("__schema", "a: __schema { types { ...FullType } } __schema", 1)
    yield asked("the usual question for the schema, twice", twice, TOO_COMPLEX, "cost")
    many = " ".join(f"a{i}: __schema {{ types {{ name }} }}" for i in range(31))
    yield asked("the schema 31 times", f"{{ {many} }}", TOO_COMPLEX, "aliases")
    beside = f"viewer {{ id }} __schema {{ types {{ {wide} }} }}"
    yield asked("the schema beside a field", f"{{ {beside} }}", TOO_COMPLEX, "cost")


def _costs() -> Iterator[Hostile]:
    events = paged("binaries", "releases", "events")
    yield asked("pages of pages", f"{{ {events.replace('@', '100')} }}", TOO_COMPLEX, "cost")
    by_variable = events.replace("@", "$n")
    yield asked(
        "pages by variables",
        f"query($n: Int) {{ {by_variable} }}",
        TOO_COMPLEX,
        "cost",
        n=100,
    )
    yield asked(
        "pages by a variable's default",
        f"query($n: Int = 100) {{ {by_variable} }}",
        TOO_COMPLEX,
        "cost",
    )
    unsaid = paged("products", "devices", "events").replace("(first: @)", "")
    yield asked("pages of which none says how large", f"{{ {unsaid} }}", TOO_COMPLEX, "cost")
    cohorts = paged("cohorts", "releases").replace("@", "50")
    yield asked(
        "nodes of nodes",
        f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Product {{ {cohorts} }} }} }}",
        TOO_COMPLEX,
        "cost",
        ids=["a"] * 100,
    )


def paged(*lists: str) -> str:
    """Lists in each other, each with pages of `@`."""
    inner = "id"
    for list_ in reversed(lists):
        inner = f"{list_}(first: @) {{ nodes {{ {inner} }} }}"
    return inner


def _bodies() -> Iterator[Hostile]:
    one = b'{"query": "{ viewer { id } }"}'
    yield Hostile("a batch of 10,000", b"[" + b",".join([one] * 10_000) + b"]", "BAD_REQUEST")
    yield Hostile("lists in lists, as a body", b"[" * 500_000, "BAD_JSON")
    yield Hostile("objects in objects, as a body", b'{"a":' * 150_000, "BAD_JSON")
    yield Hostile("a number of 500,000 digits", b'{"query": ' + b"9" * 500_000 + b"}", "BAD_JSON")
    yield Hostile(
        "a variable of 5,000 digits",
        b'{"query": "query($n: Int) { products(first: $n) { totalCount } }", "variables": {"n": '
        + b"9" * 5_000
        + b"}}",
        "BAD_JSON",
    )
    yield Hostile("one key 60,000 times", b"{" + b'"query":1,' * 60_000 + b'"a":1}', "BAD_REQUEST")
    yield Hostile("no UTF-8", b'{"query": "' + b"\xff" * 500_000 + b'"}', "BAD_ENCODING")
    yield Hostile("two megabytes", b" " * (2 << 20), "BODY_TOO_LARGE")
    yield Hostile(
        "500,000 escapes", b'{"query": "' + b"\\n" * 500_000 + b'"}', TOO_COMPLEX, "characters"
    )
    yield Hostile(
        "a document by an endless id",
        json.dumps({"documentId": "sha256:" + "a" * 500_000}).encode(),
        "DOCUMENT_NOT_FOUND",
    )
