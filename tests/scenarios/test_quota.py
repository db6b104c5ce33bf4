"""What an organization's content may take: counted from the first registration to the last byte."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from app import database
from app.actions.abandoned import reap_abandoned
from app.settings import Settings
from tests.api import BINARY, PART, Api, Json
from tests.conftest import new_api

USAGE = "{ organization { storage { usedBytes quotaBytes } } }"
GRANTED = 1_000


@pytest.fixture(name="settings")
def limited(settings: Settings) -> Settings:
    """A server that grants little."""
    return replace(settings, quota_bytes=GRANTED)


async def used(api: Api) -> int:
    found = await api.ask(USAGE)
    return int(found["organization"]["storage"]["usedBytes"])


def declared(content: bytes) -> Json:
    digest = hashlib.sha256(content).hexdigest()
    return {"hash": digest, "size": len(content)}


def parts(content: bytes) -> list[Json]:
    return [{"index": 1, **declared(content)}]


async def refused(api: Api, version: str, content: bytes, target: str = "z-z") -> Json:
    made = {"artifactVersionId": version, "target": target, **declared(content)}
    return await api.fail("createBinary", BINARY, **made, parts=parts(content))


async def test_parts_count_from_their_registration_until_they_are_dropped(api: Api) -> None:
    version = await api.version()
    await api.binary(version, b"a" * 300, target="a-a")
    assert await used(api) == 300
    hashable = await api.reach("HASHABLE", version, b"b" * 200, target="b-b")
    assert await used(api) == 500
    await api.do("resetBinary", BINARY, binaryId=hashable)
    assert await used(api) == 300
    await api.do("createBinaryParts", f"parts {{ {PART} }}", binaryId=hashable, parts=parts(b"b"))
    assert await used(api) == 301
    await api.do("createBinaryParts", f"parts {{ {PART} }}", binaryId=hashable, parts=parts(b"bb"))
    assert await used(api) == 302
    await api.do("updateBinary", BINARY, binaryId=hashable, size=9)
    assert await used(api) == 300
    await api.do("deleteBinary", "deletedBinaryId", binaryId=hashable)
    signed = await api.reach("SIGNED", version, b"c" * 400, target="c-c")
    assert await used(api) == 700
    await api.do("destroyBinary", BINARY, binaryId=signed)
    assert await used(api) == 300
    await database.execute(
        "UPDATE binary_record SET updated_at = created_at", using=database.writer()
    )
    assert await reap_abandoned(idle=timedelta()) == 1
    assert await used(api) == 0


async def test_what_does_not_fit_is_refused_and_changes_nothing(api: Api) -> None:
    version = await api.version()
    whole = await api.binary(version, b"a" * 900, target="a-a")
    before = (await api.ask("{ binaries { totalCount } }"))["binaries"]["totalCount"]
    error = await refused(api, version, b"b" * 101)
    assert {name: error[name] for name in ("__typename", "code", "limit", "used", "path")} == {
        "__typename": "QuotaExceededError",
        "code": "QUOTA_EXCEEDED",
        "limit": "1000",
        "used": "900",
        "path": ["input", "parts"],
    }
    assert error["message"].startswith("101 bytes more are too many: 900 of 1000 are taken.")
    larger = parts(b"a" * 1_001)
    error = await api.fail(
        "createBinaryParts", f"parts {{ {PART} }}", binaryId=whole["id"], parts=larger
    )
    assert (error["code"], error["used"]) == ("QUOTA_EXCEEDED", "900")
    after = (await api.ask("{ binaries { totalCount } }"))["binaries"]["totalCount"]
    assert (after, await used(api)) == (before, 900)
    # A record alone takes nothing, and what fits exactly is taken.
    await api.binary(version, b"b" * 100, target="b-b")
    assert await used(api) == GRANTED


async def test_one_part_that_never_fits_is_refused_at_once(api: Api) -> None:
    error = await refused(api, await api.version(), b"b" * 1_001)
    assert (error["code"], error["limit"], error["used"]) == ("QUOTA_EXCEEDED", "1000", "0")


async def test_of_many_who_race_as_many_win_as_fit(api: Api) -> None:
    version = await api.version()

    async def create(number: int) -> str:
        content = bytes([number]) * 150
        made = {"artifactVersionId": version, "target": f"x-{number}", **declared(content)}
        payload = await api.mutate("createBinary", BINARY, **made, parts=parts(content))
        return payload["errors"][0]["code"] if payload["errors"] else "taken"

    answers = await asyncio.gather(*(create(number) for number in range(20)))
    assert sorted(answers) == ["QUOTA_EXCEEDED"] * 14 + ["taken"] * 6
    assert await used(api) == 900
    (counted,) = await database.query("SELECT SUM(size) AS size FROM binary_part")
    assert counted["size"] == 900


async def test_each_organization_has_its_own(api: Api, http: httpx.AsyncClient) -> None:
    await api.binary(await api.version(), b"a" * 900)
    other = await new_api(http, "other")
    assert await used(other) == 0
    await other.binary(await other.version(), b"a" * 900)
    assert (await used(api), await used(other)) == (900, 900)


async def test_an_admin_sets_less_and_takes_it_back(api: Api, http: httpx.AsyncClient) -> None:
    version = await api.version()
    await api.binary(version, b"a" * 500, target="a-a")
    selection = "organization { storage { usedBytes quotaBytes } }"
    set_to = {"bytes": 400, "idempotencyKey": "once"}
    for _ in range(2):
        found = await api.do("setQuota", selection, **set_to)
        assert found["storage"] == {"usedBytes": "500", "quotaBytes": "400"}
    error = await refused(api, version, b"b")
    assert (error["limit"], error["used"]) == ("400", "500")
    found = await api.do("setQuota", selection)
    assert found["storage"] == {"usedBytes": "500", "quotaBytes": "1000"}
    await api.binary(version, b"b", target="b-b")
    for wrong in (GRANTED + 1, -1):
        error = await api.fail("setQuota", selection, bytes=wrong)
        assert (error["code"], error["path"]) == ("BAD_USER_INPUT", ["input", "bytes"])
    query = """{ organization { events(
        filter: { kind: ["organization.set_quota"] }, orderBy: { field: CREATED_AT, direction: ASC }
    ) { nodes { before after subject { id } } } } }"""
    told = (await api.ask(query))["organization"]["events"]["nodes"]
    own = (await api.ask("{ organization { id } }"))["organization"]
    assert told == [
        {"before": {"quotaBytes": before}, "after": {"quotaBytes": after}, "subject": own}
        for before, after in ((1_000, 400), (400, 1_000))
    ]


class TestUnlimited:
    """A server that grants any number."""

    @pytest.fixture(name="settings")
    def unlimited(self, settings: Settings) -> Settings:
        """The default."""
        return replace(settings, quota_bytes=0)

    async def test_nothing_is_refused_but_by_an_own_quota(self, api: Api) -> None:
        version = await api.version()
        await api.binary(version, b"a" * 5_000, target="a-a")
        found = (await api.ask(USAGE))["organization"]["storage"]
        assert found == {"usedBytes": "5000", "quotaBytes": None}
        await api.do("setQuota", "organization { id }", bytes=5_001)
        await api.binary(version, b"b", target="b-b")
        error = await refused(api, version, b"c")
        assert (error["code"], error["limit"]) == ("QUOTA_EXCEEDED", "5001")
