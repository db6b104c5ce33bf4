"""Signed links to the byte routes: who may put or get which bytes, and until when.

A link is a path and a query from the server's root. It names the registration of a part and the
binary's epoch, so that a link from before a replacement, a reset or a destroy matches nothing.
Source of the rule: the domain, section 4.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from app.rules.failures import UrlInvalid

LinkKind = Literal["upload", "download"]

# What the HMAC covers begins with this, so that a key shared with tokens, or a later form of
# links, can't lend its signatures to this one.
_VERSION: Final = "bindery-link-1"

_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NUMBER: Final = "0|[1-9][0-9]{0,17}"
_URL: Final = re.compile(
    f"/(?:upload/(?P<upload>{_UUID})/(?P<part>{_UUID})|content/(?P<download>{_UUID}))"
    rf"\?organization=(?P<organization>{_UUID})&epoch=(?P<epoch>{_NUMBER})"
    f"&expires=(?P<expires>{_NUMBER})&signature=[0-9a-f]{{64}}"
)


@dataclass(frozen=True, slots=True)
class Link:
    """What a signed link allows: to upload one registered part, or to download a binary.

    `expires` is in unix seconds. An upload names a part's registration, a download has none.
    Raises ValueError if that is mixed up, or a number is negative or beyond 18 digits.
    """

    kind: LinkKind
    organization_id: UUID
    binary_id: UUID
    part_registration_id: UUID | None
    epoch: int
    expires: int

    def __post_init__(self) -> None:
        if (self.kind == "upload") != (self.part_registration_id is not None):
            raise ValueError("an upload names a part registration, a download none")
        if not (0 <= self.epoch < 10**18 and 0 <= self.expires < 10**18):
            raise ValueError("epoch and expiry are whole numbers of at most 18 digits")

    def expired(self, now: float) -> bool:
        """Whether the link's time is over at `now` (unix seconds): from `expires` on it is."""
        return now >= self.expires


def sign(link: Link, *, key: bytes) -> str:
    """The path and query, from the server's root, that grant the link to whoever holds them."""
    if link.kind == "upload":
        path = f"/upload/{link.binary_id}/{link.part_registration_id}"
    else:
        path = f"/content/{link.binary_id}"
    unsigned = f"{path}?organization={link.organization_id}&epoch={link.epoch}"
    unsigned += f"&expires={link.expires}"
    covered = f"{_VERSION}\n{link.kind}\n{unsigned}".encode()
    return f"{unsigned}&signature={hmac.digest(key, covered, 'sha256').hex()}"


def verify(path: str, query_string: bytes, *, key: bytes) -> Link:
    """The link that `path` and `query_string` grant, exactly as `sign` made them.

    `path` is the path as it was sent, before percent-decoding (ASGI's `raw_path`): decoded, it
    would take other spellings of the link. The link is made anew from what was read and compared
    as a whole, so nothing may be changed, doubled, missing, added, reordered or spelt otherwise.
    Whether its time is over is not looked at: the caller knows the order of its checks.
    Raises UrlInvalid.
    """
    url = f"{path}?{query_string.decode('latin-1')}"
    found = _URL.fullmatch(url)
    if found is not None:
        link = _link_of(found)
        if hmac.compare_digest(sign(link, key=key), url):
            return link
    raise UrlInvalid("This link was changed, or not issued by this server; ask for a fresh one.")


def _link_of(found: re.Match[str]) -> Link:
    part = found["part"]
    return Link(
        kind="upload" if part else "download",
        organization_id=UUID(found["organization"]),
        binary_id=UUID(found["upload"] or found["download"]),
        part_registration_id=UUID(part) if part else None,
        epoch=int(found["epoch"]),
        expires=int(found["expires"]),
    )
