"""Looks up the name that a webhook points to, and judges every address that it has."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import Final

from app.rules.address import Address, Network, Target, check, target

LOOKUP_SECONDS: Final = 5.0


async def judged(url: str, *, allowed: Sequence[Network]) -> Target:
    """Where a URL points, if that may be sent to as far as can be told now.

    A name that has no address yet may get one later; it is looked up again with each delivery.
    Raises WebhookUrlRefused.
    """
    where = target(url)
    check(where, await addresses(where), allowed=allowed)
    return where


async def addresses(where: Target) -> list[Address]:
    """Every address of a target now; none where its name has none, or nobody answers in time."""
    if where.address is not None:
        return [where.address]
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LOOKUP_SECONDS):
            found = await loop.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        return []
    return [ipaddress.ip_address(sockaddr[0]) for *_, sockaddr in found]
