"""Whole requests to every route: what byte changes begin with."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.wire.half_open import UPGRADE, request

CONTENT: Final = b"the content of a binary " * 20
QUERY: Final = """query Several($first: Int, $ids: [ID!]!) {
  viewer { id name } nodes(ids: $ids) { id } resolved: binaries(first: $first, orderBy: {
  field: CREATED_AT}) { totalCount edges { cursor node { id state parts { uploadUrl } } } } }"""
MUTATION: Final = """mutation($input: CreateProductInput!) {
  createProduct(input: $input) { product { id } errors { code message path } } }"""
SUBSCRIPTION: Final = 'subscription { eventRecorded(filter: {kind: ["none"]}) { kind } }'


@dataclass(frozen=True, slots=True)
class Links:
    """Where bytes go to and come from."""

    upload: str
    download: str


@dataclass(frozen=True, slots=True)
class Whole:
    """One request as it should be."""

    head: bytes
    body: bytes = b""

    @property
    def path(self) -> str:
        """Its path, without the query."""
        return self.head.split(b" ", 2)[1].partition(b"?")[0].decode()


def requests(key: str, links: Links) -> list[Whole]:
    """A few requests to each route, all of them good."""
    asked = {"query": QUERY, "variables": {"first": 5, "ids": ["prn:1:x"]}}
    made = {"query": MUTATION, "variables": {"input": {"name": "router", "target": "a-b"}}}
    inline = urllib.parse.urlencode({"query": "{ viewer { name } }", "variables": "{}"})
    chunked = b'a\r\n{"query":"\r\n13\r\n{ viewer { id } }"}\r\n0\r\n\r\n'
    ranged = {"range": "bytes=0-9,20-29", "if-range": '"x"', "if-none-match": 'W/"y"'}
    preflight = {
        "origin": "https://console.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    return [
        _post(asked, key),
        _post(asked, key, accept="application/graphql-response+json"),
        _post(made, key),
        _post({"query": SUBSCRIPTION}, key, accept="text/event-stream"),
        _post({"documentId": "sha256:" + "0" * 64}, key),
        Whole(request("POST", "/graphql", {"transfer-encoding": "chunked"}, key=key), chunked),
        Whole(request("GET", f"/graphql?{inline}", key=key)),
        Whole(
            request("GET", "/graphql", UPGRADE),
            _frame({"type": "connection_init", "payload": {"authorization": f"Bearer {key}"}})
            + _frame({"type": "ping", "payload": {"filled": "x" * 126}}),
        ),
        Whole(request("OPTIONS", "/graphql", preflight)),
        Whole(request("PUT", links.upload, {"content-length": str(len(CONTENT))}), CONTENT),
        Whole(request("GET", links.download)),
        Whole(request("GET", links.download, ranged)),
        Whole(request("HEAD", links.download)),
        Whole(request("GET", "/health/live")),
        Whole(request("GET", "/health/ready")),
        Whole(request("GET", "/metrics", key=key)),
        Whole(request("GET", "/")),
        Whole(request("GET", "/explorer/index.js")),
        Whole(request("GET", "/no/such/path")),
    ]


def _post(body: Mapping[str, Any], key: str, *, accept: str = "application/json") -> Whole:
    written = json.dumps(body).encode()
    headers = {"content-length": str(len(written)), "accept": accept}
    return Whole(request("POST", "/graphql", headers, key=key), written)


def _frame(message: Mapping[str, Any]) -> bytes:
    """A WebSocket's text frame, masked with zeros as any client may."""
    data = json.dumps(message).encode()
    length = (
        bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    )
    return b"\x81" + length + bytes(4) + data
