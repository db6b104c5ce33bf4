"""Where a request comes from, as told by the proxies that the operator trusts, and by no other."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

from starlette.types import Scope

from app.settings import Network

_SCHEMES: Final = {"http": "ws", "https": "wss"}


def see_through(scope: Scope, trusted: Sequence[Network]) -> None:
    """Puts the client's own address and scheme into a scope that came by trusted proxies.

    Each proxy adds to the right of `X-Forwarded-For` whom it heard from, so the client is the
    rightmost one that is no trusted proxy; what stands left of it, anybody may have written.
    """
    client = scope.get("client")
    if client is None or not _is_trusted(client[0], trusted):
        return
    scheme = _last(scope, b"x-forwarded-proto").lower()
    if scheme in _SCHEMES:
        scope["scheme"] = scheme if scope["type"] == "http" else _SCHEMES[scheme]
    for told in reversed(_all(scope, b"x-forwarded-for")):
        address = _address(told)
        if address is None:
            return
        scope["client"] = (address, 0)
        if not _is_trusted(address, trusted):
            return


def _is_trusted(address: str, trusted: Iterable[Network]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return any(mapped in network for network in trusted)


def _address(told: str) -> str | None:
    """The address of `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`."""
    if told.startswith("["):
        told = told[1:].partition("]")[0]
    elif told.count(":") == 1:
        told = told.partition(":")[0]
    try:
        return str(ipaddress.ip_address(told))
    except ValueError:
        return None


def _all(scope: Scope, name: bytes) -> list[str]:
    """Every value of a list that may be spread over several headers, in its order."""
    headers = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return [one.strip() for header in headers for one in header.split(",") if one.strip()]


def _last(scope: Scope, name: bytes) -> str:
    return (_all(scope, name) or [""])[-1]
