"""The checks that every signed link goes through, in the one order that clients can rely on."""

from __future__ import annotations

import time
from collections.abc import Sequence

from starlette.requests import Request

from app.rules import link
from app.rules.failures import MethodNotAllowed, UrlExpired, UrlInvalid


def check(
    request: Request, *, kind: link.LinkKind, methods: Sequence[str], key: bytes
) -> link.Link:
    """The link that a request came by, once its signature and then its method are right.

    What became of the content since comes next, and the time last (`check_time`): a link that is
    of no use any more says so, however old it is. Raises UrlInvalid, MethodNotAllowed.
    """
    found = link.verify(_sent_path(request), request.scope["query_string"], key=key)
    if found.kind != kind:
        raise UrlInvalid(f"This is no {kind} link; ask for one.")
    if request.method not in methods:
        raise MethodNotAllowed(f"This {kind} link is good for {' and '.join(methods)} alone.")
    return found


def check_time(found: link.Link) -> None:
    """Refuses a link whose time is over. Raises UrlExpired."""
    if found.expired(time.time()):
        raise UrlExpired(f"The time of this {found.kind} link is over; ask for a fresh one.")


def _sent_path(request: Request) -> str:
    """The path as it was sent, without the prefix that a proxy's root path puts before it.

    A server that keeps no undecoded path leaves the decoded one: it is held to the same exact
    form, so nothing but another spelling of the very same link could pass.
    """
    raw: bytes | None = request.scope.get("raw_path")
    path = request.scope["path"] if raw is None else raw.decode("latin-1")
    return str(path).removeprefix(request.scope.get("root_path", "").rstrip("/"))
