"""Sends one webhook over HTTP, to an address that was judged, and to no other.

What can lead a client astray is off: proxies of the environment, redirections, cookies, cached
names, decompression. The body of an answer is not read at all.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from app.outbound.names import addresses
from app.rules.address import Address, Network, check, target
from app.rules.errors import WebhookUrlRefused
from app.rules.webhook import Failure, failure_of


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt: the status of the answer, if any, and why it failed, if so."""

    status: int | None
    failure: Failure | None


class Sender:
    """Sends to the public internet, and to the networks that the operator allows."""

    def __init__(self, *, allowed: Sequence[Network], seconds: float) -> None:
        self._allowed = allowed
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._tls = ssl.create_default_context()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Sends a body once. Every failure is an answer, and nothing is raised."""
        try:
            where = target(url)
            found = await addresses(where)
            if not found:
                return Answer(None, Failure.UNRESOLVED)
            check(where, found, allowed=self._allowed)
        except WebhookUrlRefused:
            return Answer(None, Failure.ADDRESS_REFUSED)
        try:
            status = await self._status(url, body, headers, found)
        except TimeoutError:
            return Answer(None, Failure.TIMEOUT)
        except aiohttp.ClientSSLError:
            return Answer(None, Failure.TLS_FAILED)
        except aiohttp.ClientConnectionError:
            return Answer(None, Failure.CONNECTION_FAILED)
        except (aiohttp.ClientError, ValueError):
            return Answer(None, Failure.BAD_ANSWER)
        return Answer(status, failure_of(status))

    async def _status(
        self, url: str, body: bytes, headers: Mapping[str, str], found: Sequence[Address]
    ) -> int:
        pinned = _Pinned(found)
        connector = aiohttp.TCPConnector(
            resolver=pinned,
            socket_factory=pinned.socket,
            use_dns_cache=False,
            force_close=True,
            ssl=self._tls,
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                trust_env=False,
                auto_decompress=False,
            ) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            response.close()
            return response.status


class _Pinned(AbstractResolver):
    """Knows one name, and makes sockets for its addresses alone.

    A name is looked up once, and judged; were it asked for again, the answer could be another one.
    """

    def __init__(self, found: Sequence[Address]) -> None:
        self._found = found

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - the interface's.
    ) -> list[ResolveResult]:
        """The addresses that were judged."""
        return [
            ResolveResult(
                hostname=host,
                host=str(one),
                port=port,
                family=socket.AF_INET if one.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for one in self._found
        ]

    async def close(self) -> None:
        """There is nothing to close."""

    def socket(self, place: Any) -> socket.socket:
        """A socket to connect to one place, the last gate before the network. Raises OSError."""
        family, kind, protocol, _, sockaddr = place
        if ipaddress.ip_address(sockaddr[0]) not in self._found:
            raise PermissionError(os.strerror(13))
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made
