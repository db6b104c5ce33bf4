"""Binaries for suites that need one with content, and nothing of the rest of its life."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from tests.faults import checks
from tests.faults.clients import Stage
from tests.journeys.checks import equal
from tests.journeys.client import Api, Json

PART = "index state size hash uploadUrl uploadMethod uploadHeaders { name value }"


@dataclass(frozen=True, slots=True)
class Stored:
    """A binary, what it should hold, and its only part."""

    id: str
    content: bytes
    part: Json

    def state(self, api: Api) -> str:
        """Its state, as soon as no work on it is under way."""

        def look() -> tuple[str, bool]:
            state: str = api.binary(self.id, "state")["state"]
            return state, state != "HASHING"

        return checks.within(look)

    def upload(self, api: Api) -> None:
        """Send the content. Raises Failed."""
        equal("The answer", api.put(self.part, iter([self.content])).status_code, 200)

    def hash(self, api: Api) -> str:
        """Have the server verify it; gives the state that comes of it."""
        api.do("finishBinaryUpload", "binary { id }", binaryId=self.id)
        api.do("startBinaryHashing", "binary { id }", binaryId=self.id)
        return self.state(api)

    def sign(self, api: Api, stage: Stage) -> str:
        """Sign it; gives the URL of its content."""
        digest = hashlib.sha256(self.content).hexdigest()
        signature = stage.signer.sign(digest.encode()).signature.hex()
        signed = api.do(
            "signBinary",
            "binary { downloadUrl }",
            binaryId=self.id,
            signingKeyId=stage.signing_key,
            signature=signature,
        )
        url: str = signed["downloadUrl"]
        return url

    def destroy(self, api: Api) -> None:
        """Destroy it; it is in no release."""
        api.do("destroyBinary", "binary { state }", binaryId=self.id)

    def erased(self, api: Api) -> str | None:
        """When its content was erased, or None if that takes too long."""

        def look() -> tuple[str | None, bool]:
            at: str | None = api.binary(self.id, "contentErasedAt")["contentErasedAt"]
            return at, at is not None

        return checks.within(look)


def created(api: Api, stage: Stage, *, target: str, content: bytes) -> Stored:
    """A binary of one part, of which nothing was sent yet."""
    digest = hashlib.sha256(content).hexdigest()
    made = api.do(
        "createBinary",
        f"binary {{ id parts {{ {PART} }} }}",
        artifactVersionId=stage.version,
        target=target,
        hash=digest,
        size=len(content),
        parts=[{"index": 1, "size": len(content), "hash": digest}],
    )
    return Stored(made["id"], content, made["parts"][0])
