"""A client of the API for tests: mutations by name, and the steps that most tests need."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

import httpx
from nacl.signing import SigningKey

Json = dict[str, Any]

ERRORS = """errors {
  __typename code message path
  ... on InvalidTransitionError { state availableTransitions }
  ... on ConflictError { state revision availableTransitions }
  ... on PartsIncompleteError { missing declaredSize storedSize }
  ... on QuotaExceededError { limit used }
  ... on AlreadyExistsError { existingId existing { id } }
  ... on ForbiddenError { role }
  ... on ArtifactVersionRefusedError { index }
  ... on BundleAffectedError { binaries { id } }
  ... on ReleaseGraphError { rule }
  ... on ReleaseConstrainedError { rule }
  ... on BadPublicKeyError { reason }
  ... on ImpactNotAcceptedError { releases { id } impact { planToken } }
  ... on ImpactChangedError { added { id } removed { id } }
}"""
BINARY = "binary { id state revision bytesUploaded destroyed hash availableTransitions }"
PART = "index state size hash uploadUrl uploadMethod uploadHeaders { name value } uploadExpiresAt"


@dataclass
class Api:
    """One key's view of the server."""

    http: httpx.AsyncClient
    key: str
    signer: SigningKey = field(default_factory=SigningKey.generate)
    signing_key_id: str = ""

    async def post(self, query: str, variables: Json | None = None) -> httpx.Response:
        """One request, as it is answered."""
        return await self.http.post(
            "/graphql",
            json={"query": query, "variables": variables or {}},
            headers={"authorization": f"Bearer {self.key}"},
        )

    async def ask(self, query: str, **variables: Any) -> Json:
        """The data of a query that succeeds."""
        body: Json = (await self.post(query, variables)).json()
        assert "errors" not in body, body["errors"]
        data: Json = body["data"]
        return data

    async def refused(self, query: str, **variables: Any) -> Json:
        """The first error of a query that fails."""
        body: Json = (await self.post(query, variables)).json()
        error: Json = body["errors"][0]
        return error

    async def mutate(self, name: str, selection: str, /, **input: Any) -> Json:
        """A mutation's payload, errors and all."""
        kind = name[0].upper() + name[1:] + "Input"
        query = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {selection} {ERRORS} }} }}"
        payload: Json = (await self.ask(query, input=input))[name]
        return payload

    async def do(self, name: str, selection: str, /, **input: Any) -> Any:
        """What a mutation that succeeds gives: the payload's one result."""
        payload = await self.mutate(name, selection, **input)
        assert payload.pop("errors") == [], (name, input)
        (result,) = payload.values()
        return result

    async def make(self, name: str, selection: str, /, **input: Any) -> str:
        """The id of what a mutation that succeeds gives."""
        id: str = (await self.do(name, selection, **input))["id"]
        return id

    async def fail(self, name: str, selection: str, /, **input: Any) -> Json:
        """The one error of a mutation that is refused."""
        payload = await self.mutate(name, selection, **input)
        (error,) = payload["errors"]
        found: Json = error
        return found

    # The steps that most tests need.

    async def product(self, name: str = "router", target: str = "arm-linux-gnueabihf") -> str:
        """A product's id."""
        return await self.make("createProduct", "product { id }", name=name, target=target)

    async def cohort(self, product_id: str, name: str = "stable") -> str:
        """A cohort's id."""
        return await self.make("createCohort", "cohort { id }", productId=product_id, name=name)

    async def device(
        self, product_id: str, cohort_id: str | None, identifier: str = "device-1", **more: Any
    ) -> str:
        """A device's id."""
        return await self.make(
            "createDevice",
            "device { id }",
            productId=product_id,
            cohortId=cohort_id,
            identifier=identifier,
            **more,
        )

    async def version(self, version: str = "1.0.0", artifact: str = "firmware") -> str:
        """The id of a version of a new artifact."""
        made = await self.do("createArtifact", "artifact { id }", name=artifact)
        return await self.make(
            "createArtifactVersion",
            "artifactVersion { id }",
            artifactId=made["id"],
            version=version,
        )

    async def binary(
        self, version_id: str, content: bytes = b"content", target: str = "portable", **more: Any
    ) -> Json:
        """An uploadable binary with one registered part (none for no content)."""
        digest = hashlib.sha256(content).hexdigest()
        parts = [{"index": 1, "size": len(content), "hash": digest}] if content else []
        found: Json = await self.do(
            "createBinary",
            f"binary {{ id state revision parts {{ {PART} }} }}",
            artifactVersionId=version_id,
            target=target,
            hash=digest,
            size=len(content),
            parts=parts,
            **more,
        )
        return found

    async def uploaded(
        self, version_id: str, content: bytes = b"content", target: str = "portable"
    ) -> str:
        """The id of an uploadable binary whose bytes are all there."""
        binary = await self.binary(version_id, content, target)
        for part in binary["parts"]:
            answer = await self.http.put(part["uploadUrl"], content=content)
            assert answer.status_code == 200, answer.text
        id: str = binary["id"]
        return id

    async def state(self, binary_id: str) -> str:
        """A binary's present state."""
        found = await self.ask("query($id: ID!) { binary(id: $id) { state } }", id=binary_id)
        state: str = found["binary"]["state"]
        return state

    async def reach(
        self,
        state: str,
        version_id: str,
        content: bytes = b"content",
        target: str = "portable",
    ) -> str:
        """The id of a binary brought to a state, through the API alone."""
        id = (
            (await self.binary(version_id, content, target))["id"]
            if state == "UPLOADABLE"
            else await self.uploaded(version_id, content, target)
        )
        if state != "UPLOADABLE":
            await self.do("finishBinaryUpload", BINARY, binaryId=id)
        if state not in ("UPLOADABLE", "HASHABLE"):
            await self.do("startBinaryHashing", BINARY, binaryId=id)
        if state in ("SIGNABLE", "SIGNED", "DESTROYED"):
            await self.wait(id, "SIGNABLE")
        if state in ("SIGNED", "DESTROYED"):
            await self.sign(id, content)
        if state == "DESTROYED":
            await self.do("destroyBinary", BINARY, binaryId=id)
        return id

    async def wait(self, binary_id: str, state: str, seconds: float = 10) -> None:
        """Waits until a binary is in a state."""
        async with asyncio.timeout(seconds):
            while await self.state(binary_id) != state:  # noqa: ASYNC110 - as a client would.
                await asyncio.sleep(0.02)

    async def key_id(self) -> str:
        """The id of this client's signing key, registered when it is first asked for."""
        if not self.signing_key_id:
            found = await self.do(
                "createSigningKey",
                "signingKey { id }",
                name="signer",
                publicKey=base64.b64encode(bytes(self.signer.verify_key)).decode(),
            )
            self.signing_key_id = found["id"]
        return self.signing_key_id

    def signature(self, content: bytes) -> str:
        """This client's signature of a content, as hex."""
        digest = hashlib.sha256(content).hexdigest()
        return self.signer.sign(digest.encode()).signature.hex()

    async def sign(self, binary_id: str, content: bytes = b"content") -> Json:
        """Signs a binary."""
        found: Json = await self.do(
            "signBinary",
            BINARY,
            binaryId=binary_id,
            signingKeyId=await self.key_id(),
            signature=self.signature(content),
        )
        return found

    async def bundle(self, *version_ids: str, name: str = "bundle") -> str:
        """A bundle's id."""
        return await self.make(
            "createBundle", "bundle { id }", name=name, artifactVersionIds=list(version_ids)
        )

    async def release(
        self, cohort_id: str, bundle_id: str, name: str = "release", **more: Any
    ) -> str:
        """A release's id."""
        return await self.make(
            "createRelease",
            "release { id }",
            name=name,
            cohortId=cohort_id,
            bundleId=bundle_id,
            **more,
        )
