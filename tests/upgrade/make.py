"""Fills a server of the first version through its API, and keeps what it then answers.

Run once, as fixtures/first/README.md says. What a later version answers to the same questions is
compared with it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import httpx
from nacl.signing import SigningKey

Json = dict[str, Any]

QUESTIONS: Final = (
    """{ binaries(first: 100) { totalCount nodes {
        id target state hash size destroyed bytesUploaded revision description customMetadata
        createdAt artifactVersion { version artifact { name } }
        parts { index state size hash } signatures { signature signingKey { name fingerprint } }
        verification { status computedHash computedSize }
    } } }""",
    """{ releases { nodes {
        id name required disabled archived version isLatest nextRelease { id }
        cohort { name product { name target } } bundle { name artifactVersions { nodes { id } } }
    } } }""",
    """{ devices { nodes {
        id identifier tags quarantined cohort { name } pinnedRelease { id } reportedRelease { id }
    } } }""",
    "{ apiKeys { nodes { id name role revokedAt } } signingKeys { nodes { id name retired } } }",
    "{ events(first: 100) { nodes { id kind time requestId before after } } }",
)
SIZES: Final = {"UPLOADABLE": 900, "HASHABLE": 1_300, "SIGNABLE": 0, "SIGNED": 2_000}


class Server:
    """The old server, as a client of its day sees it."""

    def __init__(self, url: str, key: str) -> None:
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=30)
        self._headers = {"authorization": f"Bearer {key}"}
        self.signer = SigningKey(hashlib.sha256(b"the first version").digest())

    def ask(self, query: str, variables: Json | None = None) -> Json:
        """The data of an operation that succeeds."""
        body: Json = self.http.post(
            "/graphql", json={"query": query, "variables": variables or {}}, headers=self._headers
        ).json()
        if "errors" in body:
            raise SystemExit(str(body["errors"]))
        data: Json = body["data"]
        return data

    def do(self, name: str, selection: str, /, **input: Any) -> Json:
        """What a mutation that succeeds gives."""
        kind = f"{name[0].upper()}{name[1:]}Input"
        query = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {selection} "
        payload = self.ask(query + "errors { code message } } }", {"input": input})[name]
        if payload.pop("errors"):
            raise SystemExit(f"{name} was refused")
        (result,) = payload.values()
        found: Json = result
        return found

    def binary(self, version: str, target: str, state: str, signing_key: str) -> str:
        """The id of a binary that is brought to a state."""
        content = hashlib.sha256(target.encode()).digest() * 100
        content = content[: SIZES.get(state, 1_000)]
        digest = hashlib.sha256(content).hexdigest()
        parts = [{"index": 1, "size": len(content), "hash": digest}] if content else []
        made = self.do(
            "createBinary",
            "binary { id parts { uploadUrl } }",
            artifactVersionId=version,
            target=target,
            hash=digest,
            size=len(content),
            description=f"for {target}",
            customMetadata={"quotes": "'\"\\", "list": [1, None]},
            parts=parts,
        )
        id: str = made["id"]
        for part in made["parts"]:
            self.http.put(part["uploadUrl"], content=content).raise_for_status()
        if state != "UPLOADABLE":
            self.do("finishBinaryUpload", "binary { id }", binaryId=id)
        if state not in ("UPLOADABLE", "HASHABLE"):
            self.do("startBinaryHashing", "binary { id }", binaryId=id)
            look = "query($id: ID!) { binary(id: $id) { state } }"
            while self.ask(look, {"id": id})["binary"]["state"] != "SIGNABLE":
                time.sleep(0.1)
        if state in ("SIGNED", "DESTROYED"):
            signature = self.signer.sign(digest.encode()).signature.hex()
            self.do(
                "signBinary",
                "binary { id }",
                binaryId=id,
                signingKeyId=signing_key,
                signature=signature,
            )
        if state == "DESTROYED":
            self.do("destroyBinary", "binary { id }", binaryId=id)
        return id


def fill(server: Server) -> None:
    """Makes something of everything there was."""
    public = base64.b64encode(bytes(server.signer.verify_key)).decode()
    key = server.do("createSigningKey", "signingKey { id }", name="release", publicKey=public)["id"]
    product = server.do(
        "createProduct", "product { id }", name="router", target="arm-linux-gnueabihf"
    )["id"]
    cohort = server.do("createCohort", "cohort { id }", productId=product, name="stable")["id"]
    artifact = server.do("createArtifact", "artifact { id }", name="firmware", description="é")[
        "id"
    ]
    releases = []
    for number in ("1.0.0", "1.1.0"):
        version = server.do(
            "createArtifactVersion", "artifactVersion { id }", artifactId=artifact, version=number
        )["id"]
        server.binary(version, "arm-linux-gnueabihf", "SIGNED", key)
        for state in ("UPLOADABLE", "HASHABLE", "SIGNABLE", "DESTROYED"):
            server.binary(version, f"x-{state.lower()}", state, key)
        # A bundle of a version with a destroyed target that nothing replaced would be refused.
        server.binary(version, "x-destroyed", "SIGNED", key)
        bundle = server.do(
            "createBundle", "bundle { id }", name=f"bundle {number}", artifactVersionIds=[version]
        )["id"]
        releases.append(
            server.do(
                "createRelease",
                "release { id }",
                name=f"release {number}",
                cohortId=cohort,
                bundleId=bundle,
                version=number,
                required=number == "1.0.0",
            )["id"]
        )
    for place in range(3):
        device = server.do(
            "createDevice",
            "device { id }",
            productId=product,
            cohortId=cohort,
            identifier=f"device-{place}",
            tags=["early"] * (place == 1),
        )["id"]
        if place == 1:
            server.do("claimUpdate", "update { status }", deviceId=device)
        if place == 2:
            server.do("quarantineDevice", "device { id }", deviceId=device)


def main() -> None:
    """`make.py URL KEY FILE`: fills the server at URL, and writes its answers to FILE."""
    url, key, file = sys.argv[1:]
    server = Server(url, key)
    fill(server)
    answers = [{"query": query, "data": server.ask(query)} for query in QUESTIONS]
    facts = {"key": key, "answers": answers}
    Path(file).write_text(json.dumps(facts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
