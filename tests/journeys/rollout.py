"""The steps from signed binaries to devices: bundle, releases, and what each device is told."""

from __future__ import annotations

from tests.journeys.checks import equal
from tests.journeys.client import Api, Json
from tests.journeys.journey import Journey, Line, Stored

_UPDATE = """
  status release { id } bundle { id }
  manifest { artifact { id } artifactVersion { id } binary { id target } hash size
             signatures { signature } customMetadata url }
  trace { release { id } reason }
"""


def bundle(journey: Journey) -> str:
    """A bundle of the one version."""
    made = journey.api.do(
        "createBundle",
        "bundle { id artifactVersions { nodes { id } } }",
        name=journey.name("Edition"),
        artifactVersionIds=[journey.version],
    )
    equal("The bundle's versions", made["artifactVersions"]["nodes"], [{"id": journey.version}])
    journey.bundle = made["id"]
    return "1 artifact version"


def releases(journey: Journey) -> str:
    """A release in each cohort; the first product's devices can't skip theirs."""
    for line in journey.lines:
        required = line is journey.own
        release = journey.api.do(
            "createRelease",
            "release { id isLatest required disabled archived affectedBy { id } bundle { id } }",
            name=journey.name("First"),
            cohortId=line.cohort,
            bundleId=journey.bundle,
            required=required,
        )
        line.release = release.pop("id")
        expected = {
            "isLatest": True,
            "required": required,
            "disabled": False,
            "archived": False,
            "affectedBy": [],
            "bundle": {"id": journey.bundle},
        }
        equal("The release", release, expected)
    return "one required, one not"


def graph(journey: Journey) -> str:
    """From a binary to the devices that run it, along the edges, in one question."""
    found = journey.api.binary(
        journey.specific.id,
        "artifactVersion { bundles(first: 5) { nodes { id releases(first: 5) { nodes { id"
        " cohort { id product { id devices(first: 5) { nodes { id } } } } } } } } }",
    )
    (edition,) = found["artifactVersion"]["bundles"]["nodes"]
    equal("The bundle", edition["id"], journey.bundle)
    reached = {
        release["id"]: (
            release["cohort"]["id"],
            release["cohort"]["product"]["id"],
            [device["id"] for device in release["cohort"]["product"]["devices"]["nodes"]],
        )
        for release in edition["releases"]["nodes"]
    }
    expected = {line.release: (line.cohort, line.product, [line.device]) for line in journey.lines}
    equal("What the binary reaches", reached, expected)
    return f"{len(reached)} releases, {len(reached)} devices"


def resolved(journey: Journey) -> str:
    """The best binary for each device: its own, or else the portable one."""
    cases = (
        (journey.own, journey.specific, "TARGET_SPECIFIC", "TARGET_MATCHED"),
        (journey.other, journey.portable, "PORTABLE", "PORTABLE_MATCHED"),
    )
    for line, stored, match, reason in cases:
        equal_resolution(journey, line, stored, match=match, reason=reason)
    return "TARGET_SPECIFIC and PORTABLE"


def equal_resolution(
    journey: Journey, line: Line, stored: Stored, *, match: str, reason: str
) -> None:
    """Demands that a device's best binary is this one, by this rule."""
    found = journey.api.ask(
        "query($device: ID!, $version: ID!) { resolveBinary(deviceId: $device,"
        " artifactVersionId: $version) { binary { id } match reason } }",
        device=line.device,
        version=journey.version,
    )["resolveBinary"]
    expected = {"binary": {"id": stored.id}, "match": match, "reason": reason}
    equal(f"The best binary for {line.target}", found, expected)


def offered(journey: Journey) -> str:
    """Both devices get their release, each with the binary that fits it."""
    for line, stored in ((journey.own, journey.specific), (journey.other, journey.portable)):
        update = preview(journey.api, line)
        (entry,) = update["manifest"]
        stored.url = entry.pop("url")
        expected = {
            "artifact": {"id": journey.artifact},
            "artifactVersion": {"id": journey.version},
            "binary": {"id": stored.id, "target": stored.target},
            "hash": stored.sample.hash,
            "size": str(stored.sample.size),
            "signatures": [{"signature": text} for text in stored.signatures],
            "customMetadata": stored.metadata,
        }
        equal(f"The manifest for {line.target}", entry, expected)
        answer = (update["status"], update["release"], update["bundle"], update["trace"])
        release = {"id": line.release}
        selected = [{"release": release, "reason": "SELECTED"}]
        expected_answer = ("UPDATE", release, {"id": journey.bundle}, selected)
        equal(f"The update for {line.target}", answer, expected_answer)
    return "UPDATE, both"


def preview(api: Api, line: Line) -> Json:
    """What a device would be told now."""
    query = f"query($id: ID!) {{ resolveUpdate(deviceId: $id) {{ {_UPDATE} }} }}"
    update: Json = api.ask(query, id=line.device)["resolveUpdate"]
    return update
