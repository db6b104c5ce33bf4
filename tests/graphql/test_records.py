"""What the domain promises of records: what each change raises, clears and leaves."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from tests.api import Api, Json

ARM = "arm-linux-gnueabihf"
OTHER = b"something else"
RECORD = """query($id: ID!) { binary(id: $id) {
    state revision hash size target description customMetadata destroyed bytesUploaded
    contentErasedAt contentHealth downloadUrl availableTransitions
    verification { status computedHash error } parts { index state }
    signatures { signature signingKey { name } }
    artifactVersion { version bundles { nodes { name releases { nodes { name } } } } }
} }"""


async def told(api: Api, id: str) -> Json:
    """All that is told of a binary."""
    found: Json = (await api.ask(RECORD, id=id))["binary"]
    return found


async def registered(api: Api, id: str, content: bytes, *, index: int = 1) -> str:
    """The upload URL of a part."""
    new = {"index": index, "size": len(content), "hash": hashlib.sha256(content).hexdigest()}
    parts = await api.do("createBinaryParts", "parts { uploadUrl }", binaryId=id, parts=[new])
    url: str = parts[0]["uploadUrl"]
    return url


async def test_the_revision_rises_by_one_with_each_move_and_update_alone(api: Api) -> None:
    content = b"content"
    id = (await api.binary(await api.version(), b""))["id"]

    async def revision() -> int:
        found: int = (await told(api, id))["revision"]
        return found

    assert await revision() == 1
    changed = {"size": len(content), "hash": hashlib.sha256(content).hexdigest()}
    await api.do("updateBinary", "binary { id }", binaryId=id, **changed)
    assert await revision() == 2
    # Parts, registered and replaced, and their bytes, raise nothing.
    await registered(api, id, OTHER)
    url = await registered(api, id, content)
    assert (await api.http.put(url, content=content)).status_code == 200
    assert await revision() == 2
    await api.do("finishBinaryUpload", "binary { id }", binaryId=id)
    assert await revision() == 3
    # The hashing, with its lease and its progress, is one move at its begin and one at its end.
    await api.do("startBinaryHashing", "binary { id }", binaryId=id, expectedRevision=3)
    await api.wait(id, "SIGNABLE")
    assert await revision() == 5
    await api.do("resetBinary", "binary { id }", binaryId=id, expectedRevision=5)
    assert await revision() == 6
    described = {"binaryId": id, "description": "new"}
    await api.do("updateBinary", "binary { id }", **described, customMetadata={"a": 1})
    assert await revision() == 7
    # An update that changes nothing is none: no revision, and no Event.
    await api.do("updateBinary", "binary { id }", **described, expectedRevision=7)
    assert await revision() == 7
    found = await api.ask(
        "query($id: ID!) { binary(id: $id) { events(first: 1) { nodes { after } } } }", id=id
    )
    assert found["binary"]["events"]["nodes"][0]["after"]["revision"] == 7


@pytest.mark.parametrize("state", ["HASHABLE", "HASHING", "SIGNABLE"])
async def test_a_reset_clears_all_of_an_upload(api: Api, state: str) -> None:
    version = await api.version()
    fresh = await told(api, (await api.binary(version, OTHER, "portable"))["id"])
    binary = await api.binary(version, b"content", ARM, description="kept", customMetadata={"a": 1})
    id = binary["id"]
    url = binary["parts"][0]["uploadUrl"]
    # In HASHING stays only what can't be verified.
    wrong = {"hash": hashlib.sha256(OTHER).hexdigest()} if state == "HASHING" else {}
    if wrong:
        await api.do("updateBinary", "binary { id }", binaryId=id, **wrong)
        url = await registered(api, id, b"content")
    assert (await api.http.put(url, content=b"content")).status_code == 200
    start = state != "HASHABLE"
    await api.do("finishBinaryUpload", "binary { id }", binaryId=id, startHashing=start)
    await api.wait(id, state)
    if wrong:
        async with asyncio.timeout(10):
            while (await told(api, id))["verification"]["status"] != "FAILED":  # noqa: ASYNC110 - as a client.
                await asyncio.sleep(0.02)
    before = await told(api, id)
    assert before["bytesUploaded"] == "7"
    await api.do("resetBinary", "binary { id }", binaryId=id)
    after = await told(api, id)
    kept = ("hash", "size", "target", "description", "customMetadata", "artifactVersion")
    same = {name: before[name] for name in kept}
    assert after == {**fresh, **same, "revision": before["revision"] + 1, "parts": []}
    download = await api.http.get(before["downloadUrl"])
    assert (download.status_code, download.json()["errors"][0]["extensions"]["code"]) == (
        410,
        "UPLOAD_SUPERSEDED",
    )
    assert (await api.http.put(url, content=b"content")).status_code == 410


async def test_a_destroyed_binary_stays_as_a_record(api: Api) -> None:
    version = await api.version()
    id = await api.reach("SIGNED", version)
    described = {"description": "told", "customMetadata": {"board": "one"}}
    await api.do("updateBinary", "binary { id }", binaryId=id, **described)
    cohort = await api.cohort(await api.product())
    await api.release(cohort, await api.bundle(version))
    before = await told(api, id)
    found = await api.ask(
        "query($id: ID!) { binary(id: $id) { impact { planToken planTokenRequired } } }", id=id
    )
    token = found["binary"]["impact"]["planToken"]
    await api.do("destroyBinary", "binary { id }", binaryId=id, planToken=token)
    after = await told(api, id)
    assert after.pop("contentErasedAt") is not None
    gone = {
        "state": "DESTROYED",
        "destroyed": True,
        "bytesUploaded": "0",
        "downloadUrl": None,
        "contentHealth": None,
        "parts": [],
        "availableTransitions": [],
        "revision": before["revision"] + 1,
    }
    del before["contentErasedAt"]
    assert after == {**before, **gone}
    listed = await api.ask("{ binaries(filter: {state: [DESTROYED]}) { nodes { id } } }")
    assert [one["id"] for one in listed["binaries"]["nodes"]] == [id]


async def test_a_target_is_unique_among_what_is_not_destroyed(api: Api) -> None:
    version = await api.version()
    new = {"artifactVersionId": version, "target": ARM, "hash": "ab" * 32, "size": 1}
    for content in (b"first", b"second"):
        id = await api.reach("SIGNED", version, content, ARM)
        refused = await api.fail("createBinary", "binary { id }", **new)
        assert (refused["code"], refused["existingId"]) == ("ALREADY_EXISTS", id)
        await api.do("destroyBinary", "binary { id }", binaryId=id)
    for state in ("UPLOADABLE", "HASHABLE", "SIGNABLE"):
        id = await api.reach(state, version, b"third", ARM)
        await api.do("deleteBinary", "deletedBinaryId", binaryId=id)
    await api.reach("SIGNED", version, b"fourth", ARM)
    found = await api.ask(
        "query($id: ID!) { artifactVersion(id: $id) { binaries { nodes { state } } } }", id=version
    )
    states = [one["state"] for one in found["artifactVersion"]["binaries"]["nodes"]]
    assert states == ["DESTROYED", "DESTROYED", "SIGNED"]


async def test_leaving_a_cohort_ends_claims_and_pin_and_a_deletion_frees_the_place(
    api: Api,
) -> None:
    product = await api.product()
    cohort, other = [await api.cohort(product, name) for name in ("one", "other")]
    version = await api.version()
    await api.reach("SIGNED", version)
    bundle = await api.bundle(version)
    first = await api.release(cohort, bundle, "first")
    await api.release(cohort, bundle, "phased", phase={"value": 0.1})
    devices = [await api.device(product, cohort, f"device-{n}") for n in range(3)]

    async def answered(device: str) -> str | None:
        update = await api.do("claimUpdate", "update { release { name } }", deviceId=device)
        release = update["release"]
        return None if release is None else release["name"]

    async def move(device: str, to: str | None) -> Json:
        selection = "device { cohort { id } pinnedRelease { id } }"
        moved: Json = await api.do("updateDevice", selection, deviceId=device, cohortId=to)
        return moved

    assert [await answered(device) for device in devices] == ["phased", "first", "first"]
    await api.do("pinDevice", "device { id }", deviceId=devices[0], releaseId=first)
    assert await move(devices[0], other) == {"cohort": {"id": other}, "pinnedRelease": None}
    assert await answered(devices[1]) == "phased"
    await move(devices[0], cohort)
    assert await answered(devices[0]) == "first"
    await api.do("deleteDevice", "deletedDeviceId", deviceId=devices[1])
    assert await answered(devices[2]) == "phased"


async def test_the_target_of_a_product_with_releases_alone_is_fixed_too(api: Api) -> None:
    product = await api.product()
    cohort = await api.cohort(product)
    target = {"productId": product, "target": "x86_64-unknown-linux-gnu"}
    assert (await api.do("updateProduct", "product { target }", **target)) == {
        "target": target["target"]
    }
    version = await api.version()
    await api.reach("SIGNED", version)
    release = await api.release(cohort, await api.bundle(version))
    await api.do("archiveReleases", "releases { id }", releaseIds=[release])
    refused = await api.fail("updateProduct", "product { id }", **target | {"target": ARM})
    assert refused["code"] == "IN_USE"
