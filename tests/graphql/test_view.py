"""GraphQL over HTTP: methods, media types, sizes, and what errors look like on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.graphql import view
from app.graphql.transport import GRAPHQL_RESPONSE, JSON, negotiate
from app.settings import Settings
from tests.api import Api

# The door is the same whatever the database; what differs is tried with the table of bad inputs.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

MAX_BODY = Settings().limit_body
VIEWER = "{ viewer { name } }"
TOLD = {"viewer": {"name": "test"}}
CREATE = 'mutation { createArtifact(input: {name: "new"}) { artifact { name } errors { code } } }'


async def ask(api: Api, method: str = "POST", **options: Any) -> httpx.Response:
    """One request with the key; a body of its own, or the plainest query."""
    headers = {"authorization": f"Bearer {api.key}", **options.pop("headers", {})}
    if method == "POST" and "content" not in options:
        options["content"] = json.dumps({"query": VIEWER})
        headers = {"content-type": JSON, **headers}
    return await api.http.request(method, "/graphql", headers=headers, **options)


def refused(answer: httpx.Response, status: int, code: str) -> str:
    """The message of the one error that an answer consists of."""
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]["code"]) == (status, code), answer.text
    assert error["extensions"]["requestId"]
    assert "data" not in answer.json()
    assert answer.headers["content-type"].endswith("json; charset=utf-8")
    message: str = error["message"]
    return message


async def artifacts(api: Api) -> int:
    found: int = (await api.ask("{ artifacts { totalCount } }"))["artifacts"]["totalCount"]
    return found


async def test_a_query_by_post(api: Api) -> None:
    answer = await ask(api)
    assert (answer.status_code, answer.json()["data"]) == (200, TOLD)
    assert answer.headers["content-type"] == f"{JSON}; charset=utf-8"
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_query_by_get(api: Api) -> None:
    made = await api.do("createArtifact", "artifact { id }", name="firmware")
    query = "query A($id: ID!) { artifact(id: $id) { name } } query B { viewer { name } }"
    variables = json.dumps(made)
    parameters = {"query": query, "variables": variables, "operationName": "A"}
    answer = await ask(api, "GET", params=parameters)
    assert (answer.status_code, answer.json()["data"]) == (200, {"artifact": {"name": "firmware"}})


async def test_a_mutation_by_get_is_refused_and_not_done(api: Api) -> None:
    answer = await ask(api, "GET", params={"query": CREATE})
    refused(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "POST"
    assert await artifacts(api) == 0


@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, JSON])
@pytest.mark.parametrize(
    ("variables", "code"), [("{", "BAD_JSON"), ("[]", "BAD_REQUEST"), ("7", "BAD_REQUEST")]
)
async def test_bad_variables_in_a_query_string(
    api: Api, accept: str, variables: str, code: str
) -> None:
    parameters = {"query": VIEWER, "variables": variables}
    answer = await ask(api, "GET", params=parameters, headers={"accept": accept})
    refused(answer, 400, code)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_refused_with_those_that_are_taken(api: Api, method: str) -> None:
    answer = await ask(api, method)
    refused(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, POST"


async def test_other_methods_are_refused_without_a_key_too(http: httpx.AsyncClient) -> None:
    refused(await http.delete("/graphql"), 405, "METHOD_NOT_ALLOWED")


async def test_head_is_refused(api: Api) -> None:
    answer = await ask(api, "HEAD")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE}; charset=utf-8, {JSON}", GRAPHQL_RESPONSE),
        (f"{JSON}, {GRAPHQL_RESPONSE}", JSON),
        (f"{JSON};q=0.5, {GRAPHQL_RESPONSE};q=0.9", GRAPHQL_RESPONSE),
        (f"{JSON};q=0, {GRAPHQL_RESPONSE}", GRAPHQL_RESPONSE),
        ("APPLICATION/JSON", JSON),
        ("text/html, */*;q=0.1", JSON),
        ("text/html", None),
        (f"{JSON};q=0", None),
        (f"{JSON};q=much", None),
        (f"{JSON};q=0, */*", GRAPHQL_RESPONSE),
        (f"*/*, {JSON};q=0.1, {GRAPHQL_RESPONSE};q=0.2", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};q=0.1, application/*;q=0.2", JSON),
        (f"{GRAPHQL_RESPONSE}, */*", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};q=0, {JSON};q=0, */*", None),
    ],
)
def test_the_media_type_that_a_client_gets(
    accept: str | None, answered: str | None, database_url: str
) -> None:
    assert negotiate(accept) == answered


async def test_an_answer_that_no_client_of_ours_accepts(api: Api) -> None:
    answer = await ask(api, headers={"accept": "text/html"})
    assert GRAPHQL_RESPONSE in refused(answer, 406, "NOT_ACCEPTABLE")


async def test_an_accept_header_in_two_lines_is_one(api: Api) -> None:
    headers = [
        ("authorization", f"Bearer {api.key}"),
        ("content-type", JSON),
        ("accept", "text/html"),
        ("accept", GRAPHQL_RESPONSE),
    ]
    content = json.dumps({"query": VIEWER})
    answer = await api.http.post("/graphql", content=content, headers=headers)
    assert answer.json()["data"] == TOLD
    assert answer.headers["content-type"] == f"{GRAPHQL_RESPONSE}; charset=utf-8"


async def test_a_path_with_a_slash_too_many_leads_nowhere(api: Api) -> None:
    # To be sent on would take the key to whatever host the request names.
    answer = await api.http.post("/graphql/", headers={"authorization": f"Bearer {api.key}"})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/graphql",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        f"{JSON}; charset=iso-8859-1",
    ],
)
@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, JSON])
async def test_a_body_of_another_media_type(api: Api, content_type: str, accept: str) -> None:
    headers = {"content-type": content_type, "accept": accept}
    answer = await ask(api, content=json.dumps({"query": CREATE}), headers=headers)
    refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")
    assert answer.headers["accept-post"] == JSON
    assert await artifacts(api) == 0


@pytest.mark.parametrize(
    "content_type", [JSON, f"{JSON}; charset=utf-8", f'{JSON};charset="UTF-8"', "Application/JSON"]
)
async def test_spellings_of_the_media_type_that_is_taken(api: Api, content_type: str) -> None:
    headers = {"content-type": content_type}
    answer = await ask(api, content=json.dumps({"query": VIEWER}), headers=headers)
    assert answer.json()["data"] == TOLD


class Body:
    """A body that notes how much of it was read."""

    def __init__(self, chunks: int) -> None:
        self.left = chunks
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.left:
            self.left -= 1
            self.read += 1 << 16
            yield b" " * (1 << 16)


@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, JSON])
async def test_a_body_that_says_it_is_too_large_is_not_read(api: Api, accept: str) -> None:
    body = Body(32)
    headers = {"content-type": JSON, "accept": accept, "content-length": str(MAX_BODY + 1)}
    answer = await ask(api, content=body, headers=headers)
    assert str(MAX_BODY) in refused(answer, 413, "BODY_TOO_LARGE")
    assert body.read == 0


@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, JSON])
async def test_a_streamed_body_is_read_up_to_the_limit(api: Api, accept: str) -> None:
    body = Body(1 << 10)
    answer = await ask(api, content=body, headers={"content-type": JSON, "accept": accept})
    refused(answer, 413, "BODY_TOO_LARGE")
    assert MAX_BODY < body.read <= MAX_BODY + (1 << 16)


async def test_a_body_at_the_limit_is_taken(api: Api) -> None:
    text = json.dumps({"query": VIEWER}).ljust(MAX_BODY)
    answer = await ask(api, content=text, headers={"content-type": JSON})
    assert answer.json()["data"] == TOLD


async def test_a_syntax_error_has_its_line_and_column(api: Api) -> None:
    body = (await api.post("{\n  viewer {\n    id\n}")).json()
    (error,) = body["errors"]
    assert error["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"
    assert error["locations"] == [{"line": 4, "column": 2}]


@pytest.mark.parametrize(("accept", "status"), [(GRAPHQL_RESPONSE, 400), (JSON, 200)])
async def test_a_document_that_is_not_valid(api: Api, accept: str, status: int) -> None:
    text = json.dumps({"query": "{ colour viewer { size } }"})
    answer = await ask(api, content=text, headers={"content-type": JSON, "accept": accept})
    body = answer.json()
    assert (answer.status_code, "data" in body) == (status, False)
    assert answer.headers["content-type"] == f"{accept}; charset=utf-8"
    codes = {error["extensions"]["code"] for error in body["errors"]}
    assert (codes, len(body["errors"])) == ({"GRAPHQL_VALIDATION_FAILED"}, 2)


async def test_not_more_than_five_errors_are_told(api: Api) -> None:
    text = " ".join(f"colour{n}" for n in range(10))
    body = (await api.post(f"{{ viewer {{ {text} }} }}")).json()
    assert len(body["errors"]) == 5


@pytest.mark.parametrize(
    "sent",
    [
        {"query": f'{{ artifacts(first: "{"x" * 60_000}") {{ totalCount }} }}'},
        {"query": f"{{ nodes(ids: {'[' * 180}{']' * 180}) {{ id }} }}"},
        {"query": VIEWER, "operationName": "x" * 900_000},
        {
            "query": "query($f: EventFilter) { events(filter: $f) { totalCount } }",
            "variables": {"f": {"x" * 900_000: 1}},
        },
    ],
    ids=lambda sent: sent["query"][:20],
)
async def test_no_message_repeats_all_that_was_sent(api: Api, sent: dict[str, Any]) -> None:
    answer = await ask(api, content=json.dumps(sent), headers={"content-type": JSON})
    message = refused(answer, 200, "GRAPHQL_VALIDATION_FAILED")
    assert len(message) <= 1_001
    assert len(answer.content) < 5_000


@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, JSON])
async def test_an_error_of_a_field_leaves_the_rest_of_the_answer(api: Api, accept: str) -> None:
    text = json.dumps({"query": '{ viewer { name } artifact(id: "7") { name } }'})
    answer = await ask(api, content=text, headers={"content-type": JSON, "accept": accept})
    body = answer.json()
    assert answer.status_code == 200
    assert body["data"] == {**TOLD, "artifact": None}
    (error,) = body["errors"]
    assert error["path"] == ["artifact"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_each_refusal_has_a_request_id_of_its_own(api: Api) -> None:
    answers = [await ask(api, content="{", headers={"content-type": JSON}) for _ in range(3)]
    ids = {answer.json()["errors"][0]["extensions"]["requestId"] for answer in answers}
    assert len(ids) == 3


async def test_operation_names_choose_the_operation(api: Api) -> None:
    two = "query A { a: viewer { name } } query B { b: viewer { name } }"

    async def named(name: str | None) -> Any:
        text = json.dumps({"query": two, "operationName": name})
        return (await ask(api, content=text, headers={"content-type": JSON})).json()

    assert (await named("B"))["data"] == {"b": TOLD["viewer"]}
    assert (await named(None))["errors"][0]["extensions"]["code"] == "OPERATION_NAME_REQUIRED"
    assert (await named(""))["errors"][0]["extensions"]["code"] == "OPERATION_NAME_REQUIRED"
    assert "data" not in await named("C")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer secret",
        "bky_" + "A" * 43,
        "Basic bky_" + "A" * 43,
        "Bearer bky_" + "A" * 42,
        "Bearer bky_" + "A" * 43,
        "Bearer bky_" + "A" * 43 + " x",
    ],
)
@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, JSON])
async def test_without_a_key_that_exists(
    http: httpx.AsyncClient, header: str | None, accept: str
) -> None:
    headers = {"content-type": JSON, "accept": accept}
    if header is not None:
        headers["authorization"] = header
    answer = await http.post("/graphql", content=b"{", headers=headers)
    refused(answer, 401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_scheme_of_a_key_is_spelt_in_any_case(api: Api) -> None:
    answer = await ask(api, headers={"authorization": f"bEARER {api.key}"})
    assert answer.json()["data"] == TOLD


async def test_a_revoked_key_is_told_so(api: Api) -> None:
    query = """mutation($input: CreateApiKeyInput!) {
      createApiKey(input: $input) { apiKey { id } secret } }"""
    made = (await api.ask(query, input={"name": "test", "role": "READ"}))["createApiKey"]
    other = Api(api.http, made["secret"])
    assert (await ask(other)).json()["data"] == TOLD
    await api.do("revokeApiKey", "apiKey { id }", apiKeyId=made["apiKey"]["id"])
    refused(await ask(other), 401, "KEY_REVOKED")


async def test_an_expired_key_is_told_so(api: Api) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    query = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret } }"
    input = {"name": "test", "role": "READ", "expiresAt": soon.isoformat()}
    made = (await api.ask(query, input=input))["createApiKey"]
    other = Api(api.http, made["secret"])
    assert (await ask(other)).json()["data"] == TOLD
    await asyncio.sleep((soon - datetime.now(UTC)).total_seconds())
    refused(await ask(other), 401, "KEY_EXPIRED")


async def test_a_failure_before_execution_is_told_as_all_else(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("the secret of the house")

    monkeypatch.setattr(view, "bearer", broken)
    answer = await ask(api)
    assert refused(answer, 500, "INTERNAL_SERVER_ERROR")
    assert "secret" not in answer.text
    id = answer.json()["errors"][0]["extensions"]["requestId"]
    assert f"request {id} failed" in caplog.text


async def test_half_of_a_surrogate_pair_is_told_and_no_failure(api: Api) -> None:
    query = "query($f: BinaryFilter) { binaries(filter: $f) { totalCount } }"
    sent = json.dumps({"query": query, "variables": {"f": {"\ud800": 1}}})
    answer = await ask(api, content=sent, headers={"content-type": JSON})
    assert answer.status_code == 200
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert r"\ud800" in answer.text


async def test_half_of_a_surrogate_pair_is_told_in_events_too(api: Api) -> None:
    query = "subscription($f: EventFilter) { eventRecorded(filter: $f) { kind } }"
    sent = json.dumps({"query": query, "variables": {"f": {"\ud800": 1}}})
    headers = {"content-type": JSON, "accept": "text/event-stream"}
    answer = await ask(api, content=sent, headers=headers)
    assert "GRAPHQL_VALIDATION_FAILED" in answer.text
    assert r"\ud800" in answer.text


async def test_a_subscription_is_told_how_it_is_asked_for(api: Api) -> None:
    answer = await api.post("subscription { eventRecorded { kind } }")
    message = refused(answer, 406, "NOT_ACCEPTABLE")
    assert "text/event-stream" in message
    assert "WebSocket" in message


BOTH = f"{JSON}, text/event-stream"


async def test_a_client_that_takes_both_gets_an_answer_or_events(api: Api) -> None:
    headers = {"content-type": JSON, "accept": BOTH}

    async def told(query: str) -> httpx.Response:
        return await ask(api, content=json.dumps({"query": query}), headers=headers)

    assert (await told(VIEWER)).json()["data"] == TOLD
    assert (await told("subscription {")).headers["content-type"] == f"{JSON}; charset=utf-8"
    events = await told('subscription { binaryChanged(id: "7") { id } }')
    assert events.headers["content-type"].startswith("text/event-stream")
    assert "BAD_USER_INPUT" in events.text


@pytest.mark.parametrize("query", [VIEWER, CREATE])
async def test_events_are_of_subscriptions_alone(api: Api, query: str) -> None:
    headers = {"content-type": JSON, "accept": "text/event-stream"}
    answer = await ask(api, content=json.dumps({"query": query}), headers=headers)
    message = refused(answer, 406, "NOT_ACCEPTABLE")
    assert message == "Only a subscription is answered as text/event-stream."
    assert await artifacts(api) == 0


async def test_a_moment_may_be_finer_than_it_is_kept(api: Api) -> None:
    query = """mutation($at: DateTime) {
      createApiKey(input: {name: "fine", role: READ, expiresAt: $at}) { apiKey { expiresAt } } }"""
    told = await api.ask(query, at="2999-01-31t13:00:00.123456789+01:00")
    assert told["createApiKey"]["apiKey"] == {"expiresAt": "2999-01-31T12:00:00.123456Z"}


async def test_a_page_size_is_a_number_however_it_is_written(api: Api) -> None:
    query = "query($n: Int) { binaries(first: $n) { nodes { id } } }"
    costs = set()
    for written in ("100", "100.0", "1e2"):
        text = f'{{"query": "{query}", "variables": {{"n": {written}}}}}'
        answer = (await ask(api, content=text, headers={"content-type": JSON})).json()
        assert answer["data"] == {"binaries": {"nodes": []}}
        costs.add(answer["extensions"]["cost"]["requested"])
    assert costs == {101}
