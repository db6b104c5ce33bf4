"""A client as its users write one: GraphQL and signed URLs over HTTP, nothing of the server's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import httpx

from tests.journeys.checks import Failed, equal

Json = dict[str, Any]

TIMEOUT: Final = 60.0
"""Seconds without an answer, or without a byte of it, that end the journey."""

_ERRORS: Final = """errors {
  code message path
  ... on PartsIncompleteError { missing declaredSize storedSize }
  ... on ImpactNotAcceptedError { releases { id } }
}"""


LIMITS: Final = httpx.Limits(max_connections=64, max_keepalive_connections=64)


def connected(url: str, transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """Connections to the server at `url`, for any number of threads. No proxy is asked."""
    return httpx.Client(
        base_url=url, timeout=TIMEOUT, limits=LIMITS, trust_env=False, transport=transport
    )


class Api:
    """One API key's view of the server."""

    def __init__(self, http: httpx.Client, key: str) -> None:
        self.http = http
        self.key = key

    def with_key(self, key: str) -> Api:
        """The same server as another key sees it."""
        return Api(self.http, key)

    def ask(self, query: str, **variables: Any) -> Json:
        """The data of an operation that succeeds. Raises Failed."""
        answer = self.http.post(
            "/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {self.key}"},
        )
        if answer.status_code != 200:
            raise Failed(f"GraphQL answered {answer.status_code}: {answer.text[:600]}")
        body: Json = answer.json()
        if "errors" in body:
            raise Failed(f"GraphQL answered with errors: {body['errors']}")
        data: Json = body["data"]
        return data

    def do(self, name: str, selection: str, /, **input: Any) -> Any:
        """What a mutation that succeeds gives: the one result of its payload. Raises Failed."""
        payload = self._mutate(name, selection, input)
        equal(f"What {name} refuses", payload.pop("errors"), [])
        (result,) = payload.values()
        return result

    def refused(self, name: str, /, **input: Any) -> Json:
        """The one error of a mutation that is refused. Raises Failed."""
        errors = self._mutate(name, "", input)["errors"]
        equal(f"The number of errors of {name}", len(errors), 1)
        error: Json = errors[0]
        return error

    def binary(self, id: str, selection: str) -> Json:
        """A binary as it is now."""
        found = self.ask(f"query($id: ID!) {{ binary(id: $id) {{ {selection} }} }}", id=id)
        binary: Json = found["binary"]
        return binary

    def put(self, part: Json, blocks: Iterable[bytes]) -> httpx.Response:
        """Sends the bytes of a part as the answer of its registration says."""
        headers = {entry["name"]: entry["value"] for entry in part["uploadHeaders"]}
        headers["Content-Length"] = part["size"]
        return self.http.request(
            part["uploadMethod"], part["uploadUrl"], content=blocks, headers=headers
        )

    def _mutate(self, name: str, selection: str, input: Json) -> Json:
        kind = f"{name[0].upper()}{name[1:]}Input"
        query = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {selection} {_ERRORS} }} }}"
        payload: Json = self.ask(query, input=input)[name]
        return payload


def error_code(answer: httpx.Response) -> str:
    """The code of a refusal by one of the routes for bytes."""
    code: str = answer.json()["errors"][0]["extensions"]["code"]
    return code
