"""GraphQL over HTTP, before anything is executed: methods, media types, the body, the key.

Source of the rules: the GraphQL over HTTP specification, and section 3 of the API's document.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from app.graphql.documents import Documents
from app.rules.access import looks_like_secret
from app.rules.errors import Unauthenticated

GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
JSON: Final = "application/json"
MAX_NESTING: Final = 80
"""How deep a body nests at most: the 64 levels of metadata, and what stands around them."""
_RANGES: Final = {
    JSON: ("*/*", "application/*", JSON),
    GRAPHQL_RESPONSE: ("*/*", "application/*", GRAPHQL_RESPONSE),
}
"""What an Accept header may say of each type that there is, the least exact first."""


class Sent:
    """A request as it came: its method, its headers, what gives its body; `state` is for notes.

    Starlette's own goes through all headers for each that is asked for; here they are read once.
    Of several of one name it is the first that counts, but of `accept` all.
    """

    __slots__ = ("accept", "headers", "method", "query_string", "receive", "state")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.query_string: bytes = scope["query_string"]
        self.receive = receive
        self.state: dict[str, Any] = scope.setdefault("state", {})
        self.headers: Mapping[str, str] = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in reversed(scope["headers"])
        }
        accepted = [value for name, value in scope["headers"] if name == b"accept"]
        self.accept = b",".join(accepted).decode("latin-1")


class Refused(Exception):
    """A request that does not come to execution: status, code, message and headers."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Operation:
    """What a request asks to execute."""

    query: str
    variables: dict[str, Any] | None
    name: str | None


def negotiate(accept: str | None) -> str | None:
    """The media type to answer with, or None where the client takes neither of both.

    A client that names none gets `application/json`, as it did before there was another.
    """
    if not accept:
        return JSON
    said: dict[str, tuple[float, int]] = {}
    for place, part in enumerate(accept.split(",")):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        said.setdefault(name, (_quality(parameters), -place))
    best, chosen = (0.0, 0), None
    for media_type, ranges in _RANGES.items():
        # The most exact range holds, whatever a wider one says.
        found = next((said[name] for name in reversed(ranges) if name in said), None)
        if found is not None and found[0] > 0 and (chosen is None or found > best):
            best, chosen = found, media_type
    return chosen


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def bearer(authorization: str) -> str:
    """The API key in an Authorization header. Raises Unauthenticated."""
    scheme, _, secret = authorization.partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not looks_like_secret(secret):
        raise Unauthenticated("Send an API key as `Authorization: Bearer bky_…`.")
    return secret


async def read_operation(sent: Sent, documents: Documents, *, most: int) -> Operation:
    """The operation that a GET or POST asks for; a body has at most so many bytes.

    Raises Refused, ClientDisconnect.
    """
    if sent.method == "GET":
        asked: dict[str, Any] = dict(QueryParams(sent.query_string))
        for name in ("variables", "extensions"):
            if asked.get(name):
                asked[name] = read_json(asked[name].encode(), f"The parameter `{name}`")
    else:
        _check_headers(sent.headers)
        asked = read_json(await _body(sent, most), "The body")
        if not isinstance(asked, dict):
            raise Refused(400, "BAD_REQUEST", "The body must be a JSON object.")
    return operation_of(asked, documents)


def operation_of(asked: dict[str, Any], documents: Documents) -> Operation:
    """The operation that a JSON object asks for. Raises Refused."""
    for name, kind, what in (
        ("documentId", str, "a string"),
        ("query", str, "a string"),
        ("operationName", str, "a string"),
        ("variables", dict, "a JSON object"),
        ("extensions", dict, "a JSON object"),
    ):
        if asked.get(name) is not None and not isinstance(asked[name], kind):
            raise Refused(400, "BAD_REQUEST", f"`{name}` must be {what}, or null.")
    if asked.get("documentId") is not None:
        asked["query"] = _trusted(asked, documents)
    elif documents.only:
        raise Refused(
            403, "DOCUMENT_NOT_TRUSTED", "Only trusted documents are taken; send `documentId`."
        )
    if not asked.get("query"):
        raise Refused(400, "BAD_REQUEST", "`query` must hold a GraphQL document.")
    return Operation(asked["query"], asked.get("variables"), asked.get("operationName") or None)


def _trusted(asked: dict[str, Any], documents: Documents) -> str:
    if asked.get("query") is not None:
        raise Refused(400, "BAD_REQUEST", "Send `query` or `documentId`, not both.")
    found = documents.texts.get(asked["documentId"])
    if found is None:
        raise Refused(400, "DOCUMENT_NOT_FOUND", "There is no trusted document of this id.")
    return found


def _check_headers(headers: Mapping[str, str]) -> None:
    coding = headers.get("content-encoding", "identity")
    if coding.strip().lower() not in ("", "identity"):
        raise Refused(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            "Send the body as it is, without Content-Encoding.",
            headers={"Accept-Encoding": "identity"},
        )
    given = headers.get("content-type", "")
    if given == JSON:
        return
    name, *parameters = (part.strip() for part in given.split(";"))
    charsets = [one.lower() for one in parameters if one.lower().startswith("charset=")]
    if name.lower() != JSON or any(one[8:].strip('"') != "utf-8" for one in charsets):
        raise Refused(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            f"Send the body as {JSON}, in UTF-8.",
            headers={"Accept-Post": JSON},
        )


async def _body(sent: Sent, most: int) -> bytes:
    declared = sent.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    body, more = bytearray(), True
    while more:
        message = await sent.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > most:
            raise _too_large(most)
        more = message.get("more_body", False)
    return bytes(body)


def _too_large(most: int) -> Refused:
    limit = f"The body is larger than the limit of {most} bytes."
    return Refused(413, "BODY_TOO_LARGE", limit)


def read_json(text: bytes, what: str) -> Any:
    """What a JSON text says; `what` is its name in a refusal. Raises Refused."""
    try:
        found = _DECODER.decode(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Refused(400, "BAD_ENCODING", f"{what} is not valid UTF-8.") from error
    except RecursionError as error:
        raise _too_deep(what) from error
    except ValueError as error:
        raise Refused(400, "BAD_JSON", f"{what} is not valid JSON.") from error
    # To count brackets costs nothing, and most bodies have fewer than would be too deep.
    if text.count(b"{") + text.count(b"[") > MAX_NESTING and _nests_too_deep(found):
        raise _too_deep(what)
    return found


def _nests_too_deep(value: Any) -> bool:
    """Whether objects and lists nest deeper than the limit; without a recursion of its own."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_NESTING):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
    return bool(level)


def _too_deep(what: str) -> Refused:
    limit = f"{what} nests deeper than the limit of {MAX_NESTING} objects and lists."
    return Refused(400, "BAD_JSON", limit)


def written(body: Any) -> bytes:
    """An answer as JSON. Half of a surrogate pair, as only a client can send it, is escaped."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body).encode("ascii")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


# Made once, because `json.loads` makes one for each text that it reads with options.
_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)
