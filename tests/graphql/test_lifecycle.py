"""The main job, through the API: every step of a binary's life, on both databases."""

from __future__ import annotations

from tests.api import Api


async def test_a_binary_goes_through_its_whole_life(api: Api) -> None:
    version = await api.version()
    id = await api.reach("SIGNED", version)
    product = await api.product()
    cohort = await api.cohort(product)
    device = await api.device(product, cohort)
    release = await api.release(cohort, await api.bundle(version))
    told = await api.ask(
        """query($id: ID!) { resolveUpdate(deviceId: $id) {
          status release { id isLatest } bundle { name artifactVersions { nodes { version } } }
          manifest { artifact { name } artifactVersion { version } binary { id target } hash size
                     signatures { signature } customMetadata url }
          trace { release { id } reason detail facts } } }""",
        id=device,
    )
    update = told["resolveUpdate"]
    assert update["status"] == "UPDATE"
    assert update["release"] == {"id": release, "isLatest": True}
    (entry,) = update["manifest"]
    assert (entry["binary"]["id"], entry["size"]) == (id, "7")
    answer = await api.http.get(entry["url"])
    assert (answer.status_code, answer.content) == (200, b"content")
    refusal = await api.fail("destroyBinary", "binary { id }", binaryId=id)
    assert refusal["code"] == "IMPACT_NOT_ACCEPTED"
    assert refusal["releases"] == [{"id": release}]
    impact = await api.ask(
        """query($id: ID!) { binary(id: $id) { impact { planToken devicesLosingUpdate devicesStuck
          releases { totalCount nodes { release { id } effect reasons } }
          bundles { nodes { name } } cohorts { nodes { id } } products { nodes { id } } } } }""",
        id=id,
    )
    told = impact["binary"]["impact"]
    assert told["devicesLosingUpdate"] == 1
    assert told["releases"]["nodes"] == [
        {
            "release": {"id": release},
            "effect": "NEWLY_AFFECTED",
            "reasons": ["TARGET_LOST", "LATEST"],
        }
    ]
    destroyed = await api.do(
        "destroyBinary",
        "binary { state destroyed bytesUploaded contentErasedAt hash }",
        binaryId=id,
        planToken=told["planToken"],
    )
    assert destroyed["contentErasedAt"] is not None
    assert (destroyed["state"], destroyed["bytesUploaded"]) == ("DESTROYED", "0")
    gone = await api.http.get(entry["url"])
    assert (gone.status_code, gone.json()["errors"][0]["extensions"]["code"]) == (
        410,
        "CONTENT_DESTROYED",
    )
