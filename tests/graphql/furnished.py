"""An organization with something of everything, made through the API but for what it can't do:
keys that are over, and old tokens.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from nacl.signing import SigningKey

from app.actions import access
from app.actions.unit import Actor
from app.models import ApiKey
from app.rules import plan
from app.rules.access import Role
from app.rules.prn import Kind, format_prn, parse_prn
from app.server import Server
from tests.api import BINARY, Api, Json
from tests.graphql.bad_input import MIB_5

KEY_NAMES = ("read", "write", "device", "revoked", "expired")
LIFE = ("uploadable", "hashable", "signable", "signed", "destroyed")


@dataclass
class Organization:
    """One organization, and the steps that fill it."""

    server: Server
    api: Api
    id: Any
    actor: Actor
    things: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def founded(cls, http: httpx.AsyncClient, server: Server, name: str) -> Organization:
        """A new organization with an ADMIN key."""
        found = await access.ensure_organization(name)
        actor = Actor(organization_id=found.id, role=Role.ADMIN)
        _, secret = await access.create_api_key(actor, name="admin", role=Role.ADMIN)
        return cls(server, Api(http, secret), found.id, actor, keys={"admin": secret})

    async def fill(self) -> None:
        """One thing of each kind, at least."""
        api, things = self.api, self.things
        things["signing_key"] = await api.key_id()
        things["public_key"] = base64.b64encode(bytes(api.signer.verify_key)).decode()
        things["product"] = await api.product()
        things["cohort"] = cohort = await api.cohort(things["product"])
        things["device"] = await api.device(things["product"], cohort)
        things["version"] = await api.version()
        text = "query($id: ID!) { artifactVersion(id: $id) { artifact { id } } }"
        found = await api.ask(text, id=things["version"])
        things["artifact"] = found["artifactVersion"]["artifact"]["id"]
        things["binary_released"] = await api.reach("SIGNED", things["version"])
        things["bundle"] = await api.bundle(things["version"])
        things["release_latest"] = await api.release(cohort, things["bundle"], version="1.0.0")
        await self._doom()
        await self._sign_twice()
        await self._make_keys()
        await self._make_webhooks()
        found = await api.ask("{ events { nodes { id } } products { pageInfo { endCursor } } }")
        things["event"] = found["events"]["nodes"][0]["id"]
        things["cursor_of_products"] = found["products"]["pageInfo"]["endCursor"]

    async def _doom(self) -> None:
        """A binary whose destruction affects a release."""
        api, things = self.api, self.things
        version = await api.version(artifact="doomed")
        things["binary_doomed"] = await api.reach("SIGNED", version, b"doomed")
        things["bundle_doomed"] = await api.bundle(version, name="doomed")
        things["cohort_doomed"] = await api.cohort(things["product"], "doomed")
        things["release_doomed"] = await api.release(
            things["cohort_doomed"], things["bundle_doomed"]
        )
        things["token_of_doomed"] = await self._token("binary_doomed")

    async def _token(self, binary: str) -> str:
        text = "query($id: ID!) { binary(id: $id) { impact { planToken } } }"
        found = await self.api.ask(text, id=self.things[binary])
        token: str = found["binary"]["impact"]["planToken"]
        return token

    async def _sign_twice(self) -> None:
        """A binary with a signature by each of two keys, and a key that signed nothing."""
        api, things = self.api, self.things
        states = things["version_of_states"] = await api.version(artifact="states")
        things["binary_signed"] = await api.reach("SIGNED", states, b"signed", "signed-linux")
        second, unused = SigningKey.generate(), SigningKey.generate()
        for name, key in (("second_key", second), ("unused_key", unused)):
            made = await api.do(
                "createSigningKey",
                "signingKey { id }",
                name=name,
                publicKey=base64.b64encode(bytes(key.verify_key)).decode(),
            )
            things[name] = made["id"]
        signed = hashlib.sha256(b"signed").hexdigest().encode()
        things["unused_signature_of_signed"] = unused.sign(signed).signature.hex()
        made = await api.do(
            "signBinary",
            "binary { signatures { id } }",
            binaryId=things["binary_signed"],
            signingKeyId=things["second_key"],
            signature=second.sign(signed).signature.hex(),
        )
        first, further = made["signatures"]
        things["signature"], things["further_signature"] = first["id"], further["id"]

    async def _make_keys(self) -> None:
        for name in KEY_NAMES:
            role = Role.__members__.get(name.upper(), Role.READ)
            device = parse_prn(self.things["device"], path=()).id if name == "device" else None
            made, secret = await access.create_api_key(
                self.actor, name=name, role=role, device_id=device
            )
            self.keys[name] = secret
            self.things[f"{name}_key"] = format_prn(Kind.API_KEY, self.id, made.id)
            if name == "expired":
                past = datetime.now(UTC) - timedelta(minutes=1)
                await ApiKey.filter(id=made.id).update(expires_at=past)
            if name == "revoked":
                await access.revoke_api_key(self.actor, made.id)
        self.things["api_key"] = self.things["read_key"]

    async def _make_webhooks(self) -> None:
        """One with a delivery, and one that is disabled."""
        made = {"url": "https://hooks.invalid/bindery", "eventKinds": ["webhook.test"]}
        for name, enabled in (("webhook", True), ("disabled_webhook", False)):
            self.things[name] = await self.api.make(
                "createWebhook", "webhook { id }", name=name, enabled=enabled, **made
            )
        self.things["webhook_delivery"] = await self.api.make(
            "testWebhook", "webhookDelivery { id }", webhookId=self.things["webhook"]
        )
        query = "query($id: ID!) { webhookDelivery(id: $id) { attemptCount } }"
        while True:
            # The name has no address, so the first attempt takes no time.
            found = await self.api.ask(query, id=self.things["webhook_delivery"])
            if found["webhookDelivery"]["attemptCount"]:
                return
            await asyncio.sleep(0.02)

    async def fill_more(self) -> None:
        """What the rows of the table need beside that."""
        await self._add_states()
        await self._add_uploads()
        await self._add_releases()
        await self._add_destroyed()
        await self._add_tokens()
        await self._add_rest()

    async def _add_states(self) -> None:
        api, things = self.api, self.things
        for state in LIFE:
            content = state.encode()
            name = f"binary_{state}"
            if state != "signed":
                things[name] = await api.reach(
                    state.upper(), things["version_of_states"], content, f"{state}-linux"
                )
            things[f"signature_of_{state}"] = api.signature(content)
        await self._add_failed()
        things["binary_complete"] = await api.uploaded(
            things["version_of_states"], b"complete", "complete-linux"
        )
        for state in (*LIFE, "complete"):
            text = "query($id: ID!) { binary(id: $id) { revision signatures { id } } }"
            found = await api.ask(text, id=things[f"binary_{state}"])
            things[f"revision_of_{state}"] = found["binary"]["revision"]
            if state == "destroyed":
                (kept,) = found["binary"]["signatures"]
                things["signature_of_destroyed_id"] = kept["id"]

    async def _add_failed(self) -> None:
        """A binary that stays in HASHING: its content is not what was declared."""
        api, things = self.api, self.things
        declared = hashlib.sha256(b"hashing").hexdigest()
        part = {"index": 1, "size": 7, "hash": hashlib.sha256(b"another").hexdigest()}
        made = await api.do(
            "createBinary",
            "binary { id parts { uploadUrl } }",
            artifactVersionId=things["version_of_states"],
            target="hashing-linux",
            hash=declared,
            size=7,
            parts=[part],
        )
        answer = await api.http.put(made["parts"][0]["uploadUrl"], content=b"another")
        assert answer.status_code == 200, answer.text
        await api.do("finishBinaryUpload", BINARY, binaryId=made["id"], startHashing=True)
        text = "query($id: ID!) { binary(id: $id) { verification { status } } }"
        status = ""
        while status != "FAILED":
            status = (await api.ask(text, id=made["id"]))["binary"]["verification"]["status"]
        things["binary_hashing"] = made["id"]
        things["signature_of_hashing"] = api.signature(b"hashing")

    async def _add_uploads(self) -> None:
        """Uploads that can't be finished."""
        version = self.things["version_unsigned"] = await self.api.version(artifact="unsigned")
        big = bytes(MIB_5)
        await self._upload(version, "with_a_gap", 2 * MIB_5 + 7, {1: big, 3: b"the end"})
        await self._upload(version, "too_short", 100, {1: b"content"})
        await self._upload(version, "spoiled", 7, {1: b"content"}, spoiled=True)
        await self._upload(version, "without_parts", 7, {})

    async def _upload(
        self, version: str, name: str, size: int, parts: dict[int, bytes], *, spoiled: bool = False
    ) -> None:
        made = await self.api.do(
            "createBinary",
            "binary { id parts { index uploadUrl } }",
            artifactVersionId=version,
            target=f"{name}-linux",
            hash="ab" * 32,
            size=size,
            parts=[
                {
                    "index": index,
                    "size": len(content),
                    "hash": hashlib.sha256(content).hexdigest(),
                }
                for index, content in parts.items()
            ],
        )
        self.things[f"binary_{name}"] = made["id"]
        for part in made["parts"]:
            content = parts[part["index"]]
            sent = bytes(len(content)) if spoiled else content
            answer = await self.api.http.put(part["uploadUrl"], content=sent)
            assert answer.status_code == (400 if spoiled else 200), answer.text

    async def _add_releases(self) -> None:
        """first → middle (required) → latest, and cohorts whose latest is constrained."""
        api, things = self.api, self.things
        cohort, bundle = things["cohort"], things["bundle"]
        things["release_middle"] = await api.release(
            cohort, bundle, "middle", nextReleaseId=things["release_latest"], required=True
        )
        things["release_first"] = await api.release(
            cohort, bundle, "first", nextReleaseId=things["release_middle"]
        )
        constraints: dict[str, Json] = {
            "scheduled": {"scheduledAt": "2999-01-01T00:00:00Z"},
            "phased": {"phase": {"value": 0.5}},
            "final": {"phase": {"value": 1}},
        }
        for name, more in constraints.items():
            things[f"cohort_{name}"] = made = await api.cohort(things["product"], name)
            things[f"release_{name}"] = await api.release(made, bundle, name, **more)
        things["cohort_bare"] = await api.cohort(things["product"], "bare")

    async def _add_destroyed(self) -> None:
        """A bundle whose binary was destroyed."""
        api, things = self.api, self.things
        things["version_affected"] = version = await api.version(artifact="lost")
        things["binary_lost"] = await api.reach("SIGNED", version, b"lost")
        things["bundle_affected"] = await api.bundle(version, name="affected")
        await api.do("destroyBinary", BINARY, binaryId=things["binary_lost"])

    async def _add_tokens(self) -> None:
        """Tokens that are good no longer."""
        api, things = self.api, self.things
        things["token_before_later"] = things["token_of_doomed"]
        things["release_doomed_later"] = await api.release(
            things["cohort_doomed"], things["bundle_doomed"], "later"
        )
        token = things["token_of_doomed"] = await self._token("binary_doomed")
        things["token_tampered"] = token[:-1] + ("A" if token[-1] != "A" else "B")
        key = self.server.secret
        good = plan.read(token, key=key)
        past = datetime.now(UTC) - timedelta(seconds=1)
        things["token_expired"] = plan.write(
            plan.Plan(good.organization_id, good.binaries, good.releases, past), key=key
        )
        earlier = {id: revision - 1 for id, revision in good.binaries.items()}
        things["token_of_earlier_revision"] = plan.write(
            plan.Plan(good.organization_id, earlier, good.releases, good.expires), key=key
        )
        things["token_of_another_server"] = plan.write(good, key=bytes(32))
        version = await api.version(artifact="flagged")
        things["binary_flagged"] = await api.reach("SIGNED", version, b"flagged")
        bundle = await api.bundle(version, name="flagged")
        cohort = await api.cohort(things["product"], "flagged")
        things["release_flagged_archived"] = await api.release(cohort, bundle, "archived")
        things["release_flagged"] = await api.release(cohort, bundle, "flagged")
        things["token_of_flagged"] = await self._token("binary_flagged")
        await api.do(
            "archiveReleases",
            "releases { id }",
            releaseIds=[things["release_flagged_archived"]],
        )
        await api.do(
            "updateRelease", "release { id }", releaseId=things["release_flagged"], required=True
        )

    async def _add_rest(self) -> None:
        api, things = self.api, self.things
        retired = await api.do(
            "createSigningKey",
            "signingKey { id }",
            name="retired",
            publicKey=base64.b64encode(bytes(SigningKey.generate().verify_key)).decode(),
        )
        things["retired_key"] = retired["id"]
        await api.do("retireSigningKey", "signingKey { id }", signingKeyId=retired["id"])
        text = "query($id: ID!) { binary(id: $id) { signatures { id } } }"
        found = await api.ask(text, id=things["binary_released"])
        things["last_signature"] = found["binary"]["signatures"][0]["id"]
        things["device_alone"] = await api.device(things["product"], None, "alone")
        things["product_other"] = await api.product("camera", "x86_64-unknown-linux-gnu")
        things["cohort_other"] = await api.cohort(things["product_other"])
        things["product_archived"] = await api.product("archived")
        things["cohort_archived"] = await api.cohort(things["product_archived"])
        await api.do("archiveProduct", "product { id }", productId=things["product_archived"])
        found = await api.ask(
            """{ products { pageInfo { endCursor } } cohorts { pageInfo { endCursor } }
            named: products(orderBy: {field: NAME}) { pageInfo { endCursor } } }"""
        )
        cursor = things["cursor_of_products"] = found["products"]["pageInfo"]["endCursor"]
        things["cursor_tampered"] = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
        things["cursor_of_cohorts"] = found["cohorts"]["pageInfo"]["endCursor"]
        things["cursor_of_products_by_name"] = found["named"]["pageInfo"]["endCursor"]
