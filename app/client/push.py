"""Brings a file to a server, whatever state an earlier run left it in.

Each step looks at what the server has, and does the next thing that is missing. So the same command
finishes what any interruption left, and running it once more changes nothing.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from dataclasses import dataclass, field
from typing import Any, Final

from nacl.signing import SigningKey

from app.client import names
from app.client.outcome import Ended, NotVerified, OtherContent, Refused, TimedOut
from app.client.progress import Progress
from app.client.service import Json, Service
from app.client.source import Source
from app.client.upload import Upload
from app.rules.binary import State
from app.rules.signature import fingerprint

POLL_SECONDS: Final = (0.1, 2.0)
"""How long the first and the last pauses are while something is waited for."""

_BINARY: Final = (
    "id state hash size target artifactVersion { id } verification { status error computedHash }"
    " parts { index size hash state }"
)
_MOVED_ON: Final = frozenset({"INVALID_TRANSITION", "CONFLICT", "UPLOAD_SUPERSEDED"})


@dataclass(kw_only=True)
class Push:
    """One run."""

    service: Service
    source: Source
    artifact: str
    version: str
    target: str
    key: SigningKey | None
    key_name: str
    wait: bool
    timeout: float
    upload: Upload
    progress: Progress
    _until: float = field(init=False, default=0.0)

    async def run(self) -> Json:
        """The binary as it is in the end. Raises Ended."""
        self._until = time.monotonic() + self.timeout
        binary = await self._binary()
        if (binary["hash"], int(binary["size"])) != (self.source.hash, self.source.size):
            raise OtherContent(
                f"Version {self.version} of {self.artifact} has other content for {self.target}:"
                f" {binary['id']} is {binary['hash']}, the file is {self.source.hash}."
            )
        while not self._done(binary):
            try:
                await self._step(binary)
            except Refused as refusal:
                # Another run may be at work on the same binary.
                if refusal.code not in _MOVED_ON or time.monotonic() > self._until:
                    raise
                self.progress.note(f"Something else moved the binary on: {refusal}")
                await asyncio.sleep(POLL_SECONDS[1])
            binary = await self._present(binary["id"])
        return binary

    def _done(self, binary: Json) -> bool:
        if binary["state"] == State.SIGNED:
            return True
        wanted = self.key is not None or self.wait
        return not wanted and binary["state"] in (State.HASHING, State.SIGNABLE)

    async def _step(self, binary: Json) -> None:
        match State(binary["state"]):
            case State.UPLOADABLE:
                await self.upload.run(binary)
                await self.service.do(
                    "finishBinaryUpload",
                    "binary { id }",
                    binaryId=binary["id"],
                    startHashing=True,
                )
                self.progress.note("Uploaded; the server reads it back now.")
            case State.HASHABLE:
                await self.service.do("startBinaryHashing", "binary { id }", binaryId=binary["id"])
            case State.HASHING:
                await self._hashed(binary["id"])
            case State.SIGNABLE if self.key is not None:
                await self._sign(binary["id"], self.key)
            case State.SIGNABLE:
                await self._until_state(binary["id"], State.SIGNABLE, "signed by somebody")
            case _:
                raise Ended(f"The binary was destroyed meanwhile: {binary['id']}.")

    async def _binary(self) -> Json:
        """The binary of the version for the target; what is missing is made."""
        do = self.service.do
        artifact = await names.artifact_id(self.service, self.artifact)
        if artifact is None:
            # Names are not unique, so that two runs at once would make two.
            made = await do(
                "createArtifact",
                "artifact { id }",
                name=self.artifact,
                idempotencyKey=f"push {hashlib.sha256(self.artifact.encode()).hexdigest()}",
            )
            artifact = made["id"]
        version = await self._made(
            "createArtifactVersion",
            "artifactVersion { id }",
            artifactId=artifact,
            version=self.version,
        )
        try:
            made = await do(
                "createBinary",
                "binary { id }",
                artifactVersionId=version,
                target=self.target,
                hash=self.source.hash,
                size=str(self.source.size),
            )
        except Refused as refusal:
            return await self._present(_existing(refusal))
        return await self._present(made["id"])

    async def _made(self, mutation: str, selection: str, **input: Any) -> str:
        try:
            return str((await self.service.do(mutation, selection, **input))["id"])
        except Refused as refusal:
            return _existing(refusal)

    async def _present(self, binary_id: str) -> Json:
        query = f"query Bindery($id: ID!) {{ binary(id: $id) {{ {_BINARY} }} }}"
        found: Json | None = (await self.service.ask(query, id=binary_id))["binary"]
        if found is None:
            raise Ended(f"The binary was deleted meanwhile: {binary_id}.")
        return found

    async def _hashed(self, binary_id: str) -> None:
        binary = await self._until_state(binary_id, State.HASHING, "verified")
        if binary["state"] == State.HASHING:
            told = binary["verification"]
            raise NotVerified(f"The verification failed: {told['error']}")

    async def _until_state(self, binary_id: str, state: State, what: str) -> Json:
        """Waits until a binary is in another state, or its verification has failed."""
        pause, longest = POLL_SECONDS
        while True:
            binary = await self._present(binary_id)
            failed = (binary["verification"] or {}).get("status") == "FAILED"
            if binary["state"] != state or (failed and state is State.HASHING):
                return binary
            if time.monotonic() > self._until:
                raise TimedOut(f"The binary is not {what} after {self.timeout:g} seconds.")
            await asyncio.sleep(pause)
            pause = min(longest, 1.5 * pause)

    async def _sign(self, binary_id: str, key: SigningKey) -> None:
        signature = key.sign(self.source.hash.encode("ascii")).signature.hex()
        await self.service.do(
            "signBinary",
            "binary { id }",
            binaryId=binary_id,
            signingKeyId=await self._key_id(key),
            signature=signature,
        )

    async def _key_id(self, key: SigningKey) -> str:
        """The id of the public key, which is registered where it is new and the role allows it."""
        public = bytes(key.verify_key)
        query = (
            "query Bindery($fingerprint: Sha256!)"
            " { signingKeys(filter: {fingerprint: $fingerprint}, first: 1) { nodes { id } } }"
        )
        found = await self.service.ask(query, fingerprint=fingerprint(public))
        for known in found["signingKeys"]["nodes"]:
            return str(known["id"])
        return await self._made(
            "createSigningKey", "signingKey { id }", name=self.key_name, publicKey=_base64(public)
        )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _existing(refusal: Refused) -> str:
    """The id of what was there before. Raises the refusal where that was not its reason."""
    found = refusal.facts.get("existingId")
    if refusal.code != "ALREADY_EXISTS" or not found:
        raise refusal
    return str(found)
