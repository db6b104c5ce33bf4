"""Asks for one place of the permission matrix as one identity, and tells what came of it."""

from __future__ import annotations

import asyncio
import re
from typing import Final

import httpx
from graphql import get_named_type, is_leaf_type

from app.actions import access
from app.graphql.errors import ERRORS, REASONS
from app.rules.access import Role
from app.rules.prn import parse_prn
from tests.api import Api, Json
from tests.graphql.bad_input import ARGUMENTS, ROWS, VALID, Mutation, The
from tests.graphql.bad_input_world import World
from tests.graphql.furnished import Organization
from tests.graphql.questions import MUTATION, QUERY, TYPES, asks, fields_of
from tests.graphql.world import ROWS as NODES
from tests.suites.permissions import BY_LINK, OK, UNREACHED, Identity
from tests.suites.sockets import first_event, greeted
from tests.suites.stage import Stage
from tests.suites.ways import Way, explore

_REFUSALS: Final = {"FORBIDDEN", "NOT_FOUND", "UNAUTHENTICATED", "KEY_REVOKED"}
_STATUSES: Final = {401: "401", 403: "403", 405: "405", 410: "410"}
"""Statuses by which a route turns somebody away; with any other one it looks at the request."""
_CODES: Final = {
    kind.__name__: {found.code for found in REASONS if issubclass(found, kind.refusals)}
    for kind in ERRORS
}
"""The codes of the refusals that a type of error stands for; InputError's are all others."""
_ARGUMENTS: Final = {
    **ARGUMENTS,
    "destructionImpact": {"ids": [The("binary_doomed")]},
    "simulateRelease": {"input": {"cohortId": The("cohort_bare"), "bundleId": The("bundle")}},
}
_INPUTS: Final = {
    **VALID,
    "createDevices": {"productId": The("product"), "devices": [{"identifier": "newer"}]},
    # Others are in the way of nothing any more, since `destroyBinaries` took them.
    "destroyBinary": {"binaryId": The("binary_signable")},
}
_BEFORE: Final = {"destroyBinary": "signBinary"}
"""What has to be done before."""
_CHANGERS: Final = (Identity.WRITE, Identity.ADMIN)
"""Who may change things, and does it in an organization of its own."""


class Asking:
    """Two organizations, everybody's keys, and how every type of object is come to."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.keys: dict[Identity, str] = {Identity.ANONYMOUS: ""}
        self.own: Organization
        self.world: World
        self.ways: dict[Identity, dict[str, Way]] = {}
        self.links: dict[str, str] = {}
        """A good link, by the method that it is for."""
        self.payloads: dict[tuple[str, Identity], Json] = {}
        self.rooms: dict[Identity, Organization] = {}
        """Where mutations that succeed are tried; those of others are on the first one's things."""

    async def prepare(self) -> None:
        """Fills the organizations and finds the ways."""
        http, server = self.stage.http, self.stage.server
        other = await Organization.founded(http, server, "other")
        await other.fill()
        self.own = await self._filled("acme")
        self.rooms = {one: await self._filled(f"of {one}") for one in _CHANGERS}
        for identity in (Identity.REVOKED, Identity.READ, Identity.WRITE, Identity.DEVICE):
            self.keys[identity] = self.own.keys[identity.value.lower()]
        self.keys[Identity.ADMIN] = self.own.keys["admin"]
        self.keys[Identity.OTHER_ORGANIZATION] = other.keys["admin"]
        self.keys[Identity.OTHER_DEVICE] = await self._device_key("device_alone")
        self.world = World(http, self.own.things)
        await self._add_devices()
        await self._find_links()
        readers = await explore(self._api(Identity.ADMIN), [*self._roots(), *await self._nodes()])
        devices = await explore(self._api(Identity.DEVICE), self._device_roots())
        for identity in Identity:
            device = identity in (Identity.DEVICE, Identity.OTHER_DEVICE)
            self.ways[identity] = devices if device else readers

    async def _filled(self, name: str) -> Organization:
        made = await Organization.founded(self.stage.http, self.stage.server, name)
        await made.fill()
        await made.fill_more()
        return made

    async def _add_devices(self) -> None:
        """Devices that a release in a bare cohort would move, and would not."""
        api, things = self.own.api, self.own.things
        await api.device(things["product"], things["cohort_bare"], "moved")
        held = await api.device(things["product"], things["cohort_bare"], "held")
        await api.do("quarantineDevice", "device { id }", deviceId=held)

    async def _find_links(self) -> None:
        query = "query($id: ID!) { binary(id: $id) { downloadUrl parts { uploadUrl } } }"
        api, things = self._api(Identity.ADMIN), self.own.things
        found = (await api.ask(query, id=things["binary_released"]))["binary"]
        self.links["GET"] = self.links["HEAD"] = found["downloadUrl"]
        found = (await api.ask(query, id=things["binary_uploadable"]))["binary"]
        self.links["PUT"] = found["parts"][0]["uploadUrl"]

    async def _device_key(self, name: str) -> str:
        device = parse_prn(self.own.things[name], path=()).id
        _, secret = await access.create_api_key(
            self.own.actor, name=name, role=Role.DEVICE, device_id=device
        )
        return secret

    def _api(self, identity: Identity) -> Api:
        return Api(self.stage.http, self.keys[identity])

    # Ways.

    def _roots(self) -> list[tuple[str, Way]]:
        """The queries that a type is come to by, and no node is."""
        things = self.world
        found = [("Query", Way("query { __typename @@ }"))]
        assert QUERY is not None
        for field, arguments in _ARGUMENTS.items():
            told = QUERY.fields[field]
            text, variables = asks(field, told, things.resolved(arguments), "__typename @@")
            found.append((get_named_type(told.type).name, Way(text, (field,), variables)))
        return found

    async def _nodes(self) -> list[tuple[str, Way]]:
        """Nodes of each type by their ids, as many as there are of it."""
        ids = sorted(
            {
                value
                for value in self.own.things.values()
                if isinstance(value, str) and value.startswith("prn:1:")
            }
        )
        ways = []
        for kind in NODES:
            asked = f"... on {kind} {{ __typename @@ }}"
            text = f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ {asked} }} }}"
            word = "".join(f"_{one.lower()}" if one.isupper() else one for one in kind)[1:]
            own = [id for id in ids if id.split(":")[-2] == word]
            if kind == "Organization":
                own = [f"prn:1:{self.own.id}"]
            ways.append((kind, Way(text, ("nodes",), {"ids": own[:100]})))
        return ways

    def _device_roots(self) -> list[tuple[str, Way]]:
        """What a device's key is answered about itself."""
        text = "query($id: ID!) { resolveUpdate(deviceId: $id) { __typename @@ } }"
        own = self.own.things["device"]
        report = (
            "mutation($i: ReportDeviceStateInput!) { reportDeviceState(input: $i)"
            " { device { __typename @@ } } }"
        )
        input = {"i": {"deviceId": own, "reported": {}}}
        return [
            ("DeviceUpdate", Way(text, ("resolveUpdate",), {"id": own})),
            ("Device", Way(report, ("reportDeviceState", "device"), input)),
        ]

    # Verdicts.

    async def told(self, place: str, identity: Identity) -> str:
        """What an identity gets of a place, in the words of the table."""
        if " " in place:
            return await self._route(place, identity)
        type_, field = place.split(".")
        if type_ == "Query":
            return await self._query(field, identity)
        if type_ == "Mutation":
            return await self._mutation(field, identity)
        if type_ == "Subscription":
            return await self._subscription(field, identity)
        if type_.endswith("Payload"):
            return await self._of_payload(type_, field, identity)
        if type_.endswith("Error"):
            return await self._of_error(type_, field, identity)
        way = self.ways[identity].get(type_)
        if way is None:
            return UNREACHED
        selected = self._selected(type_, field)
        body = await self._post(way.asking(selected), way.variables, identity)
        if (code := _refused(body, field)) is not None:
            return code
        return OK if way.reached(body.get("data")) else UNREACHED

    def _selected(self, type_: str, field: str) -> str:
        told = fields_of(TYPES[type_])[field]
        return field if is_leaf_type(get_named_type(told.type)) else f"{field} {{ __typename }}"

    async def _query(self, field: str, identity: Identity) -> str:
        assert QUERY is not None
        told = QUERY.fields[field]
        values = self.world.resolved(_ARGUMENTS.get(field, {}))
        if "id" in told.args:
            word = "".join(f"_{one.lower()}" if one.isupper() else one for one in field)
            word = {
                "node": "product",
                "binary": "binary_signed",
                "artifact_version": "version",
            }.get(word, "release_latest" if word == "release" else word)
            values = {"id": self.own.things[word]}
        elif field == "nodes":
            values = {"ids": [self.own.things["product"]]}
        leaf = is_leaf_type(get_named_type(told.type))
        text, variables = asks(field, told, values, "" if leaf else "__typename")
        body = await self._post(text, variables, identity)
        if (code := _refused(body, field)) is not None:
            return code
        found = body["data"][field]
        # A list of another organization's is its own one; an id of it must not be found.
        return OK if found and found != [None] else "null"

    async def _mutation(self, field: str, identity: Identity) -> str:
        body = await self._done(field, identity)
        if (code := _refused(body, field)) is not None:
            return code
        return next((error["code"] for error in body["data"][field]["errors"]), OK)

    async def _done(self, field: str, identity: Identity) -> Json:
        """The answer to a mutation that would succeed, sent once by each identity."""
        if (field, identity) in self.payloads:
            return self.payloads[field, identity]
        assert MUTATION is not None
        told = MUTATION.fields[field]
        if field in _BEFORE:
            await self._done(_BEFORE[field], identity)
        room = self.rooms.get(identity, self.own)
        key = room.keys[identity.lower()] if identity in self.rooms else self.keys[identity]
        input = World(self.stage.http, room.things).resolved(_INPUTS[field])
        kind = get_named_type(told.args["input"].type).name
        payload = get_named_type(told.type).name
        results = " ".join(
            self._selected(payload, one) for one in fields_of(TYPES[payload]) if one != "errors"
        )
        text = f"mutation($i: {kind}!) {{ {field}(input: $i) {{ {results} errors {{ code }} }} }}"
        body = await self._sent(text, {"i": input}, key)
        self.payloads[field, identity] = body
        return body

    async def _of_payload(self, type_: str, field: str, identity: Identity) -> str:
        name = type_.removesuffix("Payload")
        body = await self._done(name[0].lower() + name[1:], identity)
        return _refused(body, field) or _refused(body) or OK

    async def _of_error(self, type_: str, field: str, identity: Identity) -> str:
        """A field of a refusal; only some keys can bring it about."""
        selected = self._selected(type_, field)
        for send in self._bringing_about(type_, identity):
            kind = f"{send.name[0].upper()}{send.name[1:]}Input"
            text = (
                f"mutation($i: {kind}!) {{ {send.name}(input: $i)"
                f" {{ errors {{ __typename ... on {type_} {{ {selected} }} }} }} }}"
            )
            body = await self._post(text, {"i": self.world.resolved(send.input)}, identity)
            if (code := _refused(body, field) or _refused(body)) is not None:
                return code
            errors = body["data"][send.name]["errors"]
            if any(error["__typename"] == type_ for error in errors):
                return OK
        return UNREACHED

    def _bringing_about(self, type_: str, identity: Identity) -> list[Mutation]:
        """Mutations that are refused in this way when a key may send them at all."""
        extra = {
            "ForbiddenError": [Mutation("createApiKey", VALID["createApiKey"])],
            "InputError": [Mutation("claimUpdate", {"deviceId": "no id"})],
        }
        found = [
            row.send
            for row in ROWS
            if row.code in _CODES.get(type_, ())
            and isinstance(row.send, Mutation)
            and not row.early
            and row.key == "admin"
        ]
        return [*extra.get(type_, []), *found[:3]]

    async def _subscription(self, field: str, identity: Identity) -> str:
        id = self.own.things["binary_signed"]
        text, variables = {
            "binaryChanged": (
                "subscription($id: ID!) { binaryChanged(id: $id) { state } }",
                {"id": id},
            ),
            "eventRecorded": ("subscription { eventRecorded { kind } }", {}),
        }[field]
        body = {"query": text, "variables": variables}
        told = asyncio.ensure_future(first_event(self.stage.app, body, self.keys[identity]))
        # An event of either organization, until one is told, or that none is.
        while not told.done():
            for one in (Identity.ADMIN, Identity.OTHER_ORGANIZATION):
                await self._api(one).do("createArtifact", "artifact { id }", name="news")
            await asyncio.wait([told], timeout=0.1)
        return _code_in(told.result())

    async def _route(self, place: str, identity: Identity) -> str:
        method, path = place.removesuffix(BY_LINK).split(" ")
        if method == "WebSocket":
            return await greeted(self.stage.app, path, self.keys[identity])
        if place.endswith(BY_LINK):
            path = self.links[method]
        path = re.sub("{[^}]+}", "nothing", path)
        headers = {"accept": "*/*"}
        if self.keys[identity]:
            headers["authorization"] = f"Bearer {self.keys[identity]}"
        content = b"uploadable" if method == "PUT" else None
        response = await self.stage.http.request(method, path, headers=headers, content=content)
        return _STATUSES.get(response.status_code, OK)

    # Requests.

    async def _post(self, text: str, variables: Json, identity: Identity) -> Json:
        return await self._sent(text, variables, self.keys[identity])

    async def _sent(self, text: str, variables: Json, key: str) -> Json:
        found: Json = (await self._request(text, variables, key)).json()
        return found

    async def _request(self, text: str, variables: Json, key: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        body = {"query": text, "variables": variables}
        return await self.stage.http.post("/graphql", json=body, headers=headers)


def _refused(body: Json, field: str | None = None) -> str | None:
    """The code by which a request, or this field of it, was refused."""
    for error in body.get("errors", []):
        path = [one for one in error.get("path") or [] if isinstance(one, str)]
        if not path or field is None or path[-1] == field:
            code: str = error["extensions"]["code"]
            return code
    return None


def _code_in(text: str) -> str:
    for code in sorted(_REFUSALS):
        if f'"{code}"' in text:
            return code
    return OK
