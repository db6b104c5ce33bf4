"""The audit record alone tells how everything came to be as it is.

The Events of each thing are read from the first to the last. What they say must follow from one
another, and end in what stands in the tables; what is gone has an Event that says so. Nothing was
changed later than its `updatedAt`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from nacl.signing import SigningKey

from app.models import Event, Owned
from app.rules.event import KINDS
from app.rules.facts import camel, told
from app.rules.prn import parse_prn
from tests.api import Api, Json
from tests.graphql.world import ARM, ROWS, fill

UNRECORDED: Final = {"BinaryPart", "Event", "WebhookDelivery"}
"""Things that have no Events of their own: parts are part of a binary's upload."""
ALWAYS: Final = {"id", "organization_id", "created_at", "updated_at"}
UNTOLD: Final[dict[str, set[str]]] = {
    # A number that the database itself raises, for who keeps graphs in memory.
    "Cohort": {"graph_version"},
    # When a key or a device was seen last is noted without an Event; of a secret nothing is told.
    "ApiKey": {"last_used_at", "secret_hash"},
    "Device": {"last_seen_at"},
    # What follows from the state and from the parts, and how far the server's own work has come.
    "Binary": {
        "bytes_hashed",
        "bytes_uploaded",
        "computed_hash",
        "computed_size",
        "content_checked_at",
        "content_health",
        "destroyed",
        "epoch",
        "lease_expires_at",
        "lease_token",
        "verification_attempts",
        "verification_due_at",
        "verification_error",
        "verification_status",
        # It may take a megabyte; from its first change on it is told.
        "custom_metadata",
    },
    # Events of devices tell of each failure.
    "Release": {"failures"},
    # The fingerprint tells which key it is.
    "SigningKey": {"public_key"},
    "BinarySignature": {"signature"},
    "Webhook": {"generation", "previous_until", "secret_check"},
}
"""Columns that Events say nothing of, or not from the start."""
ALIASES: Final = {"signing_key_id": "key"}
"""Columns that Events call otherwise."""


class Told:
    """What the Events of one thing say of it, read in their order."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.facts: Json = {}
        self.times: dict[str, datetime] = {}
        """When each fact was told last."""

    def read(self, event: Event) -> None:
        """Takes the next Event; what it says of before is what the ones before it said."""
        for name, value in event.before.items():
            assert self.facts.get(name, value) == value, (event.kind, name, self.kinds)
        self.kinds.append(event.kind)
        self.facts |= event.after
        self.times |= dict.fromkeys(event.after, event.time)

    def missing(self, row: Owned) -> Iterator[tuple[str, Any]]:
        """The columns of a row that are other than what was told of them, with both values."""
        model = type(row).__name__
        fields = row._meta.fields_map
        for name in row._meta.db_fields - ALWAYS - UNTOLD.get(model, set()):
            default = fields[name].default
            default = default() if callable(default) else default
            spelled = (camel(name), camel(name.removesuffix("_id")), ALIASES.get(name, ""))
            changed = max((self.times[one] for one in spelled if one in self.times), default=None)
            if changed is not None and row.updated_at < changed:
                yield f"{model}.updated_at", (changed, row.updated_at)
            known = next((self.facts[one] for one in spelled if one in self.facts), default)
            facts = told({name: getattr(row, name)}, organization_id=row.organization_id)
            if known != facts[camel(name)]:
                yield f"{model}.{name}", (known, facts[camel(name)])


async def story(organization_id: UUID) -> dict[UUID, Told]:
    """What is told of each thing of an organization."""
    found: dict[UUID, Told] = {}
    async for event in Event.filter(organization_id=organization_id).order_by("id"):
        found.setdefault(event.subject_id, Told()).read(event)
    return found


async def rows_of(organization_id: UUID) -> dict[UUID, Owned]:
    """Everything of an organization that has Events."""
    found: dict[UUID, Owned] = {}
    for name in ROWS.keys() - UNRECORDED:
        own = {"id" if name == "Organization" else "organization_id": organization_id}
        found |= {row.id: row for row in await ROWS[name].filter(**own)}
    return found


async def change(api: Api) -> None:
    """Changes and deletes what the prepared organization leaves as it was made."""
    product = await api.product("changed")
    cohorts = [await api.cohort(product, name) for name in ("one", "other")]
    version = await api.version("7.0", "changed")
    signed = await api.reach("SIGNED", version)
    bundle = await api.bundle(version)
    latest = [await api.release(cohorts[0], bundle, name) for name in ("old", "new")]
    between = await api.release(
        cohorts[0],
        bundle,
        "between",
        previousReleaseId=latest[0],
        nextReleaseId=latest[1],
        version="1.0.0",
        versionRequirement=">=0.1.0",
        haltAfter=3,
        description="told",
    )
    soon = {"scheduledAt": "2999-01-01T00:00:00Z", "phase": {"tags": ["beta"]}}
    await api.do("updateRelease", "release { id }", releaseId=latest[1], required=True, **soon)
    for release, following in ((latest[0], latest[1]), (between, latest[1])):
        moved = {"releaseId": release, "nextReleaseId": following}
        await api.do("updateRelease", "release { id }", **moved)
    device = await api.device(product, cohorts[0], "changed", tags=["beta"])
    await api.do("claimUpdate", "update { status }", deviceId=device)
    await api.do("pinDevice", "device { id }", deviceId=device, releaseId=latest[0])
    await api.do("updateDevice", "device { id }", deviceId=device, cohortId=cohorts[1], tags=[])
    made = await api.do(
        "createApiKey",
        "apiKey { id }",
        name="its own",
        role="DEVICE",
        deviceId=device,
        expiresAt="2999-01-01T00:00:00Z",
    )
    await api.do("revokeApiKey", "apiKey { id }", apiKeyId=made["id"])
    await api.do("deleteDevice", "deletedDeviceId", deviceId=device)
    await _change_binaries(api, version, signed)


async def _change_binaries(api: Api, version: str, signed: str) -> None:
    reset = await api.reach("SIGNABLE", version, b"reset", ARM)
    await api.do("resetBinary", "binary { id }", binaryId=reset)
    changed = {"size": 1, "hash": "ab" * 32, "customMetadata": {"a": 1}, "description": "new"}
    await api.do("updateBinary", "binary { id }", binaryId=reset, **changed)
    await api.do("deleteBinary", "deletedBinaryId", binaryId=reset)
    key = SigningKey.generate()
    signer = await api.make(
        "createSigningKey",
        "signingKey { id }",
        name="further",
        publicKey=base64.b64encode(bytes(key.verify_key)).decode(),
    )
    digest = hashlib.sha256(b"content").hexdigest().encode()
    signature = {"signingKeyId": signer, "signature": key.sign(digest).signature.hex()}
    query = "binary { signatures { id signingKey { id } } }"
    held = (await api.do("signBinary", query, binaryId=signed, **signature))["signatures"]
    further = next(one["id"] for one in held if one["signingKey"]["id"] == signer)
    await api.do("deleteBinarySignature", "binary { id }", binarySignatureId=further)
    await api.do("deleteSigningKey", "deletedSigningKeyId", signingKeyId=signer)
    hooks = await api.ask("{ webhooks(first: 1) { nodes { id } } }")
    hook = hooks["webhooks"]["nodes"][0]["id"]
    await api.do("rotateWebhookSecret", "webhook { id }", webhookId=hook)
    await api.do("deleteWebhook", "deletedWebhookId", webhookId=hook)


async def test_the_events_of_each_thing_tell_what_became_of_it(api: Api) -> None:
    await fill(api, size=3)
    await change(api)
    organization = await api.ask("{ organization { id } }")
    id = parse_prn(organization["organization"]["id"], path=()).organization
    rows, stories = await rows_of(id), await story(id)
    assert rows.keys() <= stories.keys()
    for subject, told_of in stories.items():
        ends = [kind for kind in told_of.kinds if kind.endswith((".create", ".delete"))]
        (made, *gone) = ends
        assert made.endswith(".create"), told_of.kinds
        assert bool(gone) is (subject not in rows), told_of.kinds
    assert {kind for one in stories.values() for kind in one.kinds if kind.endswith(".delete")} == {
        kind for kind in KINDS if kind.endswith(".delete")
    }
    wrong = {name: fact for id, row in rows.items() for name, fact in stories[id].missing(row)}
    assert not wrong, wrong
