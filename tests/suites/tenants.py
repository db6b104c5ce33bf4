"""Two organizations with equal data, each name in them marked, and all that their answers gave."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from tortoise.models import Model

from app import models
from app.rules.access import Role
from tests.api import PART, Api, Json
from tests.conftest import new_api
from tests.graphql.questions import QUERY
from tests.graphql.world import World, build, name, read

MARKED: Final = ("name", "identifier", "description")
IDEMPOTENCY_KEYS: Final = 8
_UUID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SEALED: Final = re.compile("[A-Za-z0-9_-]{24,}")
_OWNED: Final[list[type[Model]]] = [
    model
    for model in vars(models).values()
    if isinstance(model, type)
    and issubclass(model, Model)
    and "organization_id" in model._meta.fields_db_projection
]


class Marked(Api):
    """Marks the names, identifiers and descriptions of everything that it makes."""

    mark: str = ""

    async def mutate(self, name: str, selection: str, /, **input: Any) -> Json:
        """A mutation's payload, its input marked."""
        return await super().mutate(name, selection, **_marked(input, self.mark))


def _marked(value: Any, mark: str) -> Any:
    if isinstance(value, dict):
        return {
            key: f"{one} {mark}" if key in MARKED and isinstance(one, str) else _marked(one, mark)
            for key, one in value.items()
        }
    return [_marked(one, mark) for one in value] if isinstance(value, list) else value


@dataclass
class Tenant:
    """An organization: its rows, its keys, and what else its answers gave."""

    mark: str
    world: World
    keys: dict[Role, Api]
    cursors: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    idempotency_keys: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    """An upload's and a download's link."""
    held: list[str] = field(default_factory=list)
    """Binaries that nobody can destroy without a token of just these."""
    uuids: set[str] = field(default_factory=set)
    """Of every row."""

    @property
    def organization(self) -> str:
        """The organization's uuid."""
        return str(self.world.all("Organization")[0].id)

    def seen_in(self, text: str) -> str:
        """What of this organization stands in a text, sealed values looked into; or nothing."""
        if self.mark in text:
            return self.mark
        texts = [text, *map(_unsealed, _SEALED.findall(text))]
        seen = {id for one in texts for id in _UUID.findall(one)} & self.uuids
        return ", ".join(sorted(seen))

    async def facts(self) -> dict[str, list[str]]:
        """Every value of every row of the organization, but when a key was used."""
        return {
            model.__name__: sorted(
                repr({key: value for key, value in row.items() if key != "last_used_at"})
                for row in await model.filter(organization_id=self.organization).values()
            )
            for model in _OWNED
        }


def _unsealed(text: str) -> str:
    return base64.urlsafe_b64decode(text[: len(text) // 4 * 4]).decode("latin-1")


async def tenant(http: httpx.AsyncClient, organization: str) -> Tenant:
    """A new organization, filled, with a key of each role."""
    mark = f"Zq{organization}qz"
    admin = await new_api(http, organization)
    api = Marked(http, admin.key)
    api.mark = mark
    world = await build(api, size=2)
    # These are the only version and content that the other organization does not have too.
    version = await api.version(f"7.0.0-{mark}", "own")
    await api.reach("SIGNED", version, mark.encode())
    world = await read(world.all("Organization")[0].id)
    device = name(world.all("Device")[0])
    keys: dict[Role, Api] = {}
    for role in (Role.READ, Role.WRITE, Role.ADMIN):
        keys[role] = await new_api(http, organization, role)
    made = {"name": "own", "role": "DEVICE", "deviceId": device}
    keys[Role.DEVICE] = Api(http, (await api.mutate("createApiKey", "secret", **made))["secret"])
    found = Tenant(mark, world, keys)
    await _collect(found, api)
    found.uuids = {
        id
        for facts in (await found.facts()).values()
        for row in facts
        for id in re.findall(r"'id': UUID\('([^']+)'\)", row)
    } | {found.organization}
    return found


async def _collect(tenant: Tenant, api: Marked) -> None:
    """Cursors of every list, a plan token, links, and idempotency keys that were used."""
    assert QUERY is not None
    for list_, told in QUERY.fields.items():
        if "first" in told.args:
            answer = await api.ask(f"{{ {list_}(first: 2) {{ edges {{ cursor }} }} }}")
            tenant.cursors += [edge["cursor"] for edge in answer[list_]["edges"]]
    signed = [name(binary) for binary in tenant.world.where("Binary", state="SIGNED")]
    # Of all at once, so that it is good for none of them alone.
    query = "query($ids: [ID!]!) { destructionImpact(ids: $ids) { planToken } }"
    tenant.tokens.append((await api.ask(query, ids=signed))["destructionImpact"]["planToken"])
    for id in signed:
        query = "query($id: ID!) { binary(id: $id) { downloadUrl impact { planTokenRequired } } }"
        answer = (await api.ask(query, id=id))["binary"]
        tenant.held += [id] * answer["impact"]["planTokenRequired"]
        tenant.links["download"] = answer["downloadUrl"]
    (uploadable, *_) = tenant.world.where("Binary", state="UPLOADABLE")
    query = f"query($id: ID!) {{ binary(id: $id) {{ parts {{ {PART} }} }} }}"
    (part, *_) = (await api.ask(query, id=name(uploadable)))["binary"]["parts"]
    tenant.links["upload"] = part["uploadUrl"]
    for number in range(IDEMPOTENCY_KEYS):
        key = f"{tenant.mark}-{number}"
        await api.do("createArtifact", "artifact { id }", name="once", idempotencyKey=key)
        tenant.idempotency_keys.append(key)
