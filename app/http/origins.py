"""Which pages of other sites may call the server, and how the others are told that they may not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from app.log import request_id
from app.rules.failures import BadRequest

_METHODS: Final = ("GET", "HEAD", "POST", "PUT")
_HEADERS: Final = (
    *("Authorization", "Bindery-Read", "Content-Type", "X-Request-Id"),
    *("If-None-Match", "If-Range", "Range"),
)
_TOLD: Final = ("ETag", "Repr-Digest", "Retry-After", "X-Request-Id")
_PREFIX: Final = "Disallowed CORS "
"""What Starlette's refusal begins with; what was not allowed follows."""


class CrossOrigin(CORSMiddleware):
    """Lets in the pages of these origins. A refused preflight is told in JSON, as all else is."""

    def __init__(self, app: ASGIApp, *, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=_HEADERS,
            expose_headers=_TOLD,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Whether a browser may send what it is about to send."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        what = bytes(answer.body).decode("ascii").removeprefix(_PREFIX)
        extensions = {"code": BadRequest.code, "requestId": request_id.get()}
        message = f"This server does not take such a request from that page; not allowed: {what}."
        body = {"errors": [{"message": message, "extensions": extensions}]}
        kept = {
            name: value
            for name, value in answer.headers.items()
            if name not in ("content-length", "content-type")
        }
        return JSONResponse(body, status_code=answer.status_code, headers=kept)
