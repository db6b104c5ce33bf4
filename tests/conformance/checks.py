"""What the endpoint does beyond the audits of graphql-http (api, section 3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from tests.conformance.wire import GRAPHQL_RESPONSE, JSON, Wire
from tests.journeys.checks import equal, true

NAME: Final = "{ viewer { name } }"
TOLD: Final = {"viewer": {"name": "command line"}}
TWO: Final = "query A { a: viewer { name } } query B { b: viewer { name } }"
MAKE: Final = 'mutation { createArtifact(input: {name: "by GET"}) { errors { code } } }'
LIMIT: Final = 1 << 20
POST_JSON: Final = {"content-type": JSON}

Check = tuple[str, Callable[[Wire], None]]


def accepts(accept: str | None, media_type: str, wire: Wire) -> None:
    """The answer comes in the media type that the client likes best, by POST and by GET."""
    equal("The data", wire.post(NAME, accept).data(media_type), TOLD)
    answer = wire.get(accept, query=NAME)
    equal("The data", answer.data(media_type), TOLD)
    equal("Vary", answer.headers["vary"], "Accept")
    equal("Cache-Control", answer.headers["cache-control"], "no-store")


def not_acceptable(accept: str, wire: Wire) -> None:
    """A client that takes neither media type is told so, in JSON."""
    wire.post(NAME, accept).refused(406, "NOT_ACCEPTABLE")


def method(name: str, wire: Wire) -> None:
    """Other methods are refused with those that are allowed."""
    answer = wire.send(name, b"{}", POST_JSON)
    equal("Allow", answer.headers["allow"], "GET, POST")
    if name == "HEAD":
        equal("The status", answer.status, 405)
    else:
        answer.refused(405, "METHOD_NOT_ALLOWED")


def mutation_by_get(accept: str | None, media_type: str, wire: Wire) -> None:
    """A GET changes nothing."""
    answer = wire.get(accept, query=MAKE)
    answer.refused(405, "METHOD_NOT_ALLOWED", media_type)
    equal("Allow", answer.headers["allow"], "POST")
    count = "{ artifacts { totalCount } }"
    equal("The artifacts", wire.post(count).data(), {"artifacts": {"totalCount": 0}})


def chosen_mutation_by_get(wire: Wire) -> None:
    """What counts is the operation that would be executed, not the first of the document."""
    both = f"query Q {NAME} {MAKE.replace('mutation', 'mutation M')}"
    equal("The data", wire.get(query=both, operationName="Q").data(), TOLD)
    wire.get(query=both, operationName="M").refused(405, "METHOD_NOT_ALLOWED")


def content_type(value: str | None, wire: Wire) -> None:
    """Only JSON in UTF-8 is taken, whatever the answer is to be in."""
    body = b'{"query": "{ viewer { name } }"}'
    for accept in (JSON, GRAPHQL_RESPONSE):
        answer = wire.send("POST", body, {"content-type": value, "accept": accept})
        answer.refused(415, "UNSUPPORTED_MEDIA_TYPE", accept)
        equal("Accept-Post", answer.headers["accept-post"], JSON)


def good_content_type(value: str, wire: Wire) -> None:
    """JSON in UTF-8 is taken, however it is spelt."""
    answer = wire.send("POST", b'{"query": "{ viewer { name } }"}', {"content-type": value})
    equal("The data", answer.data(), TOLD)


def too_large_announced(wire: Wire) -> None:
    """A body that is announced as too large is refused before any of it came."""
    for accept in (JSON, GRAPHQL_RESPONSE):
        answer = wire.send("POST", None, {**POST_JSON, "accept": accept}, unsent=LIMIT + 1)
        error = answer.refused(413, "BODY_TOO_LARGE", accept)
        true(str(LIMIT) in error["message"], f"The limit is not told: {error['message']}")


def too_large_in_chunks(wire: Wire) -> None:
    """A body without a length is refused where it passes the limit."""
    chunks = (b" " * (1 << 16) for _ in range(LIMIT // (1 << 16) + 1))
    wire.send("POST", chunks, POST_JSON).refused(413, "BODY_TOO_LARGE")


def at_the_limit(wire: Wire) -> None:
    """A body of exactly the limit is taken."""
    body = b'{"query": "{ viewer { name } }"}'
    answer = wire.send("POST", body + b" " * (LIMIT - len(body)), POST_JSON)
    equal("The data", answer.data(), TOLD)


def bad_body(body: bytes, code: str, wire: Wire) -> None:
    """A body of a wrong form is refused with the reason."""
    for accept in (JSON, GRAPHQL_RESPONSE):
        wire.send("POST", body, {**POST_JSON, "accept": accept}).refused(400, code, accept)


def two_operations(wire: Wire) -> None:
    """The request says which of two operations it means."""
    wire.post(TWO, JSON).refused(200, "OPERATION_NAME_REQUIRED")
    wire.post(TWO, GRAPHQL_RESPONSE).refused(400, "OPERATION_NAME_REQUIRED", GRAPHQL_RESPONSE)
    answer = wire.get(GRAPHQL_RESPONSE, query=TWO)
    answer.refused(400, "OPERATION_NAME_REQUIRED", GRAPHQL_RESPONSE)
    equal("The data", wire.post(TWO, operationName="B").data(), {"b": TOLD["viewer"]})


def unknown_operation(wire: Wire) -> None:
    """A name that the document does not have is refused before execution."""
    answer = wire.post(TWO, GRAPHQL_RESPONSE, operationName="C")
    answer.refused(400, "GRAPHQL_VALIDATION_FAILED", GRAPHQL_RESPONSE)


def before_execution(query: str, code: str, wire: Wire) -> None:
    """What is refused before execution has no data, and the status of its media type."""
    wire.post(query, JSON).refused(200, code)
    error = wire.post(query, GRAPHQL_RESPONSE).refused(400, code, GRAPHQL_RESPONSE)
    true(bool(error.get("locations")), f"The error has no locations: {error}.")


def bad_variables(wire: Wire) -> None:
    """A variable that can't be coerced is refused before execution."""
    query = "query ($first: Int!) { artifacts(first: $first) { totalCount } }"
    answer = wire.post(query, GRAPHQL_RESPONSE, variables={"first": "many"})
    error = answer.refused(400, "GRAPHQL_VALIDATION_FAILED", GRAPHQL_RESPONSE)
    true("$first" in error["message"], f"The variable is not named: {error['message']}")


def field_error(wire: Wire) -> None:
    """A field that fails is null with path and code; the others are answered, with status 200."""
    for accept in (JSON, GRAPHQL_RESPONSE):
        answer = wire.post('{ viewer { name } artifacts(after: "x") { totalCount } }', accept)
        equal("The status", answer.status, 200)
        answer.written_in(accept)
        equal("The data", answer.body["data"], {**TOLD, "artifacts": None})
        equal("The path", answer.error("BAD_USER_INPUT")["path"], ["artifacts"])


def no_key(wire: Wire) -> None:
    """Who has no key is told how to send one, before anything of the request is read."""
    for header in (None, "Bearer x", "Basic eDp4", f"Bearer bky_{'A' * 43}"):
        for accept in (JSON, GRAPHQL_RESPONSE):
            headers = {"authorization": header, "accept": accept}
            answer = wire.send("POST", b"{", headers)
            answer.refused(401, "UNAUTHENTICATED", accept)
            equal("WWW-Authenticate", answer.headers["www-authenticate"], "Bearer")


def trusted_documents(wire: Wire) -> None:
    """A document is named by its hash; one that the server does not know is refused."""
    body = json.dumps({"documentId": f"sha256:{'0' * 64}"}).encode()
    answer = wire.send("POST", body, {**POST_JSON, "accept": GRAPHQL_RESPONSE})
    answer.refused(400, "DOCUMENT_NOT_FOUND", GRAPHQL_RESPONSE)


def other_path(wire: Wire) -> None:
    """A path that there is not is refused in JSON too."""
    answer = wire.send("GET", path="/graphq")
    equal("The status", answer.status, 404)
    answer.error("NOT_FOUND")


def request_ids(wire: Wire) -> None:
    """Each refusal has a request id of its own."""
    answers = [wire.send("POST", b"{", POST_JSON) for _ in range(3)]
    ids = {answer.body["errors"][0]["extensions"]["requestId"] for answer in answers}
    equal("The number of request ids", len(ids), 3)


CHECKS: Final[Sequence[Check]] = (
    *(
        (f"Accept: {accept}", partial(accepts, accept, media_type))
        for accept, media_type in (
            (None, JSON),
            ("*/*", JSON),
            ("application/*", JSON),
            (JSON, JSON),
            (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
            (f"{GRAPHQL_RESPONSE}; charset=utf-8, {JSON}; charset=utf-8", GRAPHQL_RESPONSE),
            (f"{JSON};q=0.5, {GRAPHQL_RESPONSE}", GRAPHQL_RESPONSE),
            (f"{GRAPHQL_RESPONSE};q=0.1, {JSON};q=0.9", JSON),
            (f"text/html, {JSON.upper()};q=0.1", JSON),
        )
    ),
    *(
        (f"406 for Accept: {accept}", partial(not_acceptable, accept))
        for accept in ("text/html", "image/*", f"{JSON};q=0", "application/xml, text/*")
    ),
    *(
        (f"405 for {name}", partial(method, name))
        for name in ("HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
    ),
    ("405 for a mutation by GET", partial(mutation_by_get, None, JSON)),
    (
        "405 for a mutation by GET, in the other media type",
        partial(mutation_by_get, GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
    ),
    ("405 for a mutation by GET, beside a query", chosen_mutation_by_get),
    *(
        (f"415 for Content-Type: {value}", partial(content_type, value))
        for value in (
            None,
            "text/plain",
            "application/graphql",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            GRAPHQL_RESPONSE,
            f"{JSON}; charset=iso-8859-1",
        )
    ),
    *(
        (f"200 for Content-Type: {value}", partial(good_content_type, value))
        for value in (f"{JSON}; charset=UTF-8", f'{JSON};charset="utf-8"', "Application/JSON")
    ),
    ("413 before the body is read", too_large_announced),
    ("413 for a body in chunks", too_large_in_chunks),
    ("200 for a body of exactly the limit", at_the_limit),
    *(
        (f"400 for {what}", partial(bad_body, body, code))
        for what, body, code in (
            ("an empty body", b"", "BAD_JSON"),
            ("a body that is no JSON", b"{viewer}", "BAD_JSON"),
            ("a body in Latin-1", b'{"query": "{ \xe4 }"}', "BAD_ENCODING"),
            ("a body nested 100,000 deep", b"[" * 100_000, "BAD_JSON"),
            ("a number of 5,000 digits", b'{"query": %s}' % (b"9" * 5_000), "BAD_JSON"),
            ("a batch", b'[{"query": "{ viewer { name } }"}]', "BAD_REQUEST"),
            ("a query that is no text", b'{"query": 1}', "BAD_REQUEST"),
            ("no query", b"{}", "BAD_REQUEST"),
        )
    ),
    ("two operations without a name", two_operations),
    ("a name of no operation", unknown_operation),
    *(
        (f"no data for {what}", partial(before_execution, query, code))
        for what, query, code in (
            ("a syntax error", "{ viewer { name }", "GRAPHQL_PARSE_FAILED"),
            ("an unknown field", "{ colour }", "GRAPHQL_VALIDATION_FAILED"),
            ("@defer", "{ viewer { ... @defer { name } } }", "GRAPHQL_VALIDATION_FAILED"),
        )
    ),
    ("no data for a bad variable", bad_variables),
    ("data beside the error of a field", field_error),
    ("401 without a good key", no_key),
    ("400 for an unknown trusted document", trusted_documents),
    ("404 for another path", other_path),
    ("a request id for each refusal", request_ids),
)
