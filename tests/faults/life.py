"""A whole life of one binary, step by step, by a client that asks again what had no answer."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from nacl.signing import SigningKey

from app.rules.part import MIN_PART_SIZE
from tests.faults import checks
from tests.journeys.checks import Failed
from tests.journeys.client import Api, Json

_PART: Final = "index state size hash uploadUrl uploadMethod uploadHeaders { name value }"
_OLD, _FIRST, _LAST = b"old" * 1000, b"f" * MIN_PART_SIZE, b"l" * 70_000
CONTENT: Final = _FIRST + _LAST


@dataclass(frozen=True, slots=True)
class Scene:
    """What is there before the life begins."""

    version: str
    cohort: str
    signing_key: str
    signer: SigningKey


def scene(api: Api) -> Scene:
    """Make what the life needs."""
    signer = SigningKey.generate()
    public = base64.b64encode(bytes(signer.verify_key)).decode()
    artifact = api.do("createArtifact", "artifact { id }", name="firmware")["id"]
    product = api.do("createProduct", "product { id }", name="box", target="arm-box")["id"]
    return Scene(
        api.do("createArtifactVersion", _made("artifactVersion"), artifactId=artifact, version="1")[
            "id"
        ],
        api.do("createCohort", _made("cohort"), productId=product, name="stable")["id"],
        api.do("createSigningKey", _made("signingKey"), name="signer", publicKey=public)["id"],
        signer,
    )


@dataclass(slots=True)
class Life:
    """How far the life has come: what was acknowledged, kept outside of what is under test."""

    scene: Scene
    done: int = 0
    """Steps that were acknowledged."""
    ids: dict[str, str] = field(default_factory=dict)

    def go_on(self, api: Api, *, until: int | None = None) -> None:
        """Take steps until so many are done. Raises httpx.TransportError when the server goes."""
        while self.done < (len(STEPS) if until is None else until):
            STEPS[self.done].take(self, api)
            self.done += 1

    def lost(self, api: Api) -> list[str]:
        """What was acknowledged and does not hold; what was asked may be done, or not."""
        if "binary" not in self.ids:
            return []
        binary = checks.within(lambda: self._settled(api))
        found = (binary["state"], _valid(binary))
        possible = [
            (step.state, step.stored) for step in STEPS[max(self.done - 1, 0) : self.done + 1]
        ]
        lost = [] if found in possible else [f"the binary is {found}, not one of {possible}"]
        if binary["state"] == "DESTROYED" and binary["contentErasedAt"] is None:
            lost.append("the binary is destroyed, and not erased")
        if binary["state"] in ("SIGNABLE", "SIGNED"):
            content = api.http.get(binary["downloadUrl"]).content
            lost += [] if content == CONTENT else ["the content is another"]
        url = self.ids.get("url")
        if url and binary["state"] == "DESTROYED" and api.http.get(url).status_code != 410:
            lost.append("the content is destroyed, and its URL is answered")
        for kind in self.ids.keys() & {"bundle", "release"}:
            node = api.ask("query($id: ID!) { node(id: $id) { id } }", id=self.ids[kind])["node"]
            lost += [] if node else [f"the {kind} is gone"]
        return lost

    def _settled(self, api: Api) -> tuple[Json, bool]:
        binary = api.binary(
            self.ids["binary"], "state downloadUrl contentErasedAt parts { state hash }"
        )
        waits = binary["state"] == "HASHING" or (
            binary["state"] == "DESTROYED" and binary["contentErasedAt"] is None
        )
        return binary, not waits

    def _do(self, api: Api, move: str, kind: str, /, **input: Any) -> str:
        """One mutation; asked again under the same key, it is done once."""
        made = api.do(move, _made(kind), idempotencyKey=move + str(self.done), **input)
        id: str = made["id"]
        return id

    def move(self, api: Api, name: str, **input: Any) -> None:
        """One move of the binary."""
        self._do(api, name, "binary", binaryId=self.ids["binary"], **input)

    def create(self, api: Api) -> None:
        """The record of the binary."""
        self.ids["binary"] = self._do(
            api,
            "createBinary",
            "binary",
            artifactVersionId=self.scene.version,
            target="arm-box",
            hash=_sha256(CONTENT),
            size=len(CONTENT),
        )

    def register(self, api: Api, index: int, content: bytes) -> Json:
        """A part with this content; whatever other content it had is dropped."""
        part: Json = api.do(
            "createBinaryParts",
            f"parts {{ {_PART} }}",
            binaryId=self.ids["binary"],
            parts=[{"index": index, "size": len(content), "hash": _sha256(content)}],
        )[0]
        return part

    def send(self, api: Api, index: int, content: bytes, *, sent: bytes | None = None) -> None:
        """Register a part and send its bytes; others than its own are to be refused."""
        part = self.register(api, index, content)
        answer = api.put(part, iter([content if sent is None else sent]))
        if answer.status_code != (200 if sent is None else 400):
            raise Failed(f"An upload is answered {answer.status_code}: {answer.text[:300]}")

    def sign(self, api: Api) -> None:
        """Sign the content's hash."""
        signature = self.scene.signer.sign(_sha256(CONTENT).encode()).signature.hex()
        self.move(api, "signBinary", signingKeyId=self.scene.signing_key, signature=signature)

    def wait(self, api: Api) -> None:
        """Wait until the server has hashed the content."""
        binary = checks.within(lambda: self._settled(api))
        if binary["state"] != "SIGNABLE":
            raise Failed(f"The binary is {binary['state']} after hashing.")

    def bundle(self, api: Api) -> None:
        """A bundle with the binary's version."""
        versions = [self.scene.version]
        self.ids["bundle"] = self._do(
            api, "createBundle", "bundle", name="edition", artifactVersionIds=versions
        )

    def release(self, api: Api) -> None:
        """A release of the bundle."""
        cohort, bundle = self.scene.cohort, self.ids["bundle"]
        self.ids["release"] = self._do(
            api, "createRelease", "release", name="first", cohortId=cohort, bundleId=bundle
        )

    def look(self, api: Api) -> None:
        """What destroying would do, and the URL that is to be dead afterwards."""
        found = api.binary(self.ids["binary"], "downloadUrl impact { planToken }")
        self.ids |= {"url": found["downloadUrl"], "plan": found["impact"]["planToken"]}

    def destroy(self, api: Api) -> None:
        """Destroy the binary, the impact accepted."""
        self.move(api, "destroyBinary", planToken=self.ids["plan"])


@dataclass(frozen=True, slots=True)
class Step:
    """One step, and how the binary is after it: its state and the hashes of its valid parts."""

    take: Callable[[Life, Api], None]
    state: str
    stored: frozenset[str] = frozenset()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _made(kind: str) -> str:
    return f"{kind} {{ id }}"


def _valid(binary: Json) -> frozenset[str]:
    return frozenset(part["hash"] for part in binary["parts"] if part["state"] == "VALID")


_BOTH: Final = frozenset({_sha256(_FIRST), _sha256(_LAST)})
_SEND_FIRST: Final = Step(
    lambda life, api: life.send(api, 1, _FIRST), "UPLOADABLE", frozenset({_sha256(_FIRST)})
)
_SEND_LAST: Final = Step(lambda life, api: life.send(api, 2, _LAST), "UPLOADABLE", _BOTH)
_FINISH: Final = Step(lambda life, api: life.move(api, "finishBinaryUpload"), "HASHABLE", _BOTH)

STEPS: Final = (
    Step(Life.create, "UPLOADABLE"),
    Step(lambda life, api: life.send(api, 1, _OLD, sent=b"new" * 1000), "UPLOADABLE"),
    Step(lambda life, api: life.send(api, 1, _OLD), "UPLOADABLE", frozenset({_sha256(_OLD)})),
    Step(lambda life, api: (life.register(api, 1, _FIRST), None)[1], "UPLOADABLE"),
    _SEND_FIRST,
    _SEND_LAST,
    _FINISH,
    Step(lambda life, api: life.move(api, "resetBinary"), "UPLOADABLE"),
    _SEND_FIRST,
    _SEND_LAST,
    _FINISH,
    Step(lambda life, api: life.move(api, "startBinaryHashing"), "SIGNABLE", _BOTH),
    Step(Life.wait, "SIGNABLE", _BOTH),
    Step(Life.sign, "SIGNED", _BOTH),
    Step(Life.bundle, "SIGNED", _BOTH),
    Step(Life.release, "SIGNED", _BOTH),
    Step(Life.look, "SIGNED", _BOTH),
    Step(Life.destroy, "DESTROYED"),
)
