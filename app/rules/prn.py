"""Resource names: the ids of the API, which are the Relay node ids too.

`prn:1:<organization uuid>:<type>:<uuid>`, and `prn:1:<organization uuid>` for an organization
itself. The uuids are in their canonical form, lowercase with hyphens, so that a thing has
exactly one name. Source of the rule: the domain, section 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final
from uuid import UUID

from app.rules.errors import BadUserInput
from app.rules.text import label


class Kind(StrEnum):
    """The type words of resource names."""

    ORGANIZATION = "organization"
    PRODUCT = "product"
    DEVICE = "device"
    COHORT = "cohort"
    ARTIFACT = "artifact"
    ARTIFACT_VERSION = "artifact_version"
    BINARY = "binary"
    BINARY_PART = "binary_part"
    BINARY_SIGNATURE = "binary_signature"
    SIGNING_KEY = "signing_key"
    BUNDLE = "bundle"
    RELEASE = "release"
    API_KEY = "api_key"
    EVENT = "event"
    WEBHOOK = "webhook"
    WEBHOOK_DELIVERY = "webhook_delivery"


@dataclass(frozen=True, slots=True)
class Prn:
    """A parsed resource name; for an organization `type` is None and both uuids are its own."""

    organization: UUID
    type: Kind | None
    id: UUID

    @property
    def kind(self) -> Kind:
        """The type word, which an organization's name leaves out."""
        return self.type or Kind.ORGANIZATION


_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TYPES: Final = "|".join(kind for kind in Kind if kind is not Kind.ORGANIZATION)
_NAME: Final = re.compile(f"prn:1:({_UUID})(?::({_TYPES}):({_UUID}))?")


@lru_cache(maxsize=8192)
def prefix(kind: Kind, organization_id: UUID | str) -> str:
    """All of a resource name but the uuid at its end, for who writes many of one kind."""
    return "prn:1:" if kind is Kind.ORGANIZATION else f"prn:1:{organization_id}:{kind}:"


def format_prn(kind: Kind, organization_id: UUID | str, id: UUID | str) -> str:
    """The resource name of a thing; an organization's `id` is its own.

    An id given as text must be a canonical uuid: this runs for every id of every answer, so it
    checks nothing, and text is four times as fast to write as a UUID.
    """
    return f"{prefix(kind, organization_id)}{id}"


def parse_prn(text: str, *, kind: Kind | None = None, path: Sequence[str]) -> Prn:
    """Read a resource name, of the one `kind` if given; `path` names the input concerned.

    Raises BadUserInput with the expected form: malformed, not canonical, or of another type.
    """
    found = _NAME.fullmatch(text)
    if found is None:
        raise BadUserInput(
            f"{label(path)} must be a resource name of the form {_form(kind)}, "
            "with uuids in lowercase.",
            path=path,
        )
    organization, word, own = found.groups()
    prn = Prn(
        organization=UUID(organization),
        type=Kind(word) if word else None,
        id=UUID(own or organization),
    )
    if kind not in (None, prn.kind):
        raise BadUserInput(
            f"{label(path)} names a thing of type {prn.kind}, but must be of the form "
            f"{_form(kind)}.",
            path=path,
        )
    return prn


def _form(kind: Kind | None) -> str:
    if kind is Kind.ORGANIZATION:
        return "prn:1:<organization uuid>"
    return f"prn:1:<organization uuid>:{kind or '<type>'}:<uuid>"
