"""A server, as seen from a client: operations, and bytes."""

from __future__ import annotations

import asyncio
import os
import random
import urllib.parse
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from app.client.outcome import Refused, Unreachable, Usage

TRIES: Final = 7
"""How often a request is sent before the server counts as unreachable: half a minute in all."""

_OF_THE_KEY: Final = frozenset({"UNAUTHENTICATED", "KEY_REVOKED", "KEY_EXPIRED"})
_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
_ERRORS: Final = "errors { code message ... on AlreadyExistsError { existingId } }"

Json = dict[str, Any]


class Passing(Exception):
    """A failure that may be over soon; `after` are the seconds that the server asked for."""

    def __init__(self, reason: str, *, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


class Service:
    """Sends operations with one key, and sends them again after what is likely to pass."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        key: str,
        *,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.session = session
        self.url = url.rstrip("/")
        self._note = note
        self._headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}

    def absolute(self, url: str) -> str:
        """A URL that the server told, in full."""
        return urllib.parse.urljoin(f"{self.url}/", url)

    async def ask(self, query: str, **variables: Any) -> Json:
        """The data of an operation. Raises Refused, Unreachable."""
        pause = 0.25
        for left in reversed(range(TRIES)):
            try:
                return await self._once(query, variables)
            except Passing as failure:
                told = f"The server at {self.url} fails: {failure}"
                if not left:
                    raise Unreachable(f"{told}.") from failure
                if left == TRIES - 1:
                    # Who mistyped the URL need not wait half a minute to learn it.
                    self._note(f"{told}; trying again.")
                await asyncio.sleep(max(failure.after, pause * random.uniform(0.5, 1.5)))  # noqa: S311
                pause = min(2 * pause, 8.0)
        raise AssertionError("The last try raises.")

    async def do(self, mutation: str, selection: str, /, **input: Any) -> Any:
        """The one result of a mutation. Raises Refused, Unreachable."""
        kind = f"{mutation[0].upper()}{mutation[1:]}Input"
        query = (
            f"mutation Bindery($input: {kind}!)"
            f" {{ {mutation}(input: $input) {{ {selection} {_ERRORS} }} }}"
        )
        payload = (await self.ask(query, input=input))[mutation]
        for error in payload.pop("errors"):
            raise Refused(error["message"], code=error["code"], facts=error)
        (result,) = payload.values()
        return result

    async def _once(self, query: str, variables: Mapping[str, Any]) -> Json:
        sent = {"query": query, "variables": dict(variables)}
        try:
            async with self.session.post(
                f"{self.url}/graphql", json=sent, headers=self._headers
            ) as answer:
                if answer.status in _PASSING:
                    raise _passing(answer)
                body = await answer.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Passing(_reason(error)) from error
        except ValueError as error:
            raise Unreachable(f"What answers at {self.url} is no Bindery.") from error
        if not isinstance(body, dict):
            raise Unreachable(f"What answers at {self.url} is no Bindery.")
        for told in body.get("errors", ()):
            code = told.get("extensions", {}).get("code", "UNKNOWN")
            # The server speaks of a header, and who reads this has set a variable.
            about = "The server does not take BINDERY_KEY: " if code in _OF_THE_KEY else ""
            raise Refused(f"{about}{told['message']}", code=code)
        if "data" not in body:
            raise Unreachable(f"What answers at {self.url} is no Bindery.")
        data: Json = body["data"]
        return data

    @asynccontextmanager
    async def request(
        self, method: str, url: str, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a request for bytes, by a URL that needs no key. Raises Passing."""
        try:
            async with self.session.request(method, self.absolute(url), **options) as answer:
                if answer.status in _PASSING:
                    raise _passing(answer)
                yield answer
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Passing(_reason(error)) from error


@asynccontextmanager
async def connected(
    url: str, key: str, *, note: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Service]:
    """The service at a URL; it notes what it tries again. Raises Usage if a setting is missing."""
    if not key:
        raise Usage("There is no API key: set BINDERY_KEY to one of the organization's.")
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise Usage(f"BINDERY_URL is {url!r}; it must be like https://bindery.example.")
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        yield Service(session, url, key, note=note)


def _passing(answer: aiohttp.ClientResponse) -> Passing:
    told = answer.headers.get("Retry-After", "")
    return Passing(f"it answers {answer.status}", after=float(told) if told.isdigit() else 0.0)


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError) and (error.errno or 0) > 0:
        return os.strerror(error.errno or 0)
    return str(error) or type(error).__name__
