"""Eight clients, each with binaries of its own, that go on until the server is gone."""

from __future__ import annotations

import base64
import hashlib
import random
import threading
import time
from dataclasses import dataclass
from typing import Final

import httpx
from nacl.signing import SigningKey

from tests.faults.ledger import Entry, Ledger
from tests.journeys.checks import Failed
from tests.journeys.client import Api

LIVE: Final = 3
"""Binaries that a client works on at a time."""
LARGEST: Final = 40_000
"""Bytes of the largest content: the moments between two writes are what matters here."""

_PART: Final = "index state size hash uploadUrl uploadMethod uploadHeaders { name value }"
_MOVES: Final = {
    "UPLOADABLE": ("send", "send", "finishBinaryUpload"),
    "HASHABLE": ("startBinaryHashing", "startBinaryHashing", "resetBinary"),
    "HASHING": ("look", "look", "resetBinary"),
    "SIGNABLE": ("signBinary", "signBinary", "resetBinary"),
    "SIGNED": ("destroyBinary",),
}
_AFTER: Final = {
    "finishBinaryUpload": "HASHABLE",
    "startBinaryHashing": "HASHING",
    "resetBinary": "UPLOADABLE",
    "signBinary": "SIGNED",
    "destroyBinary": "DESTROYED",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """What all clients share: an artifact's version, and who signs."""

    version: str
    signing_key: str
    signer: SigningKey


def staged(api: Api) -> Stage:
    """Make what binaries need."""
    signer = SigningKey.generate()
    public = base64.b64encode(bytes(signer.verify_key)).decode()
    artifact = api.do("createArtifact", "artifact { id }", name="firmware")["id"]
    version = api.do(
        "createArtifactVersion", "artifactVersion { id }", artifactId=artifact, version="1.0.0"
    )["id"]
    key = api.do("createSigningKey", "signingKey { id }", name="signer", publicKey=public)["id"]
    return Stage(version, key, signer)


class Client:
    """One client: what it did is in its ledger."""

    def __init__(self, number: int, stage: Stage, *, seed: int) -> None:
        self.ledger = Ledger()
        self._number = number
        self._stage = stage
        self._random = random.Random(seed * 1000 + number)
        self._made = 0

    def run(self, api: Api, over: threading.Event, *, to_the_end: bool = True) -> None:
        """Work until the server is gone; an answer that nothing explains goes to the ledger.

        After `over` a refusal is explained by the fault: it acknowledges nothing. Where the server
        is not to go, work does not go on then (`to_the_end`).
        """
        try:
            while to_the_end or not over.is_set():
                self.step(api)
                self.ledger.acknowledged += 1
        except httpx.TransportError:
            return
        except Failed as failure:
            if not over.is_set():
                self.ledger.refused.append(str(failure))

    def step(self, api: Api) -> None:
        """One thing that a client does. Raises Failed and httpx.TransportError."""
        live = [entry for entry in self.ledger.live if entry.state != "DESTROYED"]
        if len(live) < LIVE:
            self._create(api)
            return
        entry = self._random.choice(live)
        move = self._random.choice(_MOVES[entry.state])
        if move == "finishBinaryUpload" and not entry.stored:
            move = "send"
        if move == "send":
            _send(api, entry)
        elif move == "look":
            _look(api, entry)
        else:
            self._move(api, entry, move)

    def _create(self, api: Api) -> None:
        content = self._random.randbytes(self._random.randrange(1, LARGEST))
        digest = hashlib.sha256(content).hexdigest()
        self._made += 1
        # An unanswered one may be there all the same: its target is then never used again.
        made = api.do(
            "createBinary",
            f"binary {{ id parts {{ {_PART} }} }}",
            artifactVersionId=self._stage.version,
            target=f"c{self._number}-{self._made}",
            hash=digest,
            size=len(content),
            parts=[{"index": 1, "size": len(content), "hash": digest}],
        )
        self.ledger.live.append(Entry(made["id"], content, made["parts"][0]))

    def _move(self, api: Api, entry: Entry, move: str) -> None:
        more: dict[str, str] = {}
        if move == "signBinary":
            signature = self._stage.signer.sign(entry.hash.encode()).signature.hex()
            more = {"signingKeyId": self._stage.signing_key, "signature": signature}
        if move == "destroyBinary":
            entry.download = api.binary(entry.id, "downloadUrl")["downloadUrl"]
        entry.asked = _AFTER[move]
        state = api.do(move, "binary { state }", binaryId=entry.id, **more)["state"]
        entry.acknowledge(state)
        if move == "resetBinary":
            _register(api, entry)


def _register(api: Api, entry: Entry) -> None:
    """Register the part anew: a reset took it, and raised the epoch that its URL carries."""
    entry.part = api.do(
        "createBinaryParts",
        f"parts {{ {_PART} }}",
        binaryId=entry.id,
        parts=[{"index": 1, "size": len(entry.content), "hash": entry.hash}],
    )[0]


def _send(api: Api, entry: Entry) -> None:
    if not entry.part:
        _register(api, entry)
    entry.sending = True
    answer = api.put(entry.part, iter([entry.content]))
    if answer.status_code != 200:
        raise Failed(f"An upload was answered {answer.status_code}: {answer.text[:300]}")
    entry.stored, entry.sending = True, False


def _look(api: Api, entry: Entry) -> None:
    entry.state = api.binary(entry.id, "state")["state"]
    if entry.state not in ("HASHING", "SIGNABLE"):
        raise Failed(f"A binary in HASHING, whose content is right, became {entry.state}.")
    time.sleep(0.005)
