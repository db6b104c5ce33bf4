"""The first steps: products with their devices, an artifact's version, and who signs."""

from __future__ import annotations

from tests.journeys.checks import equal
from tests.journeys.journey import PORTABLE, Journey, Line, Stored


def own_product(journey: Journey) -> str:
    """A product whose target gets a binary of its own."""
    return _line(journey, journey.own, "Gateway")


def other_product(journey: Journey) -> str:
    """A product of another target."""
    return _line(journey, journey.other, "Sensor")


def artifact_version(journey: Journey) -> str:
    """An artifact, and a version of it."""
    journey.artifact = journey.api.do(
        "createArtifact",
        "artifact { id }",
        name=journey.name("Python"),
        description="An interpreter and its library.",
    )["id"]
    version = journey.api.do(
        "createArtifactVersion",
        "artifactVersion { id version artifact { id } }",
        artifactId=journey.artifact,
        version="1.0.0",
    )
    journey.version = version["id"]
    equal("The version's artifact", version["artifact"], {"id": journey.artifact})
    return f"version {version['version']}"


def binaries(journey: Journey) -> str:
    """The records of a target-specific binary and of a portable one."""
    for stored in (journey.specific, journey.portable):
        _record(journey, stored)
    return f"{journey.own.target} and {PORTABLE}"


def signing_key(journey: Journey) -> str:
    """The public half of a key that openssl made."""
    key = journey.api.do(
        "createSigningKey",
        "signingKey { id fingerprint retired }",
        name=journey.name("openssl"),
        publicKey=journey.signer.public_key(),
    )
    equal("The key's fingerprint", key["fingerprint"], journey.signer.fingerprint())
    equal("Whether the key is retired", key["retired"], False)
    journey.signing_key = key["id"]
    return f"fingerprint {key['fingerprint'][:16]}…"


def _line(journey: Journey, line: Line, name: str) -> str:
    api = journey.api
    product = api.do(
        "createProduct", "product { id target }", name=journey.name(name), target=line.target
    )
    line.product = product["id"]
    equal("The product's target", product["target"], line.target)
    line.cohort = api.do(
        "createCohort", "cohort { id }", productId=line.product, name=journey.name("Stable")
    )["id"]
    device = api.do(
        "createDevice",
        "device { id product { id } cohort { id } tags }",
        productId=line.product,
        cohortId=line.cohort,
        identifier=f"{name.lower()}-{journey.tag}",
        tags=["journey"],
    )
    line.device = device.pop("id")
    expected = {"product": {"id": line.product}, "cohort": {"id": line.cohort}, "tags": ["journey"]}
    equal("The device", device, expected)
    return line.target


def _record(journey: Journey, stored: Stored) -> None:
    sample = stored.sample
    binary = journey.api.do(
        "createBinary",
        "binary { id state target hash size destroyed bytesUploaded downloadUrl parts { id }"
        " customMetadata availableTransitions }",
        artifactVersionId=journey.version,
        target=stored.target,
        hash=sample.hash,
        size=sample.size,
        customMetadata=stored.metadata,
    )
    stored.id = binary.pop("id")
    moves = binary.pop("availableTransitions")
    expected = {
        "state": "UPLOADABLE",
        "target": stored.target,
        "hash": sample.hash,
        "size": str(sample.size),
        "destroyed": False,
        "bytesUploaded": "0",
        "downloadUrl": None,
        "parts": [],
        "customMetadata": stored.metadata,
    }
    equal("The new binary", binary, expected)
    equal("What it allows", moves, ["FINISH_UPLOAD"])
