"""An HTTP client that can also send what a well-behaved one never does."""

from __future__ import annotations

import http.client
import json
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.journeys.checks import Failed, equal, true

JSON: Final = "application/json"
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
UTF_8: Final = "; charset=utf-8"
SECONDS: Final = 10.0

_CODE: Final = re.compile(r"[A-Z]+(_[A-Z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    content: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The body as a JSON object. Raises Failed where it is none."""
        try:
            found = json.loads(self.content)
        except ValueError:
            raise Failed(f"The body is no JSON: {self.content[:200]!r}.") from None
        true(isinstance(found, dict), f"The body is no JSON object: {self.content[:200]!r}.")
        body: dict[str, Any] = found
        return body

    def data(self, media_type: str = JSON) -> dict[str, Any]:
        """The data of an answer without errors, in a media type. Raises Failed."""
        equal("The status", self.status, 200)
        self.written_in(media_type)
        true("errors" not in self.body, f"There are errors: {self.body.get('errors')}.")
        found: dict[str, Any] = self.body["data"]
        return found

    def refused(self, status: int, code: str, media_type: str = JSON) -> dict[str, Any]:
        """The first error of an answer without data: each error is complete. Raises Failed."""
        equal("The status", self.status, status)
        self.written_in(media_type)
        true("data" not in self.body, "There are data beside the refusal.")
        return self.error(code)

    def error(self, code: str) -> dict[str, Any]:
        """The first error; each one is complete. Raises Failed."""
        errors: list[dict[str, Any]] = self.body.get("errors") or []
        true(bool(errors), f"There are no errors: {self.content[:200]!r}.")
        for error in errors:
            extensions = error.get("extensions", {})
            true(bool(error.get("message")), f"An error has no message: {error}.")
            true(bool(_CODE.fullmatch(extensions.get("code", ""))), f"It has no code: {error}.")
            true(bool(extensions.get("requestId")), f"An error has no request id: {error}.")
        equal("The code", errors[0]["extensions"]["code"], code)
        return errors[0]

    def written_in(self, media_type: str) -> None:
        """Demand the exact media type, charset included. Raises Failed."""
        equal("The media type", self.headers["content-type"], media_type + UTF_8)


@dataclass(frozen=True, slots=True)
class Wire:
    """A server, and a key of it."""

    url: str
    key: str = field(repr=False)

    def send(
        self,
        method: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str | None] | None = None,
        *,
        path: str = "/graphql",
        parameters: Mapping[str, str] | None = None,
        unsent: int | None = None,
    ) -> Answer:
        """One request. A header that is None is left out; an iterable is sent in chunks.

        `unsent` announces a body of so many bytes, and sends none of it.
        """
        target = path + (f"?{urllib.parse.urlencode(parameters)}" if parameters else "")
        wanted = {"authorization": f"Bearer {self.key}", **(headers or {})}
        if unsent is not None:
            wanted["content-length"] = str(unsent)
        elif isinstance(body, bytes):
            wanted["content-length"] = str(len(body))
        elif body is not None:
            wanted["transfer-encoding"] = "chunked"
        connection = http.client.HTTPConnection(
            urllib.parse.urlsplit(self.url).netloc, timeout=SECONDS
        )
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in wanted.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders()
            try:
                for chunk in _chunks(body):
                    connection.send(chunk)
            except (BrokenPipeError, ConnectionResetError):
                # The answer came before the end of the body, as it may.
                pass
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        except TimeoutError:
            raise Failed(f"There was no answer within {SECONDS:.0f} seconds.") from None
        finally:
            connection.close()

    def post(self, query: str, accept: str | None = None, **more: Any) -> Answer:
        """An operation by POST, with further members of the body."""
        body = json.dumps({"query": query, **more}).encode()
        return self.send("POST", body, {"content-type": JSON, "accept": accept})

    def get(self, accept: str | None = None, **parameters: str) -> Answer:
        """An operation by GET."""
        return self.send("GET", None, {"accept": accept}, parameters=parameters)


def _chunks(body: bytes | Iterable[bytes] | None) -> Iterable[bytes]:
    if isinstance(body, bytes):
        yield body
    elif body is not None:
        for chunk in body:
            yield b"%x\r\n%s\r\n" % (len(chunk), chunk)
        yield b"0\r\n\r\n"
