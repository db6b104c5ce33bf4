"""Every bad input of the GraphQL endpoint as data: what is sent, and how it is refused.

One table drives the tests of this folder and the page of errors. Its rows name things of a
prepared world (`The`), so that they are written down before there is a server. What follows from
the schema (each id that is taken, each list) and from the table of moves is worked out from those,
so that a new mutation without a row here fails a test.
"""

from __future__ import annotations

import base64
import copy
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from graphql import (
    GraphQLInputObjectType,
    GraphQLObjectType,
    build_schema,
    get_named_type,
    is_list_type,
    is_non_null_type,
)

from app.graphql.schema import sdl
from app.rules.binary import DELETABLE, Move, State, after, available
from app.rules.prn import Kind

Input = dict[str, Any]
Path = tuple[str, ...]
ANYTHING: Final = "…"
"""Stands for what differs from run to run in a message, such as an id."""


@dataclass(frozen=True, slots=True)
class The:
    """Something of the prepared world, by its name there."""

    name: str


@dataclass(frozen=True, slots=True)
class Mutation:
    """A mutation with its input. Its refusal is in the payload."""

    name: str
    input: Input


@dataclass(frozen=True, slots=True)
class Query:
    """A document with its variables. Its refusal is a top-level error."""

    text: str
    variables: Input = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """A request that does not come to execution; both media types have a status of their own."""

    body: bytes
    status: int
    status_as_json: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One bad input, and the answer to it.

    `rule` is the line of the API's contract that it belongs to. `facts` are fields of a payload's
    error, or extensions of a top-level one. `key` names the API key that sends it.
    """

    name: str
    rule: str
    send: Mutation | Query | Http
    code: str
    message: str = ANYTHING
    facts: Mapping[str, Any] = field(default_factory=dict)
    key: str = "admin"
    early: bool = False
    """Refused before execution, so that there is no data, even for a mutation."""


# What a mutation takes so that it would succeed; each row changes one thing of it.

HASH: Final = "ab" * 32
TRIPLET: Final = "x86_64-unknown-linux-gnu"
FRESH_KEY: Final = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
VALID: Final[dict[str, Input]] = {
    "archiveProduct": {"productId": The("product")},
    "archiveReleases": {"releaseIds": [The("release_first")]},
    "claimUpdate": {"deviceId": The("device")},
    "createApiKey": {"name": "new", "role": "READ"},
    "createArtifact": {"name": "new"},
    "createArtifactVersion": {"artifactId": The("artifact"), "version": "9.9.9"},
    "createBinary": {
        "artifactVersionId": The("version_unsigned"),
        "target": TRIPLET,
        "hash": HASH,
        "size": 7,
    },
    "createBinaryParts": {
        "binaryId": The("binary_uploadable"),
        "parts": [{"index": 1, "size": 10, "hash": HASH}],
    },
    "createBundle": {"name": "new", "artifactVersionIds": [The("version")]},
    "createCohort": {"productId": The("product"), "name": "new"},
    "createDevice": {"productId": The("product"), "identifier": "new"},
    "createDevices": {"productId": The("product"), "devices": [{"identifier": "new"}]},
    "createProduct": {"name": "new", "target": TRIPLET},
    "createRelease": {"name": "new", "cohortId": The("cohort"), "bundleId": The("bundle")},
    "createSigningKey": {"name": "new", "publicKey": FRESH_KEY},
    "createWebhook": {"name": "new", "url": "https://hooks.invalid/bindery"},
    "deleteBinary": {"binaryId": The("binary_uploadable")},
    "deleteBinarySignature": {"binarySignatureId": The("further_signature")},
    "deleteDevice": {"deviceId": The("device")},
    "deleteSigningKey": {"signingKeyId": The("unused_key")},
    "deleteWebhook": {"webhookId": The("webhook")},
    "destroyBinaries": {"binaryIds": [The("binary_signed")]},
    "destroyBinary": {"binaryId": The("binary_signed")},
    "finishBinaryUpload": {"binaryId": The("binary_complete")},
    "pinDevice": {"deviceId": The("device"), "releaseId": The("release_latest")},
    "quarantineDevice": {"deviceId": The("device")},
    "redeliverWebhook": {"webhookDeliveryId": The("webhook_delivery")},
    "releaseDeviceFromQuarantine": {"deviceId": The("device")},
    "renameSigningKey": {"signingKeyId": The("signing_key"), "name": "new"},
    "reportDeviceState": {"deviceId": The("device"), "reported": {"version": "1.0.0"}},
    "resetBinary": {"binaryId": The("binary_hashable")},
    "retireSigningKey": {"signingKeyId": The("unused_key")},
    "revokeApiKey": {"apiKeyId": The("api_key")},
    "rotateWebhookSecret": {"webhookId": The("webhook")},
    "setQuota": {},
    "signBinary": {
        "binaryId": The("binary_signable"),
        "signingKeyId": The("signing_key"),
        "signature": The("signature_of_signable"),
    },
    "startBinaryHashing": {"binaryId": The("binary_hashable")},
    "testWebhook": {"webhookId": The("webhook")},
    "unpinDevice": {"deviceId": The("device")},
    "updateArtifact": {"artifactId": The("artifact")},
    "updateArtifactVersion": {"artifactVersionId": The("version")},
    "updateBinary": {"binaryId": The("binary_uploadable")},
    "updateCohort": {"cohortId": The("cohort")},
    "updateDevice": {"deviceId": The("device")},
    "updateProduct": {"productId": The("product")},
    "updateRelease": {"releaseId": The("release_latest")},
    "updateWebhook": {"webhookId": The("webhook")},
}
ADMIN_ONLY: Final = {
    "createApiKey",
    "createSigningKey",
    "createWebhook",
    "deleteBinary",
    "deleteSigningKey",
    "deleteWebhook",
    "destroyBinaries",
    "destroyBinary",
    "redeliverWebhook",
    "renameSigningKey",
    "retireSigningKey",
    "revokeApiKey",
    "rotateWebhookSecret",
    "setQuota",
    "testWebhook",
    "updateWebhook",
}
OWN_DEVICE: Final = {"claimUpdate", "reportDeviceState"}
ARGUMENTS: Final[dict[str, Input]] = {
    "coverage": {"bundleId": The("bundle")},
    "destructionImpact": {"ids": [The("binary_signed")]},
    "resolveBinary": {"artifactVersionId": The("version"), "target": TRIPLET},
    "resolveUpdate": {"deviceId": The("device")},
    "simulateRelease": {"input": {"cohortId": The("cohort"), "bundleId": The("bundle")}},
}


def put(into: Input, path: Sequence[str], value: Any) -> Input:
    """A copy of an input with the value at a path; what is not there is made."""
    found: Any = copy.deepcopy(into)
    place = found
    for step, following in pairwise(path):
        empty: Any = [None] if following == "0" else {}
        if step == "0":
            place[0] = place[0] or empty
            place = place[0]
        else:
            place[step] = place.get(step) or empty
            place = place[step]
    place[0 if path[-1] == "0" else path[-1]] = value
    changed: Input = found
    return changed


def changed(mutation: str, path: str, value: Any, **more: Any) -> Mutation:
    """A mutation that would succeed, but for the value at a dotted path of its input."""
    return Mutation(mutation, put({**VALID[mutation], **more}, path.split("."), value))


def at(*path: str) -> dict[str, Any]:
    """The path of a refusal, as facts."""
    return {"path": ["input", *(step for one in path for step in one.split("."))]}


# Names.

NAMES = "name empty, too long, with NUL, control, bidi override, CR LF"
NAMED: Final = (
    ("createProduct", "name", 128),
    ("updateProduct", "name", 128),
    ("createCohort", "name", 128),
    ("updateCohort", "name", 128),
    ("createArtifact", "name", 128),
    ("updateArtifact", "name", 128),
    ("createArtifactVersion", "version", 64),
    ("createBundle", "name", 128),
    ("createRelease", "name", 128),
    ("createRelease", "phase.tags.0", 64),
    ("updateRelease", "name", 128),
    ("createSigningKey", "name", 128),
    ("renameSigningKey", "name", 128),
    ("createApiKey", "name", 128),
    ("createWebhook", "name", 128),
    ("updateWebhook", "name", 128),
    ("createDevice", "identifier", 128),
    ("createDevice", "tags.0", 64),
    ("createDevices", "devices.0.identifier", 128),
    ("updateDevice", "tags.0", 64),
)
DESCRIBED: Final = (
    ("createCohort", "description", 256),
    ("updateCohort", "description", 256),
    ("createArtifact", "description", 256),
    ("updateArtifact", "description", 256),
    ("createArtifactVersion", "description", 256),
    ("updateArtifactVersion", "description", 256),
    ("createBinary", "description", 256),
    ("updateBinary", "description", 256),
    ("createRelease", "description", 256),
    ("updateRelease", "description", 256),
    ("reportDeviceState", "message", 1024),
)
UNSAFE: Final = (
    ("with NUL", "a\0b", "a NUL (U+0000)"),
    ("with a control character", "a\x07b", "a control character (U+0007)"),
    ("with a bidi override", "a\u202eb", "a bidirectional override or isolate (U+202E)"),
    ("with half of a pair", "a\ud800b", "half of a surrogate pair (U+D800)"),
)
ONE_LINE: Final = (
    ("with CR LF", "a\r\nb", "a line break (U+000D)"),
    ("with a line feed", "a\nb", "a line break (U+000A)"),
)


def _texts() -> Iterator[Row]:
    for mutation, path, most in NAMED:
        where = f"input.{path}"
        range_ = f"characters, it must have 1 to {most}."
        forms = [
            ("empty", "", f"{where} has 0 {range_}"),
            ("too long", "x" * (most + 1), f"{where} has {most + 1} {range_}"),
            ("of spaces", "   ", f"{where} must hold a visible character."),
            ("after a space", " a", f"{where} must not begin or end with a space."),
            *(
                (form, text, f"{where} holds {what} as character 2; remove it.")
                for form, text, what in UNSAFE + ONE_LINE
            ),
        ]
        for form, text, message in forms:
            yield _text(mutation, path, form, text, message)
    for mutation, path, most in DESCRIBED:
        where = f"input.{path}"
        message = f"{where} has {most + 1} characters, it must have at most {most}."
        yield _text(mutation, path, "too long", "x" * (most + 1), message)
        for form, text, what in UNSAFE:
            message = f"{where} holds {what} as character 2; remove it."
            yield _text(mutation, path, form, text, message)


def _text(mutation: str, path: str, form: str, text: str, message: str) -> Row:
    return Row(
        name=f"{mutation} {path} {form}",
        rule=NAMES,
        send=changed(mutation, path, text),
        code="BAD_USER_INPUT",
        message=message,
        facts=at(path),
    )


# Targets, hashes, sizes, parts.

TARGETS = "target `Portable`, `a`, 129 characters, spaces"
DIGESTS = "hash of 63 digits, wrong base64; size negative, above the maximum"
PARTS = "part index 0, −1, 10,001; part too small (not last), too large"  # noqa: RUF001
PORTABLE_FORM = (
    "must be 'portable', or a target triplet, two to four parts of letters, digits, '_' and '.'"
    " joined by '-', at most 128 characters, such as 'arm-linux-androidabi'."
)
TRIPLET_FORM = (
    "must be a target triplet, two to four parts of letters, digits, '_' and '.' joined by '-',"
    " at most 128 characters, such as 'arm-linux-androidabi'; 'portable' is for binaries alone."
)
BAD_TARGETS: Final = (
    ("Portable", "Portable"),
    ("a", "a"),
    ("empty", ""),
    ("of 129 characters", "x86-" + "a" * 125),
    ("with spaces", "arm linux gnu"),
    ("with a space at the end", "arm-linux "),
    ("of five parts", "a-b-c-d-e"),
    ("with an empty part", "arm--linux"),
    ("with a line feed", "arm-linux\n"),
    ("of other letters", "ärm-linux"),
)
BAD_HASHES: Final = (
    ("of 63 digits", "a" * 63),
    ("of 65 digits", "a" * 65),
    ("of base64 for 31 bytes", base64.b64encode(bytes(31)).decode()),
    ("of base64 with stray bits", "A" * 42 + "B="),
    ("empty", ""),
    ("of letters", "g" * 64),
)
MAX_SIZE = 53_687_091_200_000
MIB_5, GIB_5 = 5 * 2**20, 5 * 2**30


def _targets() -> Iterator[Row]:
    for form, target in BAD_TARGETS:
        for mutation in ("createBinary", "createProduct", "updateProduct"):
            rule = PORTABLE_FORM if mutation == "createBinary" else TRIPLET_FORM
            yield Row(
                name=f"{mutation} target {form}",
                rule=TARGETS,
                send=changed(mutation, "target", target),
                code="BAD_USER_INPUT",
                message=f"input.target {rule}",
                facts=at("target"),
            )
        yield Row(
            name=f"resolveBinary target {form}",
            rule=TARGETS,
            send=Query(
                "query($target: String, $version: ID!) { resolveBinary(target: $target,"
                " artifactVersionId: $version) { match } }",
                {"target": target, "version": The("version")},
            ),
            code="BAD_USER_INPUT",
            message=f"target {PORTABLE_FORM}",
            facts={"argument": "target"},
        )
    for mutation in ("createProduct", "updateProduct"):
        yield Row(
            name=f"{mutation} target portable",
            rule=TARGETS,
            send=changed(mutation, "target", "portable"),
            code="BAD_USER_INPUT",
            message=f"input.target {TRIPLET_FORM}",
            facts=at("target"),
        )


def _digests() -> Iterator[Row]:
    hashed = (
        ("createBinary", "hash"),
        ("createBinary", "parts.0.hash"),
        ("createBinaryParts", "parts.0.hash"),
        ("updateBinary", "hash"),
    )
    for mutation, path in hashed:
        for form, value in BAD_HASHES:
            more = {"parts": [{"index": 1, "size": 7}]} if path.startswith("parts") else {}
            yield Row(
                name=f"{mutation} {path} {form}",
                rule=DIGESTS,
                send=changed(mutation, path, value, **more),
                code="BAD_USER_INPUT",
                message=f"input.{path} must be a SHA-256: 64 hex digits,"
                " or base64 of its 32 bytes.",
                facts=at(path),
            )
    for mutation in ("createBinary", "updateBinary"):
        for form, size in (("negative", -1), ("above the maximum", MAX_SIZE + 1)):
            yield Row(
                name=f"{mutation} size {form}",
                rule=DIGESTS,
                send=changed(mutation, "size", size),
                code="BAD_USER_INPUT",
                message=f"input.size must be 0 to {MAX_SIZE} bytes.",
                facts=at("size"),
            )
        values: tuple[tuple[str, Any], ...] = (
            ("beyond 64 bits", str(2**63)),
            ("a fraction", 1.5),
            ("a text", "seven"),
            ("true", True),
        )
        for form, value in values:
            yield Row(
                name=f"{mutation} size {form}",
                rule=DIGESTS,
                send=changed(mutation, "size", value),
                code="GRAPHQL_VALIDATION_FAILED",
                message="…BigInt is a whole number of 64 bits, as a string or an integer.",
                early=True,
            )


def _metadata() -> Iterator[Row]:
    rule = "customMetadata of another form"
    where = "input.customMetadata"
    an_object = f'{where} must be a JSON object, such as {{"a": 1}}.'
    deep: Any = {}
    for _ in range(64):
        deep = {"a": deep}
    for form, value, message in (
        ("a list", [1], an_object),
        ("an empty list", [], an_object),
        ("an empty text", "", an_object),
        ("false", False, an_object),
        ("a number", 7, an_object),
        ("too large", {"a": "x" * 1_000_000}, f"{where} takes 1000008 bytes as compact JSON…"),
        ("too deep", deep, f"{where} must not nest more than 64 deep."),
        ("with NUL", {"a": "\0"}, f"{where} must not hold a NUL, in keys or texts."),
        (
            "with a number beyond 64 bits",
            {"a": 2**63},
            f"{where} must hold whole numbers of 64 bits; send larger ones as text.",
        ),
    ):
        for mutation in ("createBinary", "updateBinary"):
            yield Row(
                name=f"{mutation} customMetadata {form}",
                rule=rule,
                send=changed(mutation, "customMetadata", value),
                code="BAD_USER_INPUT",
                message=message,
                facts=at("customMetadata"),
            )


def _quota() -> Iterator[Row]:
    rule = "parts that the organization's quota has no room for"
    huge = [{"index": 1, "size": 5 << 30, "hash": HASH}]
    refused: dict[str, Any] = {"limit": str(4 << 30), **at("parts")}
    for name, binary, more in (
        ("createBinary", {**VALID["createBinary"], "target": "x-new"}, 5 << 30),
        # Its part of 10 bytes would be replaced.
        ("createBinaryParts", {"binaryId": The("binary_uploadable")}, (5 << 30) - 10),
    ):
        yield Row(
            name=f"{name} beyond the quota",
            rule=rule,
            send=Mutation(name, {**binary, "parts": huge}),
            code="QUOTA_EXCEEDED",
            message=f"{more} bytes more are too many:…",
            facts=refused,
        )
    for size in (-1, (4 << 30) + 1):
        yield Row(
            name=f"a quota of {size} bytes",
            rule="a quota below 0, or above what the server grants",
            send=Mutation("setQuota", {"bytes": size}),
            code="BAD_USER_INPUT",
            message=f"A quota is 0 to {4 << 30} bytes on this server, not {size}.",
            facts=at("bytes"),
        )


def _parts() -> Iterator[Row]:
    def part(index: int, size: int) -> Input:
        return {"index": index, "size": size, "hash": HASH}

    single = (
        ("index 0", 0, 7, "index", "is 0, it must be 1 to 10000."),
        ("index −1", -1, 7, "index", "is -1, it must be 1 to 10000."),  # noqa: RUF001
        ("index 10,001", 10_001, 7, "index", "is 10001, it must be 1 to 10000."),
        ("of no bytes", 1, 0, "size", "is 0, a part holds 1 to 5368709120 bytes…"),
        ("of −1 bytes", 1, -1, "size", "is -1, a part holds 1 to 5368709120 bytes…"),  # noqa: RUF001
        ("too large", 1, GIB_5 + 1, "size", f"is {GIB_5 + 1}, a part holds 1 to …"),
    )
    listed = (
        (
            "too small, and not the last",
            [part(1, MIB_5 - 1), part(2, 7)],
            (
                "input.parts: part 1 has 5242879 bytes, but every part before the last (now 2)"
                " must have at least 5242880."
            ),
        ),
        ("twice", [part(1, 7), part(1, 7)], "Each index may be given only once."),
        (
            "1,001 at once",
            [part(1, 7)] * 1001,
            "1001 parts are too many for one call; send at most 1000.",
        ),
    )
    for mutation in ("createBinaryParts", "createBinary"):
        for form, index, size, field_, message in single:
            path = f"parts.0.{field_}"
            yield Row(
                name=f"{mutation} part {form}",
                rule=PARTS,
                send=changed(mutation, "parts", [part(index, size)]),
                code="BAD_USER_INPUT",
                message=f"input.{path} {message}",
                facts=at(path),
            )
        for form, parts, message in listed:
            yield Row(
                name=f"{mutation} part {form}",
                rule=PARTS,
                send=changed(mutation, "parts", parts),
                code="BAD_USER_INPUT",
                message=message,
                facts=at("parts"),
            )
    yield Row(
        name="createBinaryParts part before a registered one, too small",
        rule=PARTS,
        send=changed("createBinaryParts", "parts", [part(2, 7)], binaryId=The("binary_with_a_gap")),
        code="BAD_USER_INPUT",
        message="input.parts: part 2 has 7 bytes, but every part before the last (now 3) must"
        " have at least 5242880.",
    )


# Things that are there already.


def _duplicates() -> Iterator[Row]:
    rule = "duplicate name, version, identifier, target"
    told = "There is {} already; its id is in `existingId`."
    binary = {"artifactVersionId": The("version"), "target": "portable"}
    for name, send, path, existing, what in (
        (
            "product name",
            changed("createProduct", "name", "router"),
            "name",
            "product",
            "a product so named",
        ),
        (
            "product name by update",
            changed("updateProduct", "name", "camera"),
            "name",
            "product_other",
            "a product so named",
        ),
        (
            "cohort name",
            changed("createCohort", "name", "stable"),
            "name",
            "cohort",
            "a cohort so named in this product",
        ),
        (
            "cohort name by update",
            changed("updateCohort", "name", "bare"),
            "name",
            "cohort_bare",
            "a cohort so named in this product",
        ),
        (
            "device identifier",
            changed("createDevice", "identifier", "device-1"),
            "identifier",
            "device",
            "a device with this identifier",
        ),
        (
            "device identifier among several",
            changed(
                "createDevices", "devices", [{"identifier": "new"}, {"identifier": "device-1"}]
            ),
            "devices.1.identifier",
            "device",
            "a device with this identifier",
        ),
        (
            "artifact version",
            changed("createArtifactVersion", "version", "1.0.0"),
            "version",
            "version",
            "such a version of this artifact",
        ),
        (
            "binary target",
            changed("createBinary", "target", "portable", **binary),
            "target",
            "binary_released",
            "a binary for this target in this artifact version",
        ),
        (
            "public key",
            changed("createSigningKey", "publicKey", The("public_key")),
            "publicKey",
            "signing_key",
            "a signing key with this public key",
        ),
        (
            "signature by the same key",
            changed(
                "signBinary", "signature", The("signature_of_signed"), binaryId=The("binary_signed")
            ),
            "signingKeyId",
            "signature",
            "a signature by this key on this binary",
        ),
        (
            "release version",
            changed("createRelease", "version", "1.0.0"),
            "version",
            "release_latest",
            "a release of this version in the cohort",
        ),
    ):
        yield Row(
            name=f"duplicate {name}",
            rule=rule,
            send=send,
            code="ALREADY_EXISTS",
            message=told.format(what),
            facts={**at(path), "existingId": The(existing), "existing": {"id": The(existing)}},
        )
    yield Row(
        name="duplicate identifier in one list",
        rule=rule,
        send=changed("createDevices", "devices", [{"identifier": "new"}] * 2),
        code="BAD_USER_INPUT",
        message="The identifier is in the list twice.",
        facts=at("devices.1.identifier"),
    )


# Signatures and keys.


def _signatures() -> Iterator[Row]:
    rule = "signature of another binary, not 64 bytes, S ≥ L, small-order; key of 31 bytes, …"
    order = 2**252 + 27742317777372353535851937790883648493
    reduced = "58" + "66" * 31
    for form, signature, code, message in (
        (
            "of another binary",
            The("signature_of_signed"),
            "BAD_SIGNATURE",
            (
                "input.signature does not verify under this key. Sign the 64 characters of the"
                " lowercase hex SHA-256 '…', without a line break."
            ),
        ),
        (
            "of 63 bytes",
            "00" * 63,
            "BAD_SIGNATURE_FORMAT",
            "input.signature must be 64 bytes as 128 hex digits.",
        ),
        (
            "of no hex",
            "zz" * 64,
            "BAD_SIGNATURE_FORMAT",
            "input.signature must be 64 bytes as 128 hex digits.",
        ),
        (
            "in base64",
            base64.b64encode(bytes(64)).decode(),
            "BAD_SIGNATURE_FORMAT",
            "input.signature must be 64 bytes as 128 hex digits.",
        ),
        (
            "with S = L",
            reduced + order.to_bytes(32, "little").hex(),
            "BAD_SIGNATURE_FORMAT",
            "input.signature has an S that is not reduced.",
        ),
        (
            "with an R of small order",
            "01" + "00" * 63,
            "BAD_SIGNATURE_FORMAT",
            (
                "input.signature has an R that is a point of small order, for which signatures"
                " can be forged."
            ),
        ),
        (
            "with an R off the curve",
            "02" + "00" * 63,
            "BAD_SIGNATURE_FORMAT",
            "input.signature has an R that is no point of the curve.",
        ),
    ):
        yield Row(
            name=f"signature {form}",
            rule=rule,
            send=changed("signBinary", "signature", signature),
            code=code,
            message=message,
            facts=at("signature"),
        )
    yield Row(
        name="signature by a retired key",
        rule=rule,
        send=changed("signBinary", "signingKeyId", The("retired_key")),
        code="KEY_RETIRED",
        message="The signing key is retired; sign with another.",
        facts=at("signingKeyId"),
    )
    x25519 = "MCowBQYDK2VuAyEAjNrKfirg9HvTY7o4G7I+O/F9c9/HmTh2t8N6Ci6YGDk="
    for form, key, reason, flaw in (
        (
            "of 31 bytes",
            base64.b64encode(bytes(31)).decode(),
            "WRONG_LENGTH",
            "is not 32 bytes long",
        ),
        (
            "of no base64",
            "not a key",
            "MALFORMED",
            "is neither PEM ('BEGIN PUBLIC KEY') nor base64",
        ),
        (
            "of another algorithm",
            f"-----BEGIN PUBLIC KEY-----\n{x25519}\n-----END PUBLIC KEY-----\n",
            "NOT_ED25519",
            "is a public key of another algorithm",
        ),
        (
            "that is private",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "PRIVATE_KEY",
            "is a private key, which must never leave its owner: replace that key",
        ),
        (
            "of small order",
            "xxdqcD1N2E+6PAt2DRBnDyogU/osOczGTsf9d5KsA3o=",
            "SMALL_ORDER",
            "is a point of small order, for which signatures can be forged",
        ),
        (
            "of mixed order",
            "tQL/PZLjHYGQtKpOoEFABRZ/rQicTenayKL8hQ/tT1g=",
            "MIXED_ORDER",
            "is a point of mixed order, on whose signatures verifiers disagree",
        ),
        (
            "that is not canonical",
            "7f///////////////////////////////////////38=",
            "NOT_CANONICAL",
            "is not the canonical encoding of a point",
        ),
        (
            "off the curve",
            "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "NOT_ON_CURVE",
            "is no point of the curve",
        ),
    ):
        yield Row(
            name=f"public key {form}",
            rule=rule,
            send=changed("createSigningKey", "publicKey", key),
            code="BAD_PUBLIC_KEY",
            message=f"input.publicKey {flaw}; send an Ed25519 public key as PEM, or as base64 of"
            " its 32 bytes.",
            facts={**at("publicKey"), "reason": reason},
        )
    yield Row(
        name="deleting a signing key in use",
        rule="a key in use can't be deleted",
        send=changed("deleteSigningKey", "signingKeyId", The("signing_key")),
        code="IN_USE",
        message="The signing key has signatures, so it stays; retire it instead.",
        facts=at("signingKeyId"),
    )
    for form, signature, message in (
        (
            "the last",
            "last_signature",
            "It is the binary's last signature, and a signed binary keeps one.",
        ),
        (
            "one of a destroyed binary",
            "signature_of_destroyed_id",
            "A destroyed binary keeps its signatures.",
        ),
    ):
        yield Row(
            name=f"deleting a signature, {form}",
            rule="the last signature of a signed binary, and any of a destroyed one, stays",
            send=changed("deleteBinarySignature", "binarySignatureId", The(signature)),
            code="LAST_SIGNATURE",
            message=message,
            facts=at("binarySignatureId"),
        )


# Moves.

MOVES = "any move that the table does not have (destroy from `hashable`, reset from `signed`, …)"
_ASKING: Final = {
    "finishBinaryUpload": (Move.FINISH_UPLOAD, "The upload can't be finished"),
    "startBinaryHashing": (Move.START_HASHING, "Hashing can't be started"),
    "signBinary": (Move.SIGN, "The binary can't be signed"),
    "resetBinary": (Move.RESET, "The binary can't be reset"),
    "destroyBinary": (Move.DESTROY, "The binary can't be destroyed"),
    "destroyBinaries": (Move.DESTROY, "The binary can't be destroyed"),
}
_IN_STATES: Final = {
    "createBinaryParts": ({State.UPLOADABLE}, "Parts can't be registered"),
    "updateBinary": ({State.UPLOADABLE}, "Hash and size can't be changed"),
    "deleteBinary": (DELETABLE, "A binary can't be deleted"),
}


def allowed(state: State, mutation: str) -> bool:
    """Whether a mutation may be asked for in a state, by the table of moves."""
    if mutation in _IN_STATES:
        return state in _IN_STATES[mutation][0]
    # A further signature of a signed binary is no move.
    further = mutation == "signBinary" and state is State.SIGNED
    return further or after(state, _ASKING[mutation][0]) is not None


def _moves() -> Iterator[Row]:
    for state in State:
        name = f"binary_{state.lower()}"
        possible = available(state)
        end = f" in state {state}. Possible from it: {', '.join(possible) or 'nothing'}."
        facts = {"state": state.value, "availableTransitions": [one.value for one in possible]}
        binary = {"binaryId": The(name)}
        sends = {
            mutation: Mutation(mutation, {**VALID[mutation], **binary})
            for mutation in (*_ASKING, *_IN_STATES)
        }
        sends["signBinary"].input["signature"] = The(f"signature_of_{state.lower()}")
        sends["updateBinary"].input["hash"] = HASH
        sends["destroyBinaries"] = Mutation("destroyBinaries", {"binaryIds": [The(name)]})
        for mutation, send in sends.items():
            if not allowed(state, mutation):
                verb = _IN_STATES.get(mutation) or _ASKING[mutation]
                gone = state is State.DESTROYED and mutation == "updateBinary"
                message = "A binary can't be changed" if gone else verb[1]
                yield _move(f"{mutation} from {state}", send, message + end, facts)
        if state is State.DESTROYED:
            send = Mutation("updateBinary", {**binary, "description": "new"})
            message = f"A binary can't be changed{end}"
            yield _move(f"updateBinary description from {state}", send, message, facts)
    yield _move(
        "finishBinaryUpload with startHashing from HASHABLE",
        changed("finishBinaryUpload", "startHashing", True, binaryId=The("binary_hashable")),
        ANYTHING,
        {"state": "HASHABLE"},
    )
    yield _move(
        "destroyBinaries of a signed and a hashable one",
        changed("destroyBinaries", "binaryIds", [The("binary_signed"), The("binary_hashable")]),
        ANYTHING,
        {"state": "HASHABLE"},
    )


def _move(name: str, send: Mutation, message: str, facts: Mapping[str, Any]) -> Row:
    return Row(
        name=name, rule=MOVES, send=send, code="INVALID_TRANSITION", message=message, facts=facts
    )


def _revisions() -> Iterator[Row]:
    rule = "a lost race, or a stale expectedRevision"
    for mutation, state in (
        ("finishBinaryUpload", "complete"),
        ("startBinaryHashing", "hashable"),
        ("resetBinary", "hashable"),
        ("signBinary", "signable"),
        ("destroyBinary", "signed"),
        ("updateBinary", "uploadable"),
    ):
        binary = The(f"binary_{state}")
        more = {"binaryId": binary}
        if mutation == "updateBinary":
            more["description"] = "new"  # type: ignore[assignment]
        yield Row(
            name=f"{mutation} at a stale revision",
            rule=rule,
            send=changed(mutation, "expectedRevision", 99, **more),
            code="CONFLICT",
            message="The binary is at revision …, not 99. Read it again."
            if mutation == "updateBinary"
            else "…: it is at revision … now. Read it again.",
            facts={"revision": The(f"revision_of_{state}")},
        )
    yield Row(
        name="signBinary of a signed one, at a stale revision",
        rule=rule,
        send=Mutation(
            "signBinary",
            {
                "binaryId": The("binary_signed"),
                "signingKeyId": The("unused_key"),
                "signature": The("unused_signature_of_signed"),
                "expectedRevision": 99,
            },
        ),
        code="CONFLICT",
        facts={"state": "SIGNED", "revision": The("revision_of_signed")},
    )


def _uploads() -> Iterator[Row]:
    for form, name, message, facts in (
        (
            "with a gap",
            "with_a_gap",
            (
                "1 of 3 parts lack valid content; 5242887 of 10485767 bytes are stored. Upload"
                " what is missing, or register the parts with the right sizes."
            ),
            {"missing": [2], "declaredSize": "10485767", "storedSize": "5242887"},
        ),
        (
            "without its bytes",
            "uploadable",
            "1 of 1 parts lack valid content; 0 of …",
            {"missing": [1], "storedSize": "0"},
        ),
        (
            "of sizes that don't add up",
            "too_short",
            "No gaps; 7 of 100 bytes are stored. …",
            {"missing": [], "declaredSize": "100", "storedSize": "7"},
        ),
        (
            "with an invalid part",
            "spoiled",
            "1 of 1 parts lack valid content; 0 of 7 bytes…",
            {"missing": [1], "declaredSize": "7", "storedSize": "0"},
        ),
        (
            "without parts",
            "without_parts",
            "1 of 1 parts lack valid content; 0 of 7 bytes…",
            {"missing": [1]},
        ),
    ):
        for more in ({}, {"startHashing": True}):
            yield Row(
                name=f"finish {form}{' and start hashing' if more else ''}",
                rule="finish with gaps, or sizes that don't add up",
                send=Mutation("finishBinaryUpload", {"binaryId": The(f"binary_{name}"), **more}),
                code="PARTS_INCOMPLETE",
                message=message,
                facts={**facts, **at("binaryId")},
            )


# Destruction.


def _destruction() -> Iterator[Row]:
    rule = "destroy with affected releases and no token, or a stale one"
    both = [{"id": The("release_doomed")}, {"id": The("release_doomed_later")}]
    untold = (
        "2 releases would be newly affected. Read the impact, and send its planToken to accept"
        " that, or archive these releases first."
    )
    doomed = {"binaryId": The("binary_doomed")}
    for form, token in (
        ("no token", None),
        ("an expired token", The("token_expired")),
        ("another set's token", The("token_of_flagged")),
        ("another organization's token", The("token_foreign")),
        ("a token of an earlier revision", The("token_of_earlier_revision")),
    ):
        for mutation, binary in (
            ("destroyBinary", doomed),
            ("destroyBinaries", {"binaryIds": [The("binary_doomed")]}),
        ):
            yield Row(
                name=f"{mutation} with {form}",
                rule=rule,
                send=Mutation(mutation, {**binary, "planToken": token}),
                code="IMPACT_NOT_ACCEPTED",
                message=untold,
                facts={**at("planToken"), "releases": both},
            )
    yield Row(
        name="destroyBinaries with the token of one of both",
        rule=rule,
        send=Mutation(
            "destroyBinaries",
            {
                "binaryIds": [The("binary_doomed"), The("binary_signed")],
                "planToken": The("token_of_doomed"),
            },
        ),
        code="IMPACT_NOT_ACCEPTED",
        message=untold,
        facts={"releases": both},
    )
    for wrong, text in (
        ("changed", The("token_tampered")),
        ("of another server", The("token_of_another_server")),
        ("that is none", "token"),
        ("that is empty", ""),
    ):
        yield Row(
            name=f"destroyBinary with a token {wrong}",
            rule=rule,
            send=Mutation("destroyBinary", {**doomed, "planToken": text}),
            code="BAD_USER_INPUT",
            message="The plan token was changed, or is none of this server's.",
            facts=at("planToken"),
        )
    for event, name, accepted, added, removed in (
        ("a release was added", "doomed", "token_before_later", both, []),
        (
            "a flag changed and a release was archived",
            "flagged",
            "token_of_flagged",
            [{"id": The("release_flagged")}],
            [{"id": The("release_flagged_archived")}],
        ),
    ):
        yield Row(
            name=f"destroyBinary after {event}",
            rule=rule,
            send=Mutation(
                "destroyBinary", {"binaryId": The(f"binary_{name}"), "planToken": The(accepted)}
            ),
            code="IMPACT_CHANGED",
            message="The impact is no longer the one that was accepted; read it again.",
            facts={**at("planToken"), "added": added, "removed": removed},
        )
    for form, ids in (("none", []), ("1,001", The("unknown_binaries"))):
        yield Row(
            name=f"destroyBinaries of {form}",
            rule="`destroyBinaries` takes at most 1,000",
            send=Mutation("destroyBinaries", {"binaryIds": ids}),
            code="BAD_USER_INPUT",
            message="Name 1 to 1000 binaries.",
            facts=at("binaryIds"),
        )


# Bundles and releases.


def _bundles() -> Iterator[Row]:
    rule = "bundle with an unsigned, affected, repeated, foreign artifact version; empty; …"
    version = The("version")
    for form, versions, code, message in (
        (
            "unsigned",
            [version, The("version_unsigned")],
            "VERSION_NOT_SIGNED",
            "The artifact version at index 1 has no signed binary.",
        ),
        (
            "affected",
            [version, The("version_affected")],
            "VERSION_AFFECTED",
            (
                "The binary for target portable of the artifact version at index 1 was"
                " destroyed; sign a replacement for that target first."
            ),
        ),
        (
            "repeated",
            [version, version],
            "DUPLICATE_VERSION",
            "The artifact version at index 1 is in the list already.",
        ),
        (
            "foreign",
            [version, The("foreign.artifact_version")],
            "NOT_FOUND",
            "There is no artifact version with this id.",
        ),
        (
            "unknown",
            [version, The("unknown.artifact_version")],
            "NOT_FOUND",
            "There is no artifact version with this id.",
        ),
    ):
        yield Row(
            name=f"bundle of an {form} artifact version",
            rule=rule,
            send=changed("createBundle", "artifactVersionIds", versions),
            code=code,
            message=message,
            facts={"index": 1, **at("artifactVersionIds.1")},
        )
    yield Row(
        name="bundle of nothing",
        rule=rule,
        send=changed("createBundle", "artifactVersionIds", []),
        code="BUNDLE_EMPTY",
        message="A bundle holds at least one artifact version.",
        facts=at("artifactVersionIds"),
    )
    yield Row(
        name="bundle of 1,001 artifact versions",
        rule=rule,
        send=changed("createBundle", "artifactVersionIds", [version] * 1001),
        code="BAD_USER_INPUT",
        message="A bundle holds at most 1000 artifact versions.",
        facts=at("artifactVersionIds"),
    )
    yield Row(
        name="release of an affected bundle",
        rule=rule,
        send=changed("createRelease", "bundleId", The("bundle_affected")),
        code="BUNDLE_AFFECTED",
        message="The bundle is affected: its binary for target portable was destroyed and not"
        " replaced.",
        facts={"binaries": [{"id": The("binary_lost")}], **at("bundleId")},
    )


def _releases() -> Iterator[Row]:
    rule = (
        "release that closes a cycle, makes a second latest, crosses cohorts,"
        " follows a scheduled or phased latest; phase 1.5, −1; phase after 1"  # noqa: RUF001
    )
    later = "2999-01-01T00:00:00Z"
    graph, constrained, bad = "RELEASE_GRAPH", "RELEASE_CONSTRAINED", "BAD_USER_INPUT"
    first, middle, latest = The("release_first"), The("release_middle"), The("release_latest")
    in_other = The("release_scheduled")

    def move(release: The, following: The | None) -> Mutation:
        return Mutation("updateRelease", {"releaseId": release, "nextReleaseId": following})

    def create(**more: Any) -> Mutation:
        return Mutation("createRelease", {**VALID["createRelease"], **more})

    for name, send, code, broken, path, message in (
        (
            "closes a cycle",
            move(middle, first),
            graph,
            "CYCLE",
            "nextReleaseId",
            "The next release leads to this one, that makes a cycle.",
        ),
        ("follows itself", move(middle, middle), graph, "CYCLE", "nextReleaseId", "…"),
        (
            "makes a second latest",
            move(middle, None),
            graph,
            "NEXT_NEEDED",
            "nextReleaseId",
            "The release needs a next one, since a cohort has one latest.",
        ),
        (
            "moves the latest",
            move(latest, first),
            graph,
            "LATEST_STAYS",
            "nextReleaseId",
            "The release is the latest; create one without next to follow it.",
        ),
        (
            "loses a required release",
            move(first, latest),
            graph,
            "REQUIRED_LOST",
            "nextReleaseId",
            (
                "Devices would no longer pass a release that is required; archive it first, or"
                " choose a next release that leads to it."
            ),
        ),
        (
            "crosses cohorts by a move",
            move(middle, in_other),
            graph,
            "UNKNOWN_RELEASE",
            "nextReleaseId",
            "The release is not of this cohort.",
        ),
        (
            "crosses cohorts by its next",
            create(nextReleaseId=in_other),
            graph,
            "UNKNOWN_RELEASE",
            "nextReleaseId",
            "The release is not of this cohort.",
        ),
        (
            "crosses cohorts by its previous",
            create(previousReleaseId=in_other),
            graph,
            "UNKNOWN_RELEASE",
            "previousReleaseId",
            "The release is not of this cohort.",
        ),
        (
            "is put between strangers",
            create(nextReleaseId=latest, previousReleaseId=first),
            graph,
            "NOT_NEIGHBOURS",
            "nextReleaseId",
            "The next release does not follow the previous one; name two neighbours.",
        ),
        (
            "follows a scheduled latest",
            create(cohortId=The("cohort_scheduled")),
            constrained,
            "LATEST_SCHEDULED",
            "nextReleaseId",
            "The latest release is scheduled; wait for its date, or archive it.",
        ),
        (
            "follows a phased latest",
            create(cohortId=The("cohort_phased")),
            constrained,
            "LATEST_PHASED",
            "nextReleaseId",
            "The latest release is phased; set its phase to 1, or archive it.",
        ),
        (
            "is scheduled, and not the latest",
            create(nextReleaseId=latest, scheduledAt=later),
            constrained,
            "ONLY_LATEST_SCHEDULED",
            "scheduledAt",
            "Only the latest release of a cohort may be scheduled.",
        ),
        (
            "is phased, and not the latest",
            create(nextReleaseId=latest, phase={"value": 0.5}),
            constrained,
            "ONLY_LATEST_PHASED",
            "phase",
            "Only the latest release of a cohort may be phased.",
        ),
        (
            "is scheduled later, and not the latest",
            Mutation("updateRelease", {"releaseId": first, "scheduledAt": later}),
            constrained,
            "ONLY_LATEST_SCHEDULED",
            "scheduledAt",
            "…",
        ),
        (
            "has a phase after 1",
            Mutation("updateRelease", {"releaseId": The("release_final"), "phase": {"value": 0.5}}),
            constrained,
            "PHASE_FINAL",
            "phase",
            "The phase is 1, everyone, and that is final.",
        ),
        (
            "has no phase after 1",
            Mutation("updateRelease", {"releaseId": The("release_final"), "phase": None}),
            constrained,
            "PHASE_FINAL",
            "phase",
            "…",
        ),
    ):
        yield Row(
            name=f"release that {name}",
            rule=rule,
            send=send,
            code=code,
            message=message,
            facts={"rule": broken, **at(path)},
        )
    value = "input.phase.value must be a fraction from 0.0 to 1.0, such as 0.25, or …"
    requirement = "input.versionRequirement must be versions, each after one of …"
    for name, field_, path, wrong, message in (
        ("phase 1.5", "phase", "phase.value", {"value": 1.5}, value),
        ("phase −1", "phase", "phase.value", {"value": -1}, value),  # noqa: RUF001
        ("phase 2.5", "phase", "phase.value", {"value": 2.5}, value),
        ("phase 10^10", "phase", "phase.value", {"value": 1e10}, value),
        (
            "phase of value and tags",
            "phase",
            "phase",
            {"value": 0.5, "tags": ["a"]},
            "input.phase takes a value or tags, not both.",
        ),
        (
            "phase of nothing",
            "phase",
            "phase",
            {"value": None},
            "input.phase takes a value or tags, and has neither; leave it out or send null for …",
        ),
        (
            "phase of no tags",
            "phase",
            "phase.tags",
            {"tags": []},
            "input.phase.tags must hold 1 to 32 tags, such as 'beta'.",
        ),
        (
            "phase of 33 tags",
            "phase",
            "phase.tags",
            {"tags": [f"t{n}" for n in range(33)]},
            "input.phase.tags holds 33 tags, it must hold at most 32.",
        ),
        (
            "haltAfter 0",
            "haltAfter",
            "haltAfter",
            0,
            "input.haltAfter must be 1 or more failures, or null.",
        ),
        ("requirement of words", "versionRequirement", "versionRequirement", "newest", requirement),
        (
            "requirement of an empty text",
            "versionRequirement",
            "versionRequirement",
            "",
            requirement,
        ),
    ):
        for mutation in ("createRelease", "updateRelease"):
            yield Row(
                name=f"{mutation} {name}",
                rule=rule,
                send=changed(mutation, field_, wrong),
                code=bad,
                message=message,
                facts=at(path),
            )
    for name, version in (
        ("1.0", "1.0"),
        ("v1.0.0", "v1.0.0"),
        ("empty", ""),
        ("01.0.0", "01.0.0"),
    ):
        yield Row(
            name=f"createRelease version {name}",
            rule=rule,
            send=create(version=version),
            code=bad,
            message="input.version must be a semantic version, MAJOR.MINOR.PATCH with an optional…",
            facts=at("version"),
        )
    yield Row(
        name="archiveReleases of none",
        rule=rule,
        send=changed("archiveReleases", "releaseIds", []),
        code=bad,
        message="Name 1 to 1000 releases.",
        facts=at("releaseIds"),
    )


# Products, devices, API keys.


def _people() -> Iterator[Row]:
    archived = "The product is archived: it takes no new device, cohort or release."
    of_archived = {"productId": The("product_archived")}
    for mutation, where in (
        ("createCohort", of_archived),
        ("createDevice", of_archived),
        ("createDevices", of_archived),
        ("createRelease", {"cohortId": The("cohort_archived")}),
    ):
        yield Row(
            name=f"{mutation} of an archived product",
            rule="an archived product takes no new device, cohort or release",
            send=Mutation(mutation, {**VALID[mutation], **where}),
            code="PRODUCT_ARCHIVED",
            message=archived,
            facts=at("productId"),
        )
    yield Row(
        name="updateProduct target of one with devices",
        rule="a product's target is fixed once it has devices or releases",
        send=changed("updateProduct", "target", TRIPLET),
        code="IN_USE",
        message="The target of a product with devices or releases is fixed; create another"
        " product.",
        facts=at("target"),
    )
    cohort = "The cohort is of another product; name one of the device's own product."
    for mutation, path in (
        ("createDevice", "cohortId"),
        ("createDevices", "devices.0.cohortId"),
        ("updateDevice", "cohortId"),
    ):
        yield Row(
            name=f"{mutation} with a cohort of another product",
            rule="a cohort of another product is refused",
            send=changed(mutation, path, The("cohort_other")),
            code="BAD_USER_INPUT",
            message=cohort,
            facts=at(path),
        )
    yield Row(
        name="pinDevice to a release of another cohort",
        rule="a device is pinned to a release of its cohort",
        send=changed("pinDevice", "releaseId", The("release_scheduled")),
        code="BAD_USER_INPUT",
        message="The release is of another cohort; pin a release of the device's own cohort.",
        facts=at("releaseId"),
    )
    for mutation in ("createDevice", "updateDevice"):
        yield Row(
            name=f"{mutation} with 33 tags",
            rule=NAMES,
            send=changed(mutation, "tags", [f"t{n}" for n in range(33)]),
            code="BAD_USER_INPUT",
            message="input.tags holds 33 tags, it must hold at most 32.",
            facts=at("tags"),
        )
    for form, devices in (
        ("none", []),
        ("1,001", [{"identifier": f"n{n}"} for n in range(1001)]),
    ):
        yield Row(
            name=f"createDevices of {form}",
            rule="`createDevices` takes 1 to 1,000",
            send=changed("createDevices", "devices", devices),
            code="BAD_USER_INPUT",
            message="Send 1 to 1000 devices.",
            facts=at("devices"),
        )
    bound: tuple[tuple[str, Input], ...] = (
        ("role DEVICE without a device", {"role": "DEVICE"}),
        ("another role with a device", {"role": "READ", "deviceId": The("device")}),
    )
    for form, more in bound:
        yield Row(
            name=f"createApiKey of {form}",
            rule="a DEVICE key is bound to one device",
            send=Mutation("createApiKey", {**VALID["createApiKey"], **more}),
            code="BAD_USER_INPUT",
            message="A key of role DEVICE names its device, a key of another role none.",
            facts=at("deviceId"),
        )
    yield Row(
        name="createApiKey with an expiry in the past",
        rule="an API key expires in the future",
        send=changed("createApiKey", "expiresAt", "2020-01-01T00:00:00Z"),
        code="BAD_USER_INPUT",
        message="The expiry must be in the future.",
        facts=at("expiresAt"),
    )
    for form, moment in (
        ("without an offset", "2999-01-01T00:00:00"),
        ("without a time", "2999-01-01"),
        ("of the 30th of February", "2999-02-30T00:00:00Z"),
        ("of a number", 7),
    ):
        yield Row(
            name=f"createApiKey with a moment {form}",
            rule="a scalar of another form",
            send=changed("createApiKey", "expiresAt", moment),
            code="GRAPHQL_VALIDATION_FAILED",
            message="…DateTime is RFC 3339 with an offset, such as 2030-01-31T12:00:00Z.",
            early=True,
        )


# Webhooks.


def _webhooks() -> Iterator[Row]:
    refused = "A webhook can't be sent to this URL: "
    for mutation in ("createWebhook", "updateWebhook"):
        for form, url, why in (
            ("of loopback", "https://127.0.0.1/", "its host has an address that is loopback."),
            ("without TLS", "http://hooks.invalid/", "it must begin with https://."),
            (
                "with a password",
                "https://me:secret@hooks.invalid/",
                "it must hold no user, no password and no fragment.",
            ),
            (
                "with a decimal address",
                "https://2130706433/",
                "an address is written as four numbers, such as 192.0.2.7.",
            ),
        ):
            yield Row(
                name=f"{mutation} of a URL {form}",
                rule="a webhook's URL leads to the public internet",
                send=changed(mutation, "url", url),
                code="WEBHOOK_URL_REFUSED",
                message=refused + why,
                facts=at("url"),
            )
        yield Row(
            name=f"{mutation} of no kind of event",
            rule="a webhook asks for kinds of events that there are",
            send=changed(mutation, "eventKinds", []),
            code="BAD_USER_INPUT",
            message="input.eventKinds is empty, so nothing would ever be sent; leave it out for"
            " every kind.",
            facts=at("eventKinds"),
        )
        yield Row(
            name=f"{mutation} of an unknown kind of event",
            rule="a webhook asks for kinds of events that there are",
            send=changed(mutation, "eventKinds", ["binary.destory"]),
            code="BAD_USER_INPUT",
            message="input.eventKinds.0 is no kind of event. The kinds are: api_key.create, …",
            facts=at("eventKinds.0"),
        )
    for overlap in (-1, 604_801):
        yield Row(
            name=f"rotateWebhookSecret with an overlap of {overlap}",
            rule="the secret before is good for a week at most",
            send=changed("rotateWebhookSecret", "overlapSeconds", overlap),
            code="BAD_USER_INPUT",
            message=f"`overlapSeconds` is {overlap}; it must be 0 to 604800.",
            facts=at("overlapSeconds"),
        )
    yield Row(
        name="testWebhook of a disabled one",
        rule="nothing is sent to a disabled webhook",
        send=changed("testWebhook", "webhookId", The("disabled_webhook")),
        code="WEBHOOK_DISABLED",
        message="The webhook is disabled, so nothing is sent to it; enable it first.",
        facts=at("webhookId"),
    )


# Roles.


def _roles() -> Iterator[Row]:
    rule = "role too low"
    for mutation, input in VALID.items():
        needs = "ADMIN" if mutation in ADMIN_ONLY else "WRITE"
        keys = {"read": "READ"}
        if needs == "ADMIN":
            keys["write"] = "WRITE"
        if mutation not in OWN_DEVICE:
            keys["device"] = "DEVICE"
        for key, role in keys.items():
            more = " or DEVICE" if mutation in OWN_DEVICE else ""
            yield Row(
                name=f"{mutation} with a key of role {role}",
                rule=rule,
                send=Mutation(mutation, input),
                code="FORBIDDEN",
                message=f"This needs the role {needs}{more}; the API key has {role}.",
                facts={"role": needs},
                key=key,
            )
    for mutation in sorted(OWN_DEVICE):
        yield Row(
            name=f"{mutation} with another device's key",
            rule=rule,
            send=changed(mutation, "deviceId", The("device_alone")),
            code="FORBIDDEN",
            message="A device's key acts for that device only.",
            key="device",
        )
    for text, key in (
        ("{ products { nodes { id } } }", "device"),
        ("query($id: ID!) { device(id: $id) { id } }", "device"),
        ("query($id: ID!) { node(id: $id) { id } }", "device"),
        ("{ organization { id } }", "device"),
        ("query($id: ID!) { destructionImpact(ids: [$id]) { planToken } }", "device"),
    ):
        yield Row(
            name=f"{text} with a key of role DEVICE",
            rule=rule,
            send=Query(text, {"id": The("device")} if "$id" in text else {}),
            code="FORBIDDEN",
            message="This needs the role READ; the API key has DEVICE.",
            facts={"role": "READ"},
            key=key,
        )
    yield Row(
        name="resolveUpdate with another device's key",
        rule=rule,
        send=Query(
            "query($id: ID!) { resolveUpdate(deviceId: $id) { status } }",
            {"id": The("device_alone")},
        ),
        code="FORBIDDEN",
        message="A device's key asks for that device only.",
        key="device",
    )


# Patches whose fields can't be null, and what GraphQL itself refuses.


def _coercions() -> Iterator[Row]:
    for mutation, fields_ in (
        ("updateProduct", "name target"),
        ("updateCohort", "name description"),
        ("updateArtifact", "name description"),
        ("updateArtifactVersion", "description"),
        ("updateBinary", "description customMetadata hash size"),
        ("updateDevice", "tags"),
        ("updateRelease", "name description required disabled"),
    ):
        for field_ in fields_.split():
            yield Row(
                name=f"{mutation} {field_} null",
                rule="patch inputs tell absent from null",
                send=changed(mutation, field_, None),
                code="BAD_USER_INPUT",
                message=f"`{field_}` can't be null; leave it out to keep it.",
                facts=at(field_),
            )
    for name, send in (
        ("a missing field", Mutation("createProduct", {"name": "new"})),
        ("a field that is unknown", changed("createProduct", "colour", "red")),
        ("null for what is needed", changed("createProduct", "name", None)),
        ("a number for a text", changed("createProduct", "name", 7)),
        ("an enum value that is unknown", changed("createApiKey", "role", "OWNER")),
        ("an index beyond 32 bits", changed("createBinaryParts", "parts.0.index", 2**31)),
        ("a number for an id's list", changed("createBundle", "artifactVersionIds", {"a": 1})),
        ("a number for a hash", changed("createBinary", "hash", 7)),
    ):
        yield Row(
            name=f"input with {name}",
            rule="a scalar of another form",
            send=send,
            code="GRAPHQL_VALIDATION_FAILED",
            early=True,
        )


# Queries.


def _queries() -> Iterator[Row]:
    bad = "BAD_USER_INPUT"
    resolve = (
        "query($device: ID, $target: String, $version: ID!) { resolveBinary(deviceId: $device,"
        " target: $target, artifactVersionId: $version) { match } }"
    )
    version = {"version": The("version")}
    one = "Send `deviceId` or `target`, one of both."
    impact = "query($ids: [ID!]!) { destructionImpact(ids: $ids) { planToken } }"
    nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    kinds = "`ids.0` names a product; it must be a binary, artifact version, bundle or signing key."
    for name, text, variables, argument, message in (
        ("resolveBinary for neither", resolve, version, "target", one),
        (
            "resolveBinary for both",
            resolve,
            {**version, "device": The("device"), "target": TRIPLET},
            "target",
            one,
        ),
        ("destructionImpact of none", impact, {"ids": []}, "ids", "`ids` takes 1 to 1000 ids."),
        (
            "destructionImpact of 1,001",
            impact,
            {"ids": [The("binary_signed")] * 1001},
            "ids",
            "`ids` takes 1 to 1000 ids.",
        ),
        ("destructionImpact of a product", impact, {"ids": [The("product")]}, "ids.0", kinds),
        (
            "destructionImpact of no id",
            impact,
            {"ids": ["x"]},
            "ids.0",
            "ids.0 must be a resource name of the form …",
        ),
        (
            "nodes of 101",
            nodes,
            {"ids": [The("product")] * 101},
            "ids",
            "`ids` takes at most 100 ids.",
        ),
        (
            "nodes of no id",
            nodes,
            {"ids": [The("product"), "x"]},
            "ids.1",
            "ids.1 must be a resource name of the form …",
        ),
        (
            "node of no id",
            '{ node(id: "x") { id } }',
            {},
            "id",
            (
                "id must be a resource name of the form prn:1:<organization uuid>:<type>:<uuid>,"
                " with uuids in lowercase."
            ),
        ),
        (
            "a filter of 101 values",
            "query($k: [String!]) { events(filter: {kind: $k}) { totalCount } }",
            {"k": ["x"] * 101},
            "filter.kind",
            "A filter takes at most 100 values.",
        ),
        (
            "a filter by a hash of 63 digits",
            '{ binaries(filter: {hash: "' + "a" * 63 + '"}) { totalCount } }',
            {},
            "filter.hash",
            "filter.hash must be a SHA-256: …",
        ),
    ):
        yield Row(
            name=name,
            rule="id malformed, or of another type",
            send=Query(text, dict(variables)),
            code=bad,
            message=message,
            facts={"argument": argument},
        )


def _sought() -> Iterator[Row]:
    """Texts that are looked for, of every filter of a list: no database gets to fail at them."""
    for name, found in sorted(QUERIES.fields.items()):
        filter = found.args.get("filter")
        if filter is None:
            continue
        type_: Any = get_named_type(filter.type)
        for member, declared in sorted(type_.fields.items()):
            if get_named_type(declared.type).name != "String":
                continue
            where = f"filter.{member}"
            for form, text, what in (
                ("with NUL", "a\0b", "holds a NUL (U+0000) as character 2; remove it."),
                (
                    "with half of a pair",
                    "a\ud800b",
                    "holds half of a surrogate pair (U+D800) as character 2; remove it.",
                ),
                ("too long", "x" * 60_000, "has 60000 characters, it must have at most 1024."),
            ):
                given = [text] if is_list_type(declared.type) else text
                yield Row(
                    name=f"{name} {where} {form}",
                    rule=NAMES,
                    send=Query(
                        f"query($f: {type_.name}) {{ {name}(filter: $f) {{ totalCount }} }}",
                        {"f": {member: given}},
                    ),
                    code="BAD_USER_INPUT",
                    message=f"{where} {what}",
                    facts={"argument": where},
                )


def _paging() -> Iterator[Row]:
    rule = "`first: 0, −1, 10^9`; `first` with `last`; broken or foreign cursor"  # noqa: RUF001
    cursor = "is no cursor of this list in this order; use one of its `pageInfo`."
    for name, query in _lists().items():
        other = "cursor_of_cohorts" if "products" in name else "cursor_of_products"
        broken: list[tuple[str, Input, str, str]] = [
            ("first 0", {"first": 0}, "first", "`first` is 0; it must be 1 to 100."),
            ("first −1", {"first": -1}, "first", "`first` is -1; it must be 1 to 100."),  # noqa: RUF001
            ("first 101", {"first": 101}, "first", "`first` is 101; it must be 1 to 100."),
            (
                "first 10^9",
                {"first": 10**9},
                "first",
                "`first` is 1000000000; it must be 1 to 100.",
            ),
            ("last 0", {"last": 0}, "last", "`last` is 0; it must be 1 to 100."),
            (
                "first with last",
                {"first": 1, "last": 1},
                "last",
                "Send `first` or `last`, not both.",
            ),
            ("a broken cursor", {"after": "broken"}, "after", f"`after` {cursor}"),
            ("an empty cursor", {"before": ""}, "before", f"`before` {cursor}"),
            ("another list's cursor", {"after": The(other)}, "after", f"`after` {cursor}"),
        ]
        if name == "products":
            broken += [
                (form, {"after": The(f"cursor_{of}")}, "after", f"`after` {cursor}")
                for form, of in (
                    ("a tampered cursor", "tampered"),
                    ("another order's cursor", "of_products_by_name"),
                    ("another organization's cursor", "foreign"),
                )
            ]
        for form, variables, argument, message in broken:
            yield Row(
                name=f"{name} with {form}",
                rule=rule,
                send=Query(query.text, {**query.variables, **variables}),
                code="BAD_USER_INPUT",
                message=message,
                facts={"argument": argument},
            )


def _lists() -> dict[str, Query]:
    """A query of each list of the root, and of those of an impact."""
    page = "first: $first, last: $last, after: $after, before: $before"
    head = "query($first: Int, $last: Int, $after: String, $before: String"
    found = {
        name: Query(f"{head}) {{ {name}({page}) {{ nodes {{ id }} }} }}")
        for name, one in QUERIES.fields.items()
        if "first" in one.args
    }
    for name in ("bundles", "cohorts", "products", "releases"):
        nodes = "nodes { release { id } }" if name == "releases" else "nodes { id }"
        text = f"destructionImpact(ids: $ids) {{ {name}({page}) {{ {nodes} }} }}"
        found[f"impact.{name}"] = Query(
            f"{head}, $ids: [ID!]!) {{ {text} }}", {"ids": [The("binary_doomed")]}
        )
    return found


# What follows from the schema: each id that is taken.

SCHEMA: Final = build_schema(sdl())
assert SCHEMA.query_type is not None
assert SCHEMA.mutation_type is not None
QUERIES: Final[GraphQLObjectType] = SCHEMA.query_type
MUTATIONS: Final[GraphQLObjectType] = SCHEMA.mutation_type


@dataclass(frozen=True, slots=True)
class Lookup:
    """A place of the API that takes an id: its document, its variables, where the id belongs.

    `answers` says that an unknown id is no error there, but has an answer.
    """

    name: str
    text: str
    variables: Input
    path: Path
    kind: Kind
    answers: bool = False

    @property
    def is_mutation(self) -> bool:
        """Whether the refusal is in a payload."""
        return self.text.startswith("mutation")

    def with_id(self, id: Any) -> Query:
        """What is sent, with this id in its place."""
        return Query(self.text, put(self.variables, self.path, id))


KINDS: Final = {
    **{
        f"{name}Id": kind
        for name, kind in (
            ("apiKey", Kind.API_KEY),
            ("artifact", Kind.ARTIFACT),
            ("artifactVersion", Kind.ARTIFACT_VERSION),
            ("binary", Kind.BINARY),
            ("binarySignature", Kind.BINARY_SIGNATURE),
            ("bundle", Kind.BUNDLE),
            ("cohort", Kind.COHORT),
            ("device", Kind.DEVICE),
            ("event", Kind.EVENT),
            ("nextRelease", Kind.RELEASE),
            ("previousRelease", Kind.RELEASE),
            ("product", Kind.PRODUCT),
            ("release", Kind.RELEASE),
            ("reportedRelease", Kind.RELEASE),
            ("signingKey", Kind.SIGNING_KEY),
            ("webhook", Kind.WEBHOOK),
            ("webhookDelivery", Kind.WEBHOOK_DELIVERY),
        )
    },
    **{
        f"{name}Ids": kind
        for name, kind in (
            ("artifactVersion", Kind.ARTIFACT_VERSION),
            ("binary", Kind.BINARY),
            ("product", Kind.PRODUCT),
            ("release", Kind.RELEASE),
        )
    },
}
_ANY_KIND: Final = {
    "node": [Kind.BINARY],
    "nodes": [Kind.BINARY],
    "destructionImpact": [Kind.BINARY, Kind.ARTIFACT_VERSION, Kind.BUNDLE, Kind.SIGNING_KEY],
}


def _id_paths(type_: Any, path: Path) -> Iterator[Path]:
    """The places of ids below an input, lists by their first item."""
    if is_non_null_type(type_):
        yield from _id_paths(type_.of_type, path)
    elif is_list_type(type_):
        yield from _id_paths(type_.of_type, (*path, "0"))
    elif isinstance(type_, GraphQLInputObjectType):
        for name, one in type_.fields.items():
            yield from _id_paths(one.type, (*path, name))
    elif get_named_type(type_).name == "ID":
        yield path


def lookups() -> Iterator[Lookup]:
    """Each id that a mutation or a query takes, but for what a device reports of itself."""
    for name, mutation in MUTATIONS.fields.items():
        taken = mutation.args["input"].type
        text = f"mutation($input: {taken}) {{ {name}(input: $input) {{ ERRORS }} }}"
        for path in _id_paths(taken, ("input",)):
            if "reported" in path:
                continue
            field_ = path[-2] if path[-1] == "0" else path[-1]
            more = {"role": "DEVICE"} if name == "createApiKey" else {}
            variables = {"input": {**VALID.get(name, {}), **more}}
            yield Lookup(f"{name} {'.'.join(path)}", text, variables, path, KINDS[field_])
    for name, query in QUERIES.fields.items():
        declared = ", ".join(f"${one}: {of.type}" for one, of in query.args.items())
        given = ", ".join(f"{one}: ${one}" for one in query.args)
        text = f"query({declared}) {{ {name}({given}) {{ __typename }} }}"
        for argument, of in query.args.items():
            for path in _id_paths(of.type, (argument,)):
                if "reported" in path:
                    continue
                field_ = path[-2] if path[-1] == "0" else path[-1]
                kinds = _ANY_KIND.get(name) or [KINDS[f"{name}Id" if field_ == "id" else field_]]
                variables = dict(ARGUMENTS.get(name, {}))
                if path[0] == "deviceId":
                    variables.pop("target", None)
                for kind in kinds:
                    yield Lookup(
                        f"{name} {'.'.join(path)} of {kind}",
                        text,
                        variables,
                        path,
                        kind,
                        answers=path[0] == "filter" or name in ("node", "nodes"),
                    )


# Before execution.


def _http() -> Iterator[Row]:
    body_rule = "body not JSON / not UTF-8 / JSON but no object / …"
    key_rule = "no key / malformed / revoked / expired"
    ask = b'{"query": "{ viewer { id } }"}'
    deep = b'{"query": "{ viewer { id } }", "variables": {"a": ' + b"[" * 100_000 + b"]" * 100_000
    long = b'{"query": "{ viewer { id } }", "variables": {"a": ' + b"9" * 5_000 + b"}}"
    two = "query A { viewer { id } } query B { viewer { id } }"
    as_json = {"content-type": "application/json"}
    too_deep = "The body nests deeper than the limit of 80 objects and lists."

    def sent(**body: Any) -> bytes:
        return json.dumps(body).encode()

    for name, body, code, message in (
        ("not JSON", b"{", "BAD_JSON", "The body is not valid JSON."),
        ("empty", b"", "BAD_JSON", "The body is not valid JSON."),
        (
            "with NaN",
            b'{"query": "{ viewer { id } }", "variables": {"a": NaN}}',
            "BAD_JSON",
            "The body is not valid JSON.",
        ),
        ("not UTF-8", b'{"query": "\xff"}', "BAD_ENCODING", "The body is not valid UTF-8."),
        ("a list", b"[" + ask + b"]", "BAD_REQUEST", "The body must be a JSON object."),
        ("a text", b'"query"', "BAD_REQUEST", "The body must be a JSON object."),
        ("a number of 5,000 digits", long, "BAD_JSON", "The body is not valid JSON."),
        ("nested 100,000 deep", deep + b"}}", "BAD_JSON", too_deep),
        *(
            (
                f"nested {depth} deep",
                b'{"query": "query($f: EventFilter) { events(filter: $f) { nodes { id } } }",'
                b' "variables": ' + b'{"f":' * (depth - 1) + b"7" + b"}" * depth,
                "BAD_JSON",
                too_deep,
            )
            for depth in (81, 500, 900)
        ),
        ("without query", b"{}", "BAD_REQUEST", "`query` must hold a GraphQL document."),
        (
            "with a number for query",
            b'{"query": 7}',
            "BAD_REQUEST",
            "`query` must be a string, or null.",
        ),
        (
            "with a list for variables",
            sent(query="{ viewer { id } }", variables=[]),
            "BAD_REQUEST",
            "`variables` must be a JSON object, or null.",
        ),
        (
            "with a number for operationName",
            sent(query="{ viewer { id } }", operationName=7),
            "BAD_REQUEST",
            "`operationName` must be a string, or null.",
        ),
    ):
        send = Http(body=body, status=400, status_as_json=400, headers=as_json)
        yield Row(name=f"body {name}", rule=body_rule, send=send, code=code, message=message)
    yield Row(
        name="body over the limit",
        rule=body_rule,
        send=Http(body=b" " * (2**20 + 1), status=413, status_as_json=413, headers=as_json),
        code="BODY_TOO_LARGE",
        message="The body is larger than the limit of 1048576 bytes.",
    )
    yield Row(
        name="body of another media type",
        rule=body_rule,
        send=Http(body=ask, status=415, status_as_json=415, headers={"content-type": "text/plain"}),
        code="UNSUPPORTED_MEDIA_TYPE",
        message="Send the body as application/json, in UTF-8.",
    )
    yield Row(
        name="body with a content coding",
        rule=body_rule,
        send=Http(
            body=gzip.compress(ask),
            status=415,
            status_as_json=415,
            headers={**as_json, "content-encoding": "gzip"},
        ),
        code="UNSUPPORTED_MEDIA_TYPE",
        message="Send the body as it is, without Content-Encoding.",
    )
    document_rule = "syntax error; unknown field; two operations, no name"
    for name, body, code, message in (
        (
            "with a syntax error",
            sent(query="{ viewer { id }"),
            "GRAPHQL_PARSE_FAILED",
            "Syntax Error: Expected Name, found <EOF>.",
        ),
        (
            "that selects nothing of a mutation",
            sent(query='mutation { createArtifact(input: {name: "new"}) {} }'),
            "GRAPHQL_PARSE_FAILED",
            "Syntax Error: Expected Name, found '}'.",
        ),
        (
            "with an unknown field",
            sent(query="{ viewer { colour } }"),
            "GRAPHQL_VALIDATION_FAILED",
            "Cannot query field 'colour' on type 'ApiKey'.",
        ),
        (
            "of two operations, no name",
            sent(query=two),
            "OPERATION_NAME_REQUIRED",
            "The document has several operations; send `operationName`.",
        ),
        (
            "of two operations, another name",
            sent(query=two, operationName="C"),
            "GRAPHQL_VALIDATION_FAILED",
            "The document has no operation named 'C'.",
        ),
        (
            "of no operation",
            sent(query="fragment F on ApiKey { id }"),
            "GRAPHQL_VALIDATION_FAILED",
            "The document has no operation.",
        ),
    ):
        yield Row(
            name=f"document {name}",
            rule=document_rule,
            send=Http(body=body, status=400, status_as_json=200, headers=as_json),
            code=code,
            message=message,
        )
    how = "Send an API key as `Authorization: Bearer bky_…`."
    for name, header, code, message in (
        ("none", None, "UNAUTHENTICATED", how),
        ("malformed", "Bearer secret", "UNAUTHENTICATED", how),
        ("of another scheme", "Basic YTpi", "UNAUTHENTICATED", how),
        ("unknown", "Bearer bky_" + "A" * 43, "UNAUTHENTICATED", "There is no such API key."),
        ("revoked", The("authorization_revoked"), "KEY_REVOKED", "The API key was revoked."),
        ("expired", The("authorization_expired"), "KEY_EXPIRED", "The API key has expired."),
    ):
        headers: dict[str, Any] = {**as_json, "authorization": header}
        yield Row(
            name=f"key {name}",
            rule=key_rule,
            send=Http(body=ask, status=401, status_as_json=401, headers=headers),
            code=code,
            message=message,
        )


ROWS: Final[tuple[Row, ...]] = (
    *_texts(),
    *_targets(),
    *_digests(),
    *_metadata(),
    *_parts(),
    *_quota(),
    *_duplicates(),
    *_signatures(),
    *_moves(),
    *_revisions(),
    *_uploads(),
    *_destruction(),
    *_bundles(),
    *_releases(),
    *_people(),
    *_webhooks(),
    *_roles(),
    *_coercions(),
    *_queries(),
    *_sought(),
    *_paging(),
)
HTTP_ROWS: Final[tuple[Row, ...]] = tuple(_http())
LOOKUPS: Final[tuple[Lookup, ...]] = tuple(lookups())
