"""The suite of generated operations gets far, is the same each time, and finds what is planted."""

from __future__ import annotations

import random

import httpx
import pytest
from graphql import parse

from app import database
from app.rules.errors import BadUserInput, Forbidden
from tests.soak.turn import Turn
from tests.suites import generated
from tests.suites.answers import DOCUMENTED, inside_told, wrong_errors

CASES = 60


def played(first: int = 0) -> list[str]:
    turn = Turn("S4", first, first + CASES, seed=1, seconds=240)
    generated.play(turn)
    assert turn.done == CASES
    return turn.found


@pytest.mark.long
def test_nothing_is_found_in_a_few_cases() -> None:
    assert played() == []


@pytest.mark.parametrize("refusal", [Forbidden, BadUserInput])
def test_a_code_that_no_page_explains_is_found(
    monkeypatch: pytest.MonkeyPatch, refusal: type[Exception]
) -> None:
    monkeypatch.setattr(refusal, "code", "SURPRISE")
    assert any("without a documented code" in finding for finding in played())


def test_a_failure_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = generated._asking

    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    async def breaking(http: httpx.AsyncClient) -> generated.Asking:
        found = await prepared(http)
        monkeypatch.setattr(database, "query", broken)
        return found

    monkeypatch.setattr(generated, "_asking", breaking)
    assert any("INTERNAL_SERVER_ERROR" in finding for finding in played())


def test_a_salt_draws_the_same_operations_again() -> None:
    first = generated.operations("1 0")
    generated.operations.cache_clear()
    assert generated.operations("1 0") == first
    assert len(set(first)) > generated.DRAWN // 2
    assert generated.operations("1 1") != first


def test_ids_of_the_organization_are_put_in() -> None:
    asking = generated.Asking({}, {"Product": ["prn:of:a:product"], "Device": ["prn:of:a:device"]})
    query = 'query { product(id: "") { id } nodes(ids: [1, "x"]) { id } }'
    written = [asking.with_ids(query, random.Random(seed)) for seed in range(40)]
    assert {"prn:of:a:device" in one for one in written} == {True, False}
    assert sum('product(id: "prn:of:a:product")' in one for one in written) > 20
    assert not any('product(id: "prn:of:a:device")' in one for one in written)


def test_mutations_are_made_to_tell_their_errors() -> None:
    asking = generated.Asking({}, {"Product": ["prn:of:a:product"]})
    query = 'mutation { archiveProduct(input: {productId: ""}) { product { id } } }'
    assert "told: errors {" in asking.with_ids(query, random.Random(1))
    parse(asking.with_ids(query, random.Random(1)))


def test_answers_are_judged() -> None:
    assert "INTERNAL_SERVER_ERROR" in DOCUMENTED
    assert len(DOCUMENTED) > 50
    good = '{"data": {"a": {"told": [{"code": "NOT_FOUND"}]}, "b": null}}'
    assert wrong_errors(good) == ""
    assert wrong_errors(good.replace("NOT_FOUND", "SURPRISE"))
    assert wrong_errors("oops")
    assert wrong_errors("{}")
    assert wrong_errors('{"errors": []}')
    error = '{"errors": [{"message": "m", "extensions": {"code": "FORBIDDEN", "requestId": "1"}}]}'
    assert wrong_errors(error) == ""
    for without in ('"m"', '"FORBIDDEN"', '"1"'):
        assert wrong_errors(error.replace(without, '""')), without
    assert wrong_errors(error.replace("FORBIDDEN", "INTERNAL_SERVER_ERROR"))
    for told in ("Traceback (most recent call last)", 'SELECT * FROM "binary" WHERE', "asyncpg.x"):
        assert inside_told(told)
        assert not inside_told(told, sent=told)
