"""Limits of operations: hostile documents are refused at once, good ones pass."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable

import pytest
from graphql import get_introspection_query, parse

from app.graphql.gate import kind_of, measured, parsed, validated
from app.graphql.guard import DEFAULT, Guard, Limits, TooComplex, whole
from app.graphql.overlaps import MOST_FIELDS, Overlaps
from app.graphql.schema import schema

SCHEMA = schema._schema


def judged(text: str, limits: Limits | None = None, **variables: object) -> int:
    document = parse(text)
    guard = Guard(SCHEMA, document, variables)
    (operation,) = [one for one in document.definitions if one.kind == "operation_definition"]
    return guard.check(operation, limits or Limits())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("{ viewer { name } }", 1),
        ("{ binaries(first: 7) { nodes { id } } }", 8),
        ("{ binaries { nodes { id } } }", 51),
        ("{ binaries(last: 3) { nodes { artifactVersion { version } } } }", 7),
        ("query($n: Int) { binaries(first: $n) { nodes { id } } }", 5),
        ("query($n: Int = 100) { binaries(first: $n) { nodes { id } } }", 5),
        ("query($m: Int = 100) { binaries(first: $m) { nodes { id } } }", 101),
        ("query($i: [ID!]! = [1, 2]) { nodes(ids: $i) { ... on Device { cohort { id } } } }", 5),
        ("{ __schema { types { fields { type { name } } } } }", 1 + 1 + 10 * (1 + 10)),
        ('{ __type(name: "Node") { possibleTypes { fields { name } } } }', 1 + 1 + 10),
        ("{ nodes(ids: [1, 2, 3]) { ... on Device { cohort { id } } } }", 7),
        ("{ a: viewer { ...F } b: viewer { ...F } } fragment F on ApiKey { device { id } }", 4),
    ],
)
def test_costs_are_those_of_the_formula(text: str, cost: int) -> None:
    assert judged(text, n=4) == cost


ABSENT = object()


@pytest.mark.parametrize("default", ["", " = 1", " = null"])
@pytest.mark.parametrize("value", [ABSENT, None, 7, 7.0, 7.5, "7", True, [7, 7], 10**12, 0])
def test_what_is_kept_is_what_the_guard_finds(value: object, default: str) -> None:
    text = f"query($n: Int{default}) {{ binaries(first: $n) {{ nodes {{ labels(a: $n) }} }} }}"
    sent = {} if value is ABSENT else {"n": value}
    for _ in range(2):
        cost, _label = measured(SCHEMA, text, None, sent, DEFAULT)
        assert cost == judged(text, None, **sent)


def test_null_is_not_the_default() -> None:
    text = "query($n: Int = 1) { binaries(first: $n) { nodes { id } } }"
    costs = [measured(SCHEMA, text, None, sent, DEFAULT)[0] for sent in ({}, {"n": None}, {})]
    # Null is sent as null, and a page without a size has 50.
    assert costs == [2, 51, 2]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3),
        (3.0, 3),
        (-1, -1),
        (2**31 - 1, 2**31 - 1),
        (2**31, None),
        pytest.param(10**4_000, None, id="4,000 digits"),
        (1e300, None),
        (float("inf"), None),
        (float("nan"), None),
        (3.5, None),
        (True, None),
        ("3", None),
        (None, None),
    ],
)
def test_a_whole_number_is_one_that_an_int_takes(value: object, number: int | None) -> None:
    assert whole(value) == number


def left_by(act: Callable[[], object]) -> int:
    """How many bytes are taken after an act that were not before."""
    tracemalloc.start()
    try:
        act()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_variables_that_nobody_declared_are_not_kept() -> None:
    text = "query($n: Int) { binaries(first: $n) { nodes { name: id } } }"
    measured(SCHEMA, text, None, {"n": 3}, DEFAULT)

    def ask() -> None:
        sent = {f"v{number}": number for number in range(20_000)}
        measured(SCHEMA, text, None, {"n": 3, **sent}, DEFAULT)

    assert left_by(ask) < 20_000


def test_a_text_of_too_many_characters_is_not_kept() -> None:
    text = "{ viewer { id } } #"
    assert kind_of(text, None, DEFAULT) == "query"
    assert left_by(lambda: kind_of(text + "x" * 1_000_000, None, DEFAULT)) < 20_000
    assert kind_of(text + "x" * 1_000_000, None, DEFAULT) is None


def test_elements_of_lists_in_arguments_cost() -> None:
    mutation = (
        "mutation($i: CreateBinaryPartsInput!) { createBinaryParts(input: $i) { parts { id } } }"
    )
    parts = [{"index": index} for index in range(1_000)]
    assert judged(mutation, i={"parts": parts}) == 1_002


BOMB = "{ viewer { ...F0 } }" + "".join(
    f" fragment F{i} on ApiKey {{ ...F{i + 1} ...F{i + 1} }}" for i in range(60)
)
NESTED = "viewer { device { " + "product { cohorts { nodes { " * 8 + "id" + " } } }" * 8 + " } }"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (BOMB + " fragment F60 on ApiKey { a: name b: name }", "aliases"),
        ("{" + " ".join(f"a{i}: viewer {{ id }}" for i in range(31)) + "}", "aliases"),
        ("{ viewer { id } ".ljust(10) + "viewer { id } " * 20 + "}", "root fields"),
        ("{ viewer { " + "name @skip(if: false) " * 51 + "} }", "directives"),
        ("{" + NESTED + "}", "depth"),
        (
            (
                "{ binaries(first: 100) { nodes { releases(first: 100) { nodes { events(first: 100)"
                " { nodes { id } } } } } } }"
            ),
            "cost",
        ),
        (
            "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A"
            " viewer { device { ...C } } } fragment C on Device { "
            + " ".join(f"a{i}: identifier" for i in range(40))
            + " }",
            "aliases",
        ),
        (
            "mutation {"
            + " ".join('createArtifact(input: {name: "a"}) { errors { code } }' for _ in range(11))
            + "}",
            "mutations",
        ),
    ],
    ids=["bomb", "aliases", "roots", "directives", "depth", "cost", "cycle", "mutations"],
)
def test_hostile_documents_are_refused_at_once(text: str, what: str) -> None:
    taken = []
    for _ in range(5):
        start = time.process_time()
        with pytest.raises(TooComplex) as refused:
            judged(text)
        taken.append(time.process_time() - start)
    # The least of five: the others may hold a collection of this process's garbage.
    assert min(taken) < 0.05
    assert refused.value.extensions is not None
    assert refused.value.extensions["code"] == "QUERY_TOO_COMPLEX"
    assert refused.value.extensions["limit"] == what


ALIKE = "device { product { id } } "


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("{ viewer { id name } }", 0),
        ("{ viewer { id id id } }", 3),
        # Below the two devices, which are merged, there are two ids.
        ("{ viewer { device { id } device { id } } }", 2),
        ("{ viewer { a: id b: id a: id } }", 1),
        ("{ viewer { ...F ... { id } id } } fragment F on ApiKey { id }", 3),
        # A fragment that is spread twice in one place is there once.
        ("{ viewer { ...F ...F } } fragment F on ApiKey { id }", 0),
        # And what nobody asks for is validated too.
        ("{ viewer { id } } fragment F on ApiKey { id id }", 1),
        ("query A { viewer { id } } query B { viewer { id id } }", 1),
        ("{ viewer { ...F } } fragment F on ApiKey { device { apiKeys { nodes { ...F } } } }", 0),
    ],
)
def test_pairs_of_fields_of_one_name_are_counted(text: str, pairs: int) -> None:
    overlaps = Overlaps(parse(text))
    overlaps.count(1_000)
    assert overlaps.pairs == pairs


def test_counting_ends_where_a_document_unfolds_without_end() -> None:
    below = " ".join(f"a{i}: device {{ ...F@ }}" for i in range(8))
    ring = [
        f"fragment F{i} on Device {{ b{i}: product {{ id }} {below.replace('@', str(i + 1))} }}"
        for i in range(30)
    ]
    document = parse("{ viewer { device { ...F0 } } }" + " ".join(ring))
    taken = []
    for _ in range(3):
        overlaps = Overlaps(document)
        start = time.process_time()
        overlaps.count(1_000)
        taken.append(time.process_time() - start)
        assert overlaps.fields <= 2 * MOST_FIELDS
    # Garbage of other tests may be collected meanwhile, which is no part of it.
    assert min(taken) < 0.05


def test_what_is_kept_was_counted() -> None:
    with pytest.raises(TooComplex) as refused:
        parsed("{ viewer { " + ALIKE * 50 + "} }", DEFAULT)
    assert refused.value.extensions is not None
    assert refused.value.extensions["limit"] == "overlaps"
    document = parsed("{ viewer { " + ALIKE * 20 + "} }", DEFAULT)
    assert len(document.definitions) == 1


def test_a_number_of_too_many_digits_is_a_mistake_of_the_document() -> None:
    text = "{ products(first: " + "9" * 5_000 + ") { totalCount } }"
    (error,) = validated(SCHEMA, text, DEFAULT)
    assert error.message == "A whole number has too many digits."
    assert error.original_error is None


def test_the_standard_introspection_passes() -> None:
    assert judged(get_introspection_query(descriptions=True, input_value_deprecation=True)) < 25_000


def test_the_question_of_the_readme_passes() -> None:
    assert (
        judged(
            "{ binary(id: 1) { impact { releases(first: 100) { nodes { release { cohort { product"
            " { name } } bundle { artifactVersions(first: 20) { nodes { version } } } } } } } } }"
        )
        < 25_000
    )
