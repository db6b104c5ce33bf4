"""Every edge between two things can be followed in both directions, and both directions agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    get_named_type,
    is_required_argument,
)

from app.graphql.schema import schema
from app.rules.ids import new_id
from tests.api import Api, Json
from tests.graphql.world import ROWS, World, build, name, names

TYPES = schema._schema.type_map
Pair = tuple[str, str]
PAGE = 100


@dataclass(frozen=True)
class Edge:
    """A field of a type of node that leads to nodes."""

    owner: str
    field: str
    target: str
    connection: bool

    @property
    def place(self) -> str:
        """Its name."""
        return f"{self.owner}.{self.field}"


def _edges() -> Iterator[Edge]:
    for owner in ROWS:
        kind = TYPES[owner]
        assert isinstance(kind, GraphQLObjectType)
        for field, told in kind.fields.items():
            target = get_named_type(told.type)
            connection = target.name.endswith("Connection")
            if connection and isinstance(target, GraphQLObjectType):
                target = get_named_type(target.fields["nodes"].type)
            bare = not any(is_required_argument(argument) for argument in told.args.values())
            if bare and (target.name in ROWS or isinstance(target, GraphQLInterfaceType)):
                yield Edge(owner, field, target.name, connection)


EDGES = list(_edges())
ONE_WAY: dict[str, str] = {
    "Binary.releases": "Back by way of `Release.bundle`, its versions and their binaries.",
    "Cohort.latestRelease": "Back by `Release.cohort`; `Release.isLatest` says which it is.",
    "Device.history": "A part of `Device.events`; back by `Event.subject`.",
    "Device.pinnedRelease": "Back by `Release.cohort` and its devices.",
    "Device.reportedBundle": "Back by `Bundle.releases` and the devices that report them.",
    "Event.actorKey": "Back by `Organization.events`.",
    "Event.subject": "A part has no events of its own; those of its binary tell of it.",
    "Organization.bundles": "A bundle belongs to the organization that its id names.",
    "Organization.events": "An event belongs to the organization that its id names.",
    "Organization.signingKeys": "A signing key belongs to the organization that its id names.",
    "Release.affectedBy": "A part of its versions' binaries; back by `Binary.releases`.",
}
"""Edges that no field leads back along, and why."""


async def _follow(api: Api, edge: Edge, world: World) -> set[Pair]:
    """All pairs that an edge leads from and to."""
    asked = f"{edge.field} {{ id }}"
    if edge.connection:
        asked = f"{edge.field}(first: {PAGE}, after: $after) {{ nodes {{ id }} {_NEXT} }}"
    given = ", $after: String" if edge.connection else ""
    fragment = f"... on {edge.owner} {{ {asked} }}"
    query = f"query($ids: [ID!]!{given}) {{ nodes(ids: $ids) {{ id {fragment} }} }}"
    pairs: set[Pair] = set()
    owners = names(world.all(edge.owner))
    waiting: list[tuple[list[str], str | None]] = [
        (owners[place : place + PAGE], None) for place in range(0, len(owners), PAGE)
    ]
    while waiting:
        ids, after = waiting.pop()
        found = await api.ask(query, ids=ids, **({"after": after} if edge.connection else {}))
        for owner in found["nodes"]:
            led = owner[edge.field]
            if edge.connection:
                if led["pageInfo"]["hasNextPage"]:
                    waiting.append(([owner["id"]], led["pageInfo"]["endCursor"]))
                led = led["nodes"]
            ends = led if isinstance(led, list) else [led]
            pairs |= {(owner["id"], end["id"]) for end in ends if end is not None}
    return pairs


_NEXT = "pageInfo { hasNextPage endCursor }"


def _kind(id: str) -> str:
    """The type of node that an id names."""
    parts = id.split(":")
    word = parts[3] if len(parts) > 3 else "organization"
    return "".join(piece.capitalize() for piece in word.split("_"))


async def test_every_edge_has_its_way_back(api: Api) -> None:
    world = await build(api, size=3)
    followed = {edge: await _follow(api, edge, world) for edge in EDGES}
    one_way = set()
    for edge, pairs in followed.items():
        assert pairs, f"{edge.place} leads nowhere in this world"
        # What leads to any node leads back from each type of them.
        for target in sorted({_kind(end) for _, end in pairs}):
            back = {(end, start) for start, end in pairs if _kind(end) == target}
            ways = [
                other
                for other in EDGES
                if other.owner == target
                and other.target in (edge.owner, "Node")
                and {pair for pair in followed[other] if _kind(pair[1]) == edge.owner} == back
            ]
            if not ways:
                one_way.add(edge.place)
    assert one_way ^ ONE_WAY.keys() == set()


async def test_from_a_binary_to_devices_and_back(api: Api) -> None:
    await build(api, size=2)
    there = await api.ask(
        """{ binaries(first: 1, filter: {state: [SIGNED]}) { nodes { id artifactVersion { id
             bundles(first: 1) { nodes { id releases(first: 1) { nodes { id cohort { id product {
               id devices(first: 1) { nodes { id } } } } } } } } } } } }"""
    )
    binary = there["binaries"]["nodes"][0]
    bundle = binary["artifactVersion"]["bundles"]["nodes"][0]
    release = bundle["releases"]["nodes"][0]
    product = release["cohort"]["product"]
    device = product["devices"]["nodes"][0]
    back = await api.ask(
        """query($id: ID!) { device(id: $id) { id product { id cohorts(first: 5) { nodes { id
             releases(first: 5) { nodes { id bundle { id artifactVersions(first: 5) { nodes { id
               binaries(first: 9) { nodes { id } } } } } } } } } } } }""",
        id=device["id"],
    )
    assert back["device"]["product"]["id"] == product["id"]
    cohort = _with(back["device"]["product"]["cohorts"], release["cohort"]["id"])
    found = _with(cohort["releases"], release["id"])["bundle"]
    assert found["id"] == bundle["id"]
    version = _with(found["artifactVersions"], binary["artifactVersion"]["id"])
    assert _with(version["binaries"], binary["id"])


def _with(connection: Json, id: str) -> Json:
    (found,) = [node for node in connection["nodes"] if node["id"] == id]
    one: Json = found
    return one


async def test_node_finds_everything_by_its_id(api: Api) -> None:
    world = await build(api, size=2)
    for kind in ROWS:
        rows = world.all(kind)[:PAGE]
        assert rows
        found = await api.ask(
            "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=names(rows)
        )
        assert found["nodes"] == [{"__typename": kind, "id": name(row)} for row in rows]
        one = await api.ask(
            "query($id: ID!) { node(id: $id) { __typename id } }", id=name(rows[-1])
        )
        assert one["node"] == found["nodes"][-1]


async def test_nodes_keep_their_places(api: Api) -> None:
    product = await api.product()
    unknown = product.rsplit(":", 1)[0] + f":{new_id()}"
    foreign = f"prn:1:{new_id()}:product:{new_id()}"
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    found = await api.ask(query, ids=[unknown, product, foreign, product])
    assert found["nodes"] == [None, {"id": product}, None, {"id": product}]
    assert (await api.ask(query, ids=[]))["nodes"] == []
    assert len((await api.ask(query, ids=[product] * 100))["nodes"]) == 100


async def test_what_is_no_id_is_told(api: Api) -> None:
    some = (new_id(), new_id())
    for form in (
        "",
        "1",
        "prn:1:x",
        "prn:2:{}:product:{}",
        "prn:1:{}:robot:{}",
        "prn:1:{}:product",
    ):
        sent = form.format(*some)
        error = await api.refused("query($id: ID!) { node(id: $id) { id } }", id=sent)
        assert (error["extensions"]["code"], error["path"]) == ("BAD_USER_INPUT", ["node"])


async def test_too_many_nodes_are_refused(api: Api) -> None:
    error = await api.refused(
        "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[await api.product()] * 101
    )
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
