"""What devices poll and report, and what is kept of it, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.models import Device, ReleaseClaim
from app.rules.prn import parse_prn
from tests.api import Api, Json
from tests.scenarios.stage import Stage


async def events_of(api: Api, device_id: str) -> list[str]:
    """The kinds of a device's Events, newest first."""
    query = "query($id: ID!) { device(id: $id) { events(first: 100) { nodes { kind } } } }"
    nodes = (await api.ask(query, id=device_id))["device"]["events"]["nodes"]
    return [one["kind"] for one in nodes]


async def test_a_poll_writes_an_event_only_for_a_new_report_and_a_new_claim(stage: Stage) -> None:
    api = stage.api
    r1, r2 = await stage.released("b1", "b2")
    device = await stage.id("d1")

    async def poll(reported: Json | None) -> str | None:
        told = await api.do(
            "claimUpdate", "update { release { id } }", deviceId=device, reported=reported
        )
        return told["release"]["id"] if told["release"] else None

    assert await poll(None) == r2
    assert await events_of(api, device) == ["device.claim", "device.create"]
    for _ in range(2):
        assert await poll({"releaseId": r1}) == r2
    assert await events_of(api, device) == ["device.report", "device.claim", "device.create"]
    # Without a report, what was last reported counts; what can't be used counts as nothing.
    assert await poll(None) == r2
    for reported in ({"releaseId": "r1"}, {"version": "one"}, {"bundleId": r1}, {}):
        assert await poll(reported) == r2
    assert await events_of(api, device) == [
        "device.report",
        "device.report",
        "device.claim",
        "device.create",
    ]
    assert await poll({"releaseId": r2}) is None
    assert len(await events_of(api, device)) == 5
    assert await ReleaseClaim.all().count() == 1


async def test_last_seen_is_written_at_most_once_a_minute_and_has_no_event(stage: Stage) -> None:
    api = stage.api
    device = await stage.id("d1")
    id = parse_prn(device, path=()).id
    assert (await Device.get(id=id)).last_seen_at is None

    async def poll() -> datetime | None:
        await api.do("claimUpdate", "update { status }", deviceId=device)
        seen: datetime | None = (await Device.get(id=id)).last_seen_at
        return seen

    first = await poll()
    assert first is not None
    assert abs(datetime.now(UTC) - first) < timedelta(minutes=1)
    assert await poll() == first
    earlier = datetime.now(UTC) - timedelta(seconds=61)
    await Device.filter(id=id).update(last_seen_at=earlier)
    second = await poll()
    assert second is not None
    assert second > first
    assert await events_of(api, device) == ["device.create"]


async def test_a_preview_writes_nothing(stage: Stage) -> None:
    api = stage.api
    r1, r2 = await stage.released("b1", "b2", phase={"value": 0.5})
    device = await stage.id("d1")
    id = parse_prn(device, path=()).id
    before = await Device.filter(id=id).values()
    query = """query($id: ID!, $reported: ReportedStateInput) {
        resolveUpdate(deviceId: $id, reported: $reported) { release { id } }
        device(id: $id) { update { release { id } } } }"""
    told = await api.ask(query, id=device, reported={"releaseId": r1})
    assert told["resolveUpdate"] == told["device"]["update"] == {"release": {"id": r2}}
    assert await Device.filter(id=id).values() == before
    assert await ReleaseClaim.all().count() == 0
    assert await events_of(api, device) == ["device.create"]


async def test_a_history_is_what_the_device_itself_did_newest_first(stage: Stage) -> None:
    api = stage.api
    (r1,) = await stage.released("b1")
    device = await stage.id("d1")
    await api.do("quarantineDevice", "device { id }", deviceId=device)
    await api.do("releaseDeviceFromQuarantine", "device { id }", deviceId=device)
    await api.do("claimUpdate", "update { status }", deviceId=device)
    reported = {"releaseId": r1}
    for outcome in ("FAILED", "INSTALLED"):
        await api.do(
            "reportDeviceState",
            "device { id }",
            deviceId=device,
            reported=reported,
            outcome=outcome,
            message=f"it {outcome.lower()}",
        )
    query = """query($id: ID!, $first: Int, $after: String) { device(id: $id) {
        history(first: $first, after: $after) {
          totalCount nodes { kind after } pageInfo { endCursor hasNextPage } } } }"""
    history = (await api.ask(query, id=device))["device"]["history"]
    assert history["totalCount"] == 4
    assert [(one["kind"], one["after"]) for one in history["nodes"]] == [
        ("device.installed", {"message": "it installed"}),
        ("device.report", {"reportedReleaseId": r1}),
        ("device.install_failed", {"message": "it failed", "release": r1}),
        ("device.claim", {"release": r1}),
    ]
    page = (await api.ask(query, id=device, first=3))["device"]["history"]["pageInfo"]
    rest = (await api.ask(query, id=device, first=3, after=page["endCursor"]))["device"]["history"]
    assert (page["hasNextPage"], [one["kind"] for one in rest["nodes"]]) == (True, ["device.claim"])


async def test_a_failure_counts_for_a_release_of_the_devices_own_cohort_only(stage: Stage) -> None:
    api = stage.api
    (r1,) = await stage.released("b1", haltAfter=1)
    other = await api.cohort(stage.ids["router"], "other")
    stranger = await api.device(stage.ids["router"], other, "stranger")
    device = await stage.id("d1")
    query = "query($id: ID!) { release(id: $id) { failures } }"

    async def fail(id: str) -> int:
        await api.do(
            "reportDeviceState",
            "device { id }",
            deviceId=id,
            reported={"releaseId": r1},
            outcome="FAILED",
        )
        return int((await api.ask(query, id=r1))["release"]["failures"])

    assert await fail(stranger) == 0
    update = "query($id: ID!) { resolveUpdate(deviceId: $id) { status trace { reason } } }"
    told = (await api.ask(update, id=device))["resolveUpdate"]
    assert told["status"] == "UPDATE"
    assert await fail(device) == 1
    told = (await api.ask(update, id=device))["resolveUpdate"]
    assert told == {"status": "NO_UPDATE", "trace": [{"reason": "PHASE_HALTED"}]}
