"""The last steps: what destroying would do, that it is accepted, and what is left."""

from __future__ import annotations

import time
from typing import Final

from tests.journeys import download
from tests.journeys.checks import equal, true, within
from tests.journeys.journey import NOT_SEEN, Journey
from tests.journeys.observed import Bucket, Disk, Usage
from tests.journeys.rollout import equal_resolution, preview

WINDOWS: Final = 6
ERASING_SECONDS: Final = 60.0
TIDY_SECONDS: Final = 30.0
"""Within which the others clean up what a killed server left half-way."""
PATIENCE: Final = 10.0
"""Seconds after which `destroyBinary` may answer before the content is erased."""

_MOVES: Final = [
    "binary.create",
    "binary.finish_upload",
    "binary.start_hashing",
    "binary.pass_verification",
    "binary.sign",
    "binary.destroy",
    "binary.impact_accepted",
    "binary.content_erased",
]


def impact(journey: Journey) -> str:
    """Both releases would be lost: one device would be stuck, two would lose their update."""
    found = journey.api.binary(
        journey.specific.id,
        "impact { planToken devicesLosingUpdate devicesStuck releases { totalCount nodes { release"
        " { id } effect reasons } } bundles { nodes { id } } cohorts { nodes { id } }"
        " products { nodes { id } } }",
    )["impact"]
    equal("The number of releases", found["releases"]["totalCount"], 2)
    releases = {
        entry["release"]["id"]: (entry["effect"], set(entry["reasons"]))
        for entry in found["releases"]["nodes"]
    }
    expected = {
        journey.own.release: ("NEWLY_AFFECTED", {"TARGET_LOST", "LATEST", "REQUIRED"}),
        journey.other.release: ("NEWLY_AFFECTED", {"TARGET_LOST", "LATEST"}),
    }
    equal("The releases", releases, expected)
    equal("The devices that lose their update", found["devicesLosingUpdate"], 2)
    equal("The devices that are stuck", found["devicesStuck"], 1)
    for name, ids in (
        ("bundles", {journey.bundle}),
        ("cohorts", {line.cohort for line in journey.lines}),
        ("products", {line.product for line in journey.lines}),
    ):
        equal(f"The {name}", {node["id"] for node in found[name]["nodes"]}, ids)
    journey.plan_token = found["planToken"]
    return "2 releases newly affected, 2 devices lose their update, 1 is stuck"


def unaccepted(journey: Journey) -> str:
    """Without the plan token nothing is destroyed."""
    before = journey.api.binary(journey.specific.id, "state revision destroyed bytesUploaded")
    error = journey.api.refused("destroyBinary", binaryId=journey.specific.id)
    equal("The code", error["code"], "IMPACT_NOT_ACCEPTED")
    releases = {release["id"] for release in error["releases"]}
    equal("The releases", releases, {line.release for line in journey.lines})
    after = journey.api.binary(journey.specific.id, "state revision destroyed bytesUploaded")
    equal("The binary", after, before)
    return "IMPACT_NOT_ACCEPTED"


def on_disk(journey: Journey) -> str:
    """Pieces from all over the content are in the data directory, before it is destroyed."""
    disk = journey.disk
    if disk is None:
        return NOT_SEEN
    specific, portable = journey.specific.sample, journey.portable.sample
    journey.windows = specific.windows(WINDOWS, unlike=portable.path.read_bytes())
    files = len(specific.parts) + len(portable.parts)
    journey.before = _settled(disk, Usage(files, specific.size + portable.size))
    equal("The pieces found", disk.found(journey.windows), len(journey.windows))
    return f"{files} files; {len(journey.windows)} of {len(journey.windows)} pieces found"


def _settled(disk: Disk | Bucket, expected: Usage) -> Usage:
    """What content there is, once that is what there should be. Raises Failed."""
    end = time.monotonic() + TIDY_SECONDS
    while (found := disk.content()) != expected and time.monotonic() < end:
        time.sleep(0.2)
    equal("The files of content", found, expected)
    return found


def destroyed(journey: Journey) -> str:
    """With the plan token the binary is destroyed, and its content erased."""
    begun = time.perf_counter()
    binary = journey.api.do(
        "destroyBinary",
        "binary { state destroyed bytesUploaded contentErasedAt }",
        binaryId=journey.specific.id,
        planToken=journey.plan_token,
    )
    at = binary.pop("contentErasedAt")
    # The mutation waits for the erasing, but not for longer than this.
    answered = time.perf_counter() - begun
    true(bool(at) or answered > PATIENCE, f"Erasing was not waited for: {answered:.1f} s.")
    expected = {"state": "DESTROYED", "destroyed": True, "bytesUploaded": "0"}
    equal("The binary", binary, expected)

    def erased() -> str | None:
        at: str | None = journey.api.binary(journey.specific.id, "contentErasedAt")[
            "contentErasedAt"
        ]
        return at

    within(ERASING_SECONDS, "Erasing the content", erased, pause=0.1)
    speed = journey.took("erase", journey.specific.sample.size, begun)
    return f"erased at {speed}"


def not_served(journey: Journey) -> str:
    """No device of any target gets the releases any more, and each is told why."""
    for line in journey.lines:
        update = preview(journey.api, line)
        release = {"id": line.release}
        trace = [{"release": release, "reason": "AFFECTED"}]
        answer = (update["status"], update["release"], update["manifest"], update["trace"])
        equal(f"The update for {line.target}", answer, ("NO_UPDATE", None, [], trace))
        affected = journey.api.ask(
            "query($id: ID!) { release(id: $id) { affectedBy { id } } }", id=line.release
        )["release"]
        by = {"affectedBy": [{"id": journey.specific.id}]}
        equal("What affects the release", affected, by)
    polled = download.poll(journey, journey.own)
    equal("The device's own poll", (polled["status"], polled["manifest"]), ("NO_UPDATE", []))
    rule = {"match": "PORTABLE", "reason": "PORTABLE_MATCHED"}
    equal_resolution(journey, journey.own, journey.portable, **rule)
    return "NO_UPDATE, AFFECTED"


def url_is_dead(journey: Journey) -> str:
    """The URL that was good is no more, the other binary's still is."""
    told = download.gone(journey, journey.specific)
    download.compare(journey.api.http, journey.portable.url, journey.portable.sample)
    return told


def off_disk(journey: Journey) -> str:
    """Nothing of the content is left in the data directory."""
    if journey.disk is None or journey.before is None:
        return NOT_SEEN
    portable = journey.portable.sample
    after = journey.disk.content()
    equal("The files of content", after, (len(portable.parts), portable.size))
    equal("The pieces found", journey.disk.found(journey.windows), 0)
    files, size = journey.before
    told = f"{files} files, {size} bytes before; {after.files} file, {after.size} bytes now"
    return f"{told}; 0 of {len(journey.windows)} pieces found"


def record_kept(journey: Journey) -> str:
    """The record tells what was there, by whom it was signed, and that it is gone."""
    stored = journey.specific
    binary = journey.api.binary(
        stored.id,
        "state destroyed bytesUploaded hash size target customMetadata downloadUrl parts { id }"
        " availableTransitions signatures { signature signingKey { id } }",
    )
    signing_key = {"id": journey.signing_key}
    expected = {
        "state": "DESTROYED",
        "destroyed": True,
        "bytesUploaded": "0",
        "hash": stored.sample.hash,
        "size": str(stored.sample.size),
        "target": stored.target,
        "customMetadata": stored.metadata,
        "downloadUrl": None,
        "parts": [],
        "availableTransitions": [],
        "signatures": [{"signature": s, "signingKey": signing_key} for s in stored.signatures],
    }
    equal("The record", binary, expected)
    return "hash and signature are there"


def events(journey: Journey) -> str:
    """The audit record has every move, in order, and who made it."""
    nodes = journey.api.binary(
        journey.specific.id,
        "events(first: 100, orderBy: { field: CREATED_AT, direction: ASC }) { nodes { kind"
        " actorKey { id } } }",
    )["events"]["nodes"]
    equal("The events", [node["kind"] for node in nodes], _MOVES)
    viewer = journey.api.ask("{ viewer { id } }")["viewer"]
    own = {"binary.pass_verification", "binary.content_erased"}
    for node in nodes:
        actor = None if node["kind"] in own else viewer
        equal(f"Who did {node['kind']}", node["actorKey"], actor)
    return f"{len(nodes)} events"
