"""Two organizations with equal data see nothing of each other, and a device sees only its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from graphql import (
    GraphQLArgument,
    GraphQLInputObjectType,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
)

from app import models
from app.rules.ids import new_id
from app.rules.prn import Kind, format_prn
from tests.api import Api, Json
from tests.conftest import new_api
from tests.graphql.questions import (
    MUTATION,
    QUERY,
    TYPES,
    UUID_,
    Inputs,
    asks,
    fields_of,
    selection,
)
from tests.graphql.world import HOOK, ROWS, World, build, names, read


@dataclass
class Tenants:
    """Two organizations with equal data; the one asks, the other is not to be seen."""

    api: Api
    own: World
    other: World

    @property
    def foreign(self) -> set[str]:
        """Every uuid of the other organization's rows."""
        return {str(row.id) for kind in ROWS for row in self.other.all(kind)}

    def check(self, response: httpx.Response) -> int:
        """Checks that an answer holds no uuid of the other's; gives how many of its own."""
        found = set(UUID_.findall(response.text))
        assert not found & self.foreign
        organization = str(self.own.all("Organization")[0].id)
        for id in re.findall(r"prn:1:([0-9a-f-]{36})", response.text):
            assert id == organization
        return len(found)


async def _tenants(api: Api, http: httpx.AsyncClient) -> Tenants:
    other = await new_api(http, "umbra")
    theirs = await build(other, size=2)
    return Tenants(api, await build(api, size=2), theirs)


async def test_nothing_of_another_organization_is_reached(
    api: Api, http: httpx.AsyncClient
) -> None:
    tenants = await _tenants(api, http)
    assert QUERY is not None
    met = 0
    for field, told in QUERY.fields.items():
        target = get_named_type(told.type)
        if not isinstance(target, GraphQLObjectType) or field.startswith("simulate"):
            continue
        values = Inputs(tenants.own).required(told.args)
        values |= {"target": "portable"} if field == "resolveBinary" else {}
        connection = target.name.endswith("Connection")
        # What a list leads to is asked of its rows themselves.
        document = asks(field, told, values, selection(target, 1 if connection else 2))
        response = await api.post(*document)
        assert response.status_code == 200, response.text
        met += tenants.check(response)
        if connection:
            rows = tenants.own.all(target.name.removesuffix("Connection"))
            assert response.json()["data"][field]["totalCount"] == len(rows)
    for kind in ROWS:
        ids = names(tenants.own.all(kind)[:20])
        for field, told in fields_of(TYPES[kind]).items():
            target = get_named_type(told.type)
            page = "(first: 5)" if "first" in told.args else ""
            inner = "" if is_leaf_type(target) else f" {{ {selection(target, 1)} }}"
            asked = f"... on {kind} {{ {field}{page}{inner} }}"
            query = f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ {asked} }} }}"
            response = await api.post(query, {"ids": ids})
            assert "QUERY_TOO_COMPLEX" not in response.text, (kind, field)
            met += tenants.check(response)
    assert met > 500


async def test_an_id_of_another_organization_is_as_one_that_is_not_there(
    api: Api, http: httpx.AsyncClient
) -> None:
    tenants = await _tenants(api, http)
    assert QUERY is not None
    tried = 0
    for field, told in QUERY.fields.items():
        selected = _selected(told)
        for argument, changed in _with_ids(tenants, told.args):
            answers = []
            for values in changed:
                response = await api.post(*asks(field, told, values, selected))
                tenants_seen = UUID_.findall(response.text)
                assert not set(tenants_seen) & tenants.foreign, (field, argument)
                answers.append(_told(response.json()))
            assert answers[0] == answers[1] == answers[2], (field, argument)
            tried += 1
    assert tried > 20


def _selected(field: Any) -> str:
    target = get_named_type(field.type)
    if is_leaf_type(target):
        return ""
    if "nodes" in fields_of(target):
        return "totalCount nodes { __typename }"
    return "__typename"


def _told(body: Json) -> Json:
    """An answer without what is different each time, or only tells what was sent."""
    for error in body.get("errors", []):
        error["extensions"].pop("requestId")
    return body


def _with_ids(
    tenants: Tenants, arguments: dict[str, GraphQLArgument]
) -> Iterator[tuple[str, list[Json]]]:
    """For each id among the arguments: the other's, another's, and one that is not there."""
    inputs = Inputs(tenants.own)
    required = inputs.required(arguments)
    for argument, told in arguments.items():
        kind = get_named_type(told.type)
        if kind.name == "ID":
            ids = _three(tenants, argument)
            many = "[" in str(told.type)
            yield argument, [required | {argument: [id] if many else id} for id in ids]
        elif argument == "filter" and isinstance(kind, GraphQLInputObjectType):
            for field, one in kind.fields.items():
                if get_named_type(one.type).name == "ID":
                    ids = _three(tenants, field)
                    yield field, [required | {"filter": {field: id}} for id in ids]


def _three(tenants: Tenants, field: str) -> list[str]:
    other = Inputs(tenants.other).id(field)
    kind = Kind(other.split(":")[3])
    own = tenants.own.all("Organization")[0].id
    return [other, format_prn(kind, new_id(), new_id()), format_prn(kind, own, new_id())]


async def test_nothing_of_another_organization_is_changed(
    api: Api, http: httpx.AsyncClient
) -> None:
    tenants = await _tenants(api, http)
    assert MUTATION is not None
    before = await _facts(tenants.other)
    for field, told in MUTATION.fields.items():
        kind = get_named_type(told.args["input"].type)
        input = Inputs(tenants.other).value("input", told.args["input"].type)
        query = f"mutation($i: {kind}!) {{ {field}(input: $i) {{ errors {{ code }} }} }}"
        response = await api.post(query, {"i": input})
        assert response.status_code == 200
        tenants.check(response)
        if any(name.endswith(("Id", "Ids")) for name in input):
            codes = [error["code"] for error in response.json()["data"][field]["errors"]]
            assert codes == ["NOT_FOUND"] or codes == ["BAD_USER_INPUT"], (field, codes)
    assert await _facts(tenants.other) == before


async def _facts(world: World) -> list[Any]:
    """Every value of every row of a world's organization, but when a key was used."""
    now = await read(world.all("Organization")[0].id)
    return [
        {
            column: getattr(row, column)
            for column in row._meta.fields_db_projection
            if column != "last_used_at"
        }
        for kind in ROWS
        for row in now.all(kind)
    ]


# What a device's key may ask: these fields of the root and of what they lead to. All fields that
# lead nowhere are plain, and open to it.
OPEN = {
    "DeviceUpdate.bundle",
    "DeviceUpdate.manifest",
    "DeviceUpdate.release",
    "DeviceUpdate.trace",
    "ManifestEntry.artifact",
    "ManifestEntry.artifactVersion",
    "ManifestEntry.binary",
    "ManifestEntry.signatures",
    "TraceEntry.release",
    "Binary.signatures",
    "Binary.verification",
    "Release.phase",
}
OWN = "resolveUpdate"
OWN_MUTATIONS = {"claimUpdate", "reportDeviceState"}


@dataclass
class DeviceKey:
    """A device's own key, the device, and another one."""

    api: Api
    device: str
    other: str


async def _device(api: Api, http: httpx.AsyncClient) -> tuple[DeviceKey, World]:
    """A device that has an update waiting, as the organization's first one has."""
    version = await api.version()
    await api.reach("SIGNED", version)
    product = await api.product()
    cohort = await api.cohort(product)
    await api.release(cohort, await api.bundle(version), phase={"value": 2})
    ids = [await api.device(product, cohort, f"device-{n}") for n in range(2)]
    hook = await api.make("createWebhook", "webhook { id }", name="hook", url=HOOK, enabled=False)
    await api.do("updateWebhook", "webhook { id }", webhookId=hook, name="told", enabled=True)
    await api.do("updateWebhook", "webhook { id }", webhookId=hook, enabled=False)
    input = {"name": "own", "role": "DEVICE", "deviceId": ids[0]}
    made = await api.ask(
        "mutation($i: CreateApiKeyInput!) { createApiKey(input: $i) { secret } }", i=input
    )
    own = DeviceKey(Api(http, made["createApiKey"]["secret"]), *ids)
    return own, await read(ids[0].split(":")[2])


def _codes(body: Json) -> set[str]:
    return {error["extensions"]["code"] for error in body.get("errors", [])}


async def test_a_device_may_ask_for_its_own_update_and_for_nothing_else(
    api: Api, http: httpx.AsyncClient
) -> None:
    own, world = await _device(api, http)
    assert QUERY is not None
    for field, told in QUERY.fields.items():
        values = Inputs(world).required(told.args)
        selected = "" if is_leaf_type(get_named_type(told.type)) else "__typename"
        body = (await own.api.post(*asks(field, told, values, selected))).json()
        assert _codes(body) == (set() if field == OWN else {"FORBIDDEN"}), field
    query = "query($id: ID!) { resolveUpdate(deviceId: $id) { status } }"
    assert (await own.api.ask(query, id=own.device))["resolveUpdate"]["status"] == "UPDATE"
    error = await own.api.refused(query, id=own.other)
    assert error["extensions"]["code"] == "FORBIDDEN"


async def test_a_device_may_poll_and_report_for_itself_and_do_nothing_else(
    api: Api, http: httpx.AsyncClient
) -> None:
    own, world = await _device(api, http)
    assert MUTATION is not None
    before = await _facts(world)
    for field, told in MUTATION.fields.items():
        kind = get_named_type(told.args["input"].type)
        input = Inputs(world).value("input", told.args["input"].type)
        if field in OWN_MUTATIONS:
            input["deviceId"] = own.other
        payload = (
            await own.api.post(
                f"mutation($i: {kind}!) {{ {field}(input: $i) {{ errors {{ code }} }} }}",
                {"i": input},
            )
        ).json()["data"][field]
        assert payload["errors"] == [{"code": "FORBIDDEN"}], field
    assert await _facts(world) == before
    claimed = await own.api.do("claimUpdate", "update { status }", deviceId=own.device)
    assert claimed == {"status": "UPDATE"}
    told = await own.api.do(
        "reportDeviceState",
        "device { id reportedVersion }",
        deviceId=own.device,
        reported={"version": "1.2.3"},
    )
    assert told == {"id": own.device, "reportedVersion": "1.2.3"}


def _paths() -> Iterator[tuple[str, str, str]]:
    """Each field below an update: its type, its name, and the document that asks for it."""
    waiting = [("DeviceUpdate", "{}")]
    seen = set()
    while waiting:
        owner, path = waiting.pop(0)
        if owner in seen:
            continue
        seen.add(owner)
        for field, told in fields_of(TYPES[owner]).items():
            target = get_named_type(told.type)
            leads = not is_leaf_type(target)
            inner = " { __typename }" if leads else ""
            yield owner, field, path.replace("{}", f"{field}{inner}")
            if leads and f"{owner}.{field}" in OPEN:
                waiting.append((target.name, path.replace("{}", f"{field} {{ {{}} }}")))


async def test_below_its_manifest_a_device_sees_plain_fields_and_signatures(
    api: Api, http: httpx.AsyncClient
) -> None:
    own, _ = await _device(api, http)
    open_ = set()
    for owner, field, asked in _paths():
        query = f"query($id: ID!) {{ resolveUpdate(deviceId: $id) {{ {asked} }} }}"
        codes = _codes((await own.api.post(query, {"id": own.device})).json())
        place = f"{owner}.{field}"
        if is_leaf_type(get_named_type(fields_of(TYPES[owner])[field].type)):
            assert codes == set(), place
        elif codes == set():
            open_.add(place)
        else:
            assert codes == {"FORBIDDEN"}, place
    assert open_ == OPEN


async def test_a_device_sees_plain_fields_of_itself(api: Api, http: httpx.AsyncClient) -> None:
    own, _ = await _device(api, http)
    for field, told in fields_of(TYPES["Device"]).items():
        leads = not is_leaf_type(get_named_type(told.type))
        inner = " { __typename }" if leads else ""
        response = await own.api.post(
            "mutation($i: ReportDeviceStateInput!) { reportDeviceState(input: $i) {"
            f" device {{ {field}{inner} }} errors {{ code }} }} }}",
            {"i": {"deviceId": own.device, "reported": {}}},
        )
        assert _codes(response.json()) == ({"FORBIDDEN"} if leads else set()), field


async def test_a_device_of_another_organization_is_refused(
    api: Api, http: httpx.AsyncClient
) -> None:
    own, _ = await _device(api, http)
    other = await new_api(http, "umbra")
    theirs = await other.device(await other.product(), None)
    query = "query($id: ID!) { resolveUpdate(deviceId: $id) { status } }"
    foreign = await own.api.refused(query, id=theirs)
    unknown = await own.api.refused(query, id=f"prn:1:{new_id()}:device:{new_id()}")
    assert _told({"errors": [foreign]}) == _told({"errors": [unknown]})
    assert foreign["extensions"]["code"] in ("FORBIDDEN", "NOT_FOUND")
    claimed = await own.api.fail("claimUpdate", "update { status }", deviceId=theirs)
    assert claimed["code"] in ("FORBIDDEN", "NOT_FOUND")
    assert await models.ReleaseClaim.all().count() == 0
