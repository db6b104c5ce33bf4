"""The steps that make content trusted: the server's own hashing, and openssl's signatures."""

from __future__ import annotations

import time
from typing import Final

from tests.journeys.checks import equal, true, within
from tests.journeys.client import Json
from tests.journeys.journey import Journey, Stored
from tests.journeys.sample import MIB

HASHING_SECONDS: Final = 60.0
PAUSE: Final = 0.004
"""Seconds between two looks: content of this size is read in a fraction of a second."""


def hashed(journey: Journey) -> str:
    """The server reads its content back, says how far it is, and finds what was declared."""
    stored = journey.specific
    begun = time.perf_counter()
    started = journey.api.do("startBinaryHashing", "binary { state }", binaryId=stored.id)
    equal("The binary", started, {"state": "HASHING"})
    seen = _watched(journey, stored)
    speed = journey.took("hash", stored.sample.size, begun)
    # A worker that takes over from one that died begins anew, and says so.
    true(seen == sorted(seen), f"The bytes hashed went back: {seen}.")
    # Whatever lies between is the progress that a console would show.
    between = sorted({at for _, at in seen if 0 < at < stored.sample.size})
    equal("The bytes hashed in the end", seen[-1][1], stored.sample.size)
    true(bool(between), f"The bytes hashed never told how far it was: {sorted(set(seen))}.")
    journey.attempts = seen[-1][0]
    told = " ".join(f"{at / MIB:.0f}" for at in between[:6])
    return f"{speed}; seen under way: {told} MiB"


def also_hashed(journey: Journey) -> str:
    """The portable binary is through as well."""
    _watched(journey, journey.portable)
    return "SIGNABLE"


def wrong_signature(journey: Journey) -> str:
    """A signature of other content is refused, and nothing changes."""
    stored = journey.specific
    before = journey.api.binary(stored.id, "state revision")
    error = journey.api.refused(
        "signBinary",
        binaryId=stored.id,
        signingKeyId=journey.signing_key,
        signature=journey.signer.signature(journey.portable.sample.hash),
    )
    equal("The code", error["code"], "BAD_SIGNATURE")
    equal("The binary", journey.api.binary(stored.id, "state revision"), before)
    return "BAD_SIGNATURE"


def signed(journey: Journey) -> str:
    """Openssl's signatures make both binaries signed."""
    for stored in (journey.specific, journey.portable):
        signature = journey.signer.signature(stored.sample.hash)
        binary = journey.api.do(
            "signBinary",
            "binary { state availableTransitions signatures { signature signingKey { id } } }",
            binaryId=stored.id,
            signingKeyId=journey.signing_key,
            signature=signature,
        )
        stored.signatures = [signature.upper()]
        equal("The binary's state", binary["state"], "SIGNED")
        entry = {"signature": signature.upper(), "signingKey": {"id": journey.signing_key}}
        equal("The signatures", binary["signatures"], [entry])
        true("DESTROY" in binary["availableTransitions"], "A signed binary can't be destroyed.")
    return "SIGNED, both"


def _watched(journey: Journey, stored: Stored) -> list[tuple[int, int]]:
    """The attempt, and its bytes hashed, at each look, until the binary is signable."""
    seen: list[tuple[int, int]] = []

    def look() -> Json | None:
        binary = journey.api.binary(
            stored.id,
            "state verification { attempts status bytesHashed computedHash computedSize error }",
        )
        attempt = binary["verification"].pop("attempts")
        seen.append((attempt, int(binary["verification"]["bytesHashed"])))
        if binary["state"] == "HASHING" and binary["verification"]["status"] != "FAILED":
            return None
        return binary

    size = str(stored.sample.size)
    expected = {
        "state": "SIGNABLE",
        "verification": {
            "status": "PASSED",
            "bytesHashed": size,
            "computedHash": stored.sample.hash,
            "computedSize": size,
            "error": None,
        },
    }
    equal("The binary", within(HASHING_SECONDS, "Hashing", look, pause=PAUSE), expected)
    return seen
