"""What the doors of one process share: settings, the store of content, and the signing secret."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from uuid import UUID

from app.metrics import Metrics
from app.models import Binary, BinaryPart
from app.rules import link
from app.settings import Settings
from app.storage.content import ContentStore
from app.storage.uploads import Uploads, part_headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One running process. `work` is set whenever the worker has something new to look at."""

    settings: Settings
    store: ContentStore
    secret: bytes
    metrics: Metrics = field(default_factory=Metrics)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    work: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def uploads(self) -> Uploads | None:
        """Where clients send to and fetch from, past this server; None where they do not."""
        if self.settings.s3_direct and isinstance(self.store, Uploads):
            return self.store
        return None

    def upload_url(self, binary: Binary, part: BinaryPart) -> tuple[str, int]:
        """The signed URL to PUT a part's bytes to, and its expiry in unix seconds."""
        return self._url("upload", binary, part.id)

    def upload_headers(self, part: BinaryPart) -> dict[str, str]:
        """The headers to send with a part's bytes, wherever they are sent."""
        past = {} if self.uploads is None else part_headers(part.hash)
        return {"Content-Type": "application/octet-stream", **past}

    def download_url(self, binary: Binary) -> str:
        """The signed URL to GET a binary's content from."""
        return self._url("download", binary, None)[0]

    def _url(self, kind: link.LinkKind, binary: Binary, part_id: UUID | None) -> tuple[str, int]:
        expires = int(time.time()) + self.settings.url_ttl
        signed = link.Link(
            kind=kind,
            organization_id=binary.organization_id,
            binary_id=binary.id,
            part_registration_id=part_id,
            epoch=binary.epoch,
            expires=expires,
        )
        return self.settings.public_url + link.sign(signed, key=self.secret), expires
