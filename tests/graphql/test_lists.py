"""Every list of the schema, found by walking it: pages, orders, filters, counts, statements."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLObjectType,
    get_named_type,
)

from app.graphql.schema import schema
from tests.api import Api, Json
from tests.graphql.world import ARM, World, build, name, names

TYPES = schema._schema.type_map
PAGE = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount"
SIZE = 3


@dataclass(frozen=True)
class Listed:
    """A connection: `place` is its type and field, such as `Cohort.releases`."""

    place: str
    connection: str
    filter: str | None
    order: str | None

    @property
    def owner(self) -> str:
        """The type that has it."""
        return self.place.split(".")[0]

    @property
    def field(self) -> str:
        """Its name there."""
        return self.place.split(".")[1]

    @property
    def row(self) -> str:
        """What to ask of a row, so that it is known which one it is."""
        return "release { id }" if self.connection == "ImpactReleaseConnection" else "id"


def _lists() -> Iterator[Listed]:
    for owner, kind in TYPES.items():
        if not isinstance(kind, GraphQLObjectType) or owner.startswith("__"):
            continue
        for field, told in kind.fields.items():
            connection = get_named_type(told.type).name
            if connection.endswith("Connection"):
                types = {name: get_named_type(arg.type).name for name, arg in told.args.items()}
                yield Listed(
                    f"{owner}.{field}", connection, types.get("filter"), types.get("orderBy")
                )


LISTS = sorted(_lists(), key=lambda listed: listed.place)


def _releases_of(world: World, binary: Any) -> list[Any]:
    held = {bundle.id for bundle in world.bundles_of(binary.artifact_version_id)}
    return [release for release in world.all("Release") if release.bundle_id in held]


def _impacted(world: World, binary: Any, kind: str) -> list[Any]:
    releases = _releases_of(world, binary)
    cohorts = {release.cohort_id for release in releases}
    products = {world.one("Cohort", id).product_id for id in cohorts}
    ids = {"Bundle": {release.bundle_id for release in releases}, "Cohort": cohorts}
    return [row for row in world.all(kind) if row.id in ids.get(kind, products)]


HISTORY = {"device.claim", "device.install_failed", "device.installed", "device.report"}
# What each list holds, for a parent's row, in the order of creation. Those of the root and the
# events of a subject are the same rule for all.
ROWS: dict[str, Callable[[World, Any], Sequence[Any]]] = {
    "Artifact.artifactVersions": lambda w, p: w.where("ArtifactVersion", artifact_id=p.id),
    "ArtifactVersion.binaries": lambda w, p: w.where("Binary", artifact_version_id=p.id),
    "ArtifactVersion.bundles": lambda w, p: w.bundles_of(p.id),
    "Binary.releases": _releases_of,
    "Bundle.artifactVersions": lambda w, p: sorted(w.versions_of(p.id), key=lambda row: row.id),
    "Bundle.releases": lambda w, p: w.where("Release", bundle_id=p.id),
    "Cohort.devices": lambda w, p: w.where("Device", cohort_id=p.id),
    "Cohort.releases": lambda w, p: w.where("Release", cohort_id=p.id),
    "Device.apiKeys": lambda w, p: w.where("ApiKey", device_id=p.id),
    "Device.history": lambda w, p: [
        event for event in w.where("Event", subject_id=p.id) if event.kind in HISTORY
    ],
    "Impact.bundles": lambda w, p: _impacted(w, p, "Bundle"),
    "Impact.cohorts": lambda w, p: _impacted(w, p, "Cohort"),
    "Impact.products": lambda w, p: _impacted(w, p, "Product"),
    "Impact.releases": _releases_of,
    "Organization.artifacts": lambda w, _: w.all("Artifact"),
    "Organization.bundles": lambda w, _: w.all("Bundle"),
    "Organization.events": lambda w, _: w.all("Event"),
    "Organization.products": lambda w, _: w.all("Product"),
    "Organization.signingKeys": lambda w, _: w.all("SigningKey"),
    "Product.cohorts": lambda w, p: w.where("Cohort", product_id=p.id),
    "Product.devices": lambda w, p: w.where("Device", product_id=p.id),
    "Release.devices": lambda w, p: w.where("Device", reported_release_id=p.id),
    "Release.previousReleases": lambda w, p: w.where("Release", next_release_id=p.id),
    "Event.webhookDeliveries": lambda w, p: w.where("WebhookDelivery", event_id=p.id),
    "Organization.webhooks": lambda w, _: w.all("Webhook"),
    "Webhook.deliveries": lambda w, p: w.where("WebhookDelivery", webhook_id=p.id),
    "SigningKey.signatures": lambda w, p: w.where("BinarySignature", signing_key_id=p.id),
}


def rows_of(listed: Listed, world: World, parent: Any) -> list[Any]:
    """The rows of a list, the oldest first."""
    if listed.owner == "Query":
        return world.all(listed.connection.removesuffix("Connection"))
    if listed.field == "events" and listed.owner != "Organization":
        return world.where("Event", subject_id=parent.id)
    return list(ROWS[listed.place](world, parent))


def parents_of(listed: Listed, world: World) -> list[Any]:
    """The rows that have this list; for an impact those whose impact it is."""
    if listed.owner == "Query":
        return [None]
    if listed.owner == "Impact":
        # Without a signed one, all releases of its version are affected.
        return world.where("Binary", state="SIGNED")
    return world.all(listed.owner)


def _asks(listed: Listed, selection: str, *, many: bool = False) -> str:
    """A query of a list with all its arguments, for one parent's `$id`, or for `$ids`."""
    types = {"first": "Int", "after": "String", "last": "Int", "before": "String"}
    types |= {"filter": listed.filter} if listed.filter else {}
    types |= {"orderBy": listed.order} if listed.order else {}
    given = ", ".join(f"{argument}: ${argument}" for argument in types)
    declared = ", ".join(f"${argument}: {type}" for argument, type in types.items())
    asked = f"list: {listed.field}({given}) {{ {selection} }}"
    if listed.owner == "Query":
        return f"query({declared}) {{ {asked} }}"
    owner = listed.owner
    if owner == "Impact":
        owner, asked = "Binary", f"impact {{ {asked} }}"
    if many:
        fragment = f"... on {owner} {{ id {asked} }}"
        return f"query($ids: [ID!]!, {declared}) {{ nodes(ids: $ids) {{ {fragment} }} }}"
    return f"query($id: ID!, {declared}) {{ node(id: $id) {{ ... on {owner} {{ {asked} }} }} }}"


async def _page(api: Api, listed: Listed, parent: Any, **arguments: Any) -> Json:
    if parent is not None:
        arguments["id"] = name(parent)
    selection = f"edges {{ cursor node {{ {listed.row} }} }} nodes {{ {listed.row} }} {PAGE}"
    data = await api.ask(_asks(listed, selection), **arguments)
    found: Json = data if listed.owner == "Query" else data["node"]
    found = found.get("impact") or found
    page: Json = found["list"]
    assert [edge["node"] for edge in page["edges"]] == page["nodes"]
    cursors = [edge["cursor"] for edge in page["edges"]]
    ends = (page["pageInfo"]["startCursor"], page["pageInfo"]["endCursor"])
    assert ends == ((cursors[0], cursors[-1]) if cursors else (None, None))
    return page


def _ids(page: Json) -> list[str]:
    return [row.get("id") or row["release"]["id"] for row in page["nodes"]]


async def walk(
    api: Api, listed: Listed, parent: Any, *, size: int = SIZE, **more: Any
) -> list[str]:
    """The ids that a client meets who goes through a list forward, and back again the same."""
    forward: list[str] = []
    arguments: Json = {"first": size}
    while True:
        page = await _page(api, listed, parent, **arguments, **more)
        assert page["pageInfo"]["hasPreviousPage"] is bool(forward)
        forward += _ids(page)
        if not page["pageInfo"]["hasNextPage"]:
            break
        assert len(page["nodes"]) == size
        arguments = {"first": size, "after": page["pageInfo"]["endCursor"]}
    assert page["totalCount"] == len(forward)
    backward: list[str] = []
    arguments = {"last": size}
    while True:
        page = await _page(api, listed, parent, **arguments, **more)
        assert page["pageInfo"]["hasNextPage"] is bool(backward)
        backward = _ids(page) + backward
        if not page["pageInfo"]["hasPreviousPage"]:
            break
        arguments = {"last": size, "before": page["pageInfo"]["startCursor"]}
    assert backward == forward
    return forward


COLUMNS = {
    "CREATED_AT": "id",
    "IDENTIFIER": "identifier",
    "NAME": "name",
    "SIZE": "size",
    "STATE": "state",
    "TARGET": "target",
    "UPDATED_AT": "updated_at",
    "VERSION": "version",
}


def orders(listed: Listed) -> list[str]:
    """The names of a list's orders, the default one first."""
    if listed.order is None:
        return []
    kind = TYPES[listed.order]
    assert isinstance(kind, GraphQLInputObjectType)
    enum: Any = get_named_type(kind.fields["field"].type)
    return list(enum.values)


def ordered(rows: Sequence[Any], order: str, *, descending: bool) -> list[str]:
    """The ids of rows, given as they were created or placed, in an order."""
    if order != "POSITION":
        rows = sorted(rows, key=lambda row: (getattr(row, COLUMNS[order]), row.id))
    return names(reversed(rows) if descending else rows)


@pytest.mark.long
async def test_every_list_is_walked_in_every_order(api: Api) -> None:
    world = await build(api)
    for listed in LISTS:
        # The parent with the longest list, so that it takes several pages.
        parents = parents_of(listed, world)
        parent = max(parents, key=lambda one: len(rows_of(listed, world, one)))
        rows = rows_of(listed, world, parent)
        assert len(rows) > SIZE or listed.place in FEW, listed.place
        # Long lists are walked in longer steps: that makes the same number of pages.
        size = max(SIZE, len(rows) // 4)
        found = await walk(api, listed, parent, size=size)
        assert sorted(found) == sorted(names(rows)), listed.place
        for order in orders(listed):
            chosen = world.versions_of(parent.id) if order == "POSITION" else rows
            for direction in ("ASC", "DESC"):
                by = {"field": order, "direction": direction}
                met = await walk(api, listed, parent, size=size, orderBy=by)
                wanted = ordered(chosen, order, descending=direction == "DESC")
                assert met == wanted, (listed.place, order, direction)


FEW = {
    "BinarySignature.events",
    "Bundle.events",
    "ApiKey.events",
    "Impact.cohorts",
    "Impact.products",
    "Bundle.artifactVersions",
}
"""Lists of which no parent of this world has more than a page."""


async def test_every_list_of_many_parents_is_that_of_each_alone(api: Api) -> None:
    world = await build(api)
    for listed in LISTS:
        if listed.owner == "Query":
            continue
        parents = parents_of(listed, world)[:4]
        selection = f"nodes {{ {listed.row} }} {PAGE}"
        for size in ({"first": 2}, {"last": 2}):
            together = await api.ask(
                _asks(listed, selection, many=True), ids=names(parents), **size
            )
            for parent, found in zip(parents, together["nodes"], strict=True):
                page = (found.get("impact") or found)["list"]
                alone = await _page(api, listed, parent, **size)
                assert found["id"] == name(parent)
                assert page == {key: alone[key] for key in page}, listed.place
                assert page["totalCount"] == len(rows_of(listed, world, parent))


# For each filter a value that a world holds, made from its rows, and which rows it leaves.
Case = tuple[Callable[[World], Any], Callable[[Any, World], bool]]
FILTERS: dict[str, Case] = {
    "ApiKeyFilter.deviceId": (
        lambda w: name(w.all("Device")[0]),
        lambda row, w: row.device_id == w.all("Device")[0].id,
    ),
    "ApiKeyFilter.role": (
        lambda w: ["READ", "ADMIN"],
        lambda row, w: row.role in ("READ", "ADMIN"),
    ),
    "ArtifactFilter.name": (lambda w: "model-1", lambda row, w: row.name == "model-1"),
    "ArtifactFilter.nameContains": (lambda w: "MODEL", lambda row, w: "model" in row.name),
    "ArtifactVersionFilter.artifactId": (
        lambda w: name(w.all("Artifact")[0]),
        lambda row, w: row.artifact_id == w.all("Artifact")[0].id,
    ),
    "ArtifactVersionFilter.version": (lambda w: "1.0.1", lambda row, w: row.version == "1.0.1"),
    "BinaryFilter.artifactId": (
        lambda w: name(w.all("Artifact")[0]),
        lambda row, w: (
            w.one("ArtifactVersion", row.artifact_version_id).artifact_id == w.all("Artifact")[0].id
        ),
    ),
    "BinaryFilter.artifactVersionId": (
        lambda w: name(w.all("ArtifactVersion")[0]),
        lambda row, w: row.artifact_version_id == w.all("ArtifactVersion")[0].id,
    ),
    "BinaryFilter.contentHealth": (
        lambda w: ["OK", "MISSING"],
        lambda row, w: row.content_health in ("OK", "MISSING"),
    ),
    "BinaryFilter.hash": (
        lambda w: w.all("Binary")[0].hash,
        lambda row, w: row.hash == w.all("Binary")[0].hash,
    ),
    "BinaryFilter.state": (
        lambda w: ["SIGNED", "DESTROYED"],
        lambda row, w: row.state in ("SIGNED", "DESTROYED"),
    ),
    "BinaryFilter.target": (lambda w: ARM, lambda row, w: row.target == ARM),
    "BinaryFilter.verificationStatus": (
        lambda w: ["PASSED"],
        lambda row, w: row.verification_status == "PASSED",
    ),
    "BinarySignatureFilter.binaryId": (
        lambda w: name(w.where("Binary", state="SIGNED")[0]),
        lambda row, w: row.binary_id == w.where("Binary", state="SIGNED")[0].id,
    ),
    "BundleFilter.artifactVersionId": (
        lambda w: name(w.versions_of(w.all("Bundle")[0].id)[-1]),
        lambda row, w: row == w.all("Bundle")[0],
    ),
    "BundleFilter.nameContains": (lambda w: "e-1", lambda row, w: "e-1" in row.name),
    "CohortFilter.nameContains": (lambda w: "T-1", lambda row, w: "t-1" in row.name),
    "CohortFilter.productId": (
        lambda w: name(w.all("Product")[0]),
        lambda row, w: row.product_id == w.all("Product")[0].id,
    ),
    "DeviceFilter.cohortId": (
        lambda w: name(w.all("Cohort")[0]),
        lambda row, w: row.cohort_id == w.all("Cohort")[0].id,
    ),
    "DeviceFilter.identifier": (
        lambda w: w.all("Device")[1].identifier,
        lambda row, w: row == w.all("Device")[1],
    ),
    "DeviceFilter.identifierContains": (lambda w: "-1", lambda row, w: "-1" in row.identifier),
    "DeviceFilter.productId": (
        lambda w: name(w.all("Product")[1]),
        lambda row, w: row.product_id == w.all("Product")[1].id,
    ),
    "DeviceFilter.quarantined": (lambda w: True, lambda row, w: row.quarantined),
    "DeviceFilter.reportedReleaseId": (
        lambda w: name(w.all("Release")[0]),
        lambda row, w: row.reported_release_id == w.all("Release")[0].id,
    ),
    "EventFilter.kind": (
        lambda w: ["binary.destroy", "device.report"],
        lambda row, w: row.kind in ("binary.destroy", "device.report"),
    ),
    "EventFilter.since": (
        lambda w: _moment(w).isoformat(),
        lambda row, w: row.time >= _moment(w),
    ),
    "EventFilter.until": (
        lambda w: _moment(w).isoformat(),
        lambda row, w: row.time < _moment(w),
    ),
    "ProductFilter.archived": (lambda w: True, lambda row, w: row.archived),
    "ProductFilter.nameContains": (lambda w: "t-1", lambda row, w: "t-1" in row.name),
    "ProductFilter.target": (lambda w: ARM, lambda row, w: row.target == ARM),
    "ReleaseFilter.archived": (lambda w: True, lambda row, w: row.archived),
    "ReleaseFilter.bundleId": (
        lambda w: name(w.all("Bundle")[0]),
        lambda row, w: row.bundle_id == w.all("Bundle")[0].id,
    ),
    "ReleaseFilter.cohortId": (
        lambda w: name(w.all("Cohort")[0]),
        lambda row, w: row.cohort_id == w.all("Cohort")[0].id,
    ),
    "ReleaseFilter.disabled": (lambda w: True, lambda row, w: row.disabled),
    "ReleaseFilter.nameContains": (lambda w: "BRANCH", lambda row, w: "branch" in row.name),
    "ReleaseFilter.required": (lambda w: True, lambda row, w: row.required),
    "SigningKeyFilter.fingerprint": (
        lambda w: w.all("SigningKey")[0].fingerprint,
        lambda row, w: row.fingerprint == w.all("SigningKey")[0].fingerprint,
    ),
    "SigningKeyFilter.retired": (lambda w: True, lambda row, w: row.retired),
    "WebhookDeliveryFilter.state": (
        lambda w: ["DELIVERED", "DEAD"],
        lambda row, w: row.state in ("DELIVERED", "DEAD"),
    ),
    "WebhookDeliveryFilter.webhookId": (
        lambda w: name(w.all("Webhook")[0]),
        lambda row, w: row.webhook_id == w.all("Webhook")[0].id,
    ),
    "WebhookFilter.enabled": (lambda w: True, lambda row, w: row.enabled),
    "WebhookFilter.nameContains": (lambda w: "HOOK-1", lambda row, w: "hook-1" in row.name),
}


def _moment(world: World) -> Any:
    """The very moment of one event in the middle."""
    events = world.all("Event")
    return events[len(events) // 2].time


async def test_every_filter_leaves_what_it_says(api: Api) -> None:
    world = await build(api)
    used = set()
    for listed in LISTS:
        if listed.filter is None:
            continue
        kind = TYPES[listed.filter]
        assert isinstance(kind, GraphQLInputObjectType)
        parent = max(parents_of(listed, world), key=lambda one: len(rows_of(listed, world, one)))
        rows = rows_of(listed, world, parent)
        for field in kind.fields:
            make, keeps = FILTERS[f"{listed.filter}.{field}"]
            wanted = [row for row in rows if keeps(row, world)]
            filter = {field: make(world)}
            page = await _page(api, listed, parent, first=100, filter=filter)
            assert len(wanted) <= 100
            assert sorted(_ids(page)) == sorted(names(wanted)), (listed.place, field)
            assert page["totalCount"] == len(wanted)
            if 0 < len(wanted) < len(rows):
                used.add(f"{listed.filter}.{field}")
                found = await walk(api, listed, parent, size=len(wanted), filter=filter)
                assert sorted(found) == sorted(names(wanted))
            nothing = await _page(api, listed, parent, first=1, filter={field: None})
            assert nothing["totalCount"] == len(rows)
    # Each one has left something somewhere, and taken something away.
    assert used == FILTERS.keys()


@contextmanager
def statements(caplog: pytest.LogCaptureFixture, organization: str) -> Iterator[list[str]]:
    """The SQL statements about an organization that are executed meanwhile, sorted."""
    found: list[str] = []
    with caplog.at_level(logging.DEBUG, "tortoise.db_client"):
        caplog.clear()
        yield found
        for record in caplog.records:
            sql, values = record.args if isinstance(record.args, tuple) else ("", [])
            # The worker's own ones name none.
            if organization in map(str, values if isinstance(values, list) else ()):
                # One id is compared with, several are looked for; it is the same statement.
                found.append(re.split(r" = ANY| IN \(| = [$?]\d", str(sql))[0])
    found.sort()
    caplog.clear()


TREES = (
    """{ products(first: 5) { totalCount nodes { organization { name } cohorts(first: 5) { nodes {
      latestRelease { name } releases(first: 5) { totalCount nodes { nextRelease { name }
        bundle { name artifactVersions(first: 3) { nodes { artifact { name }
          binaries(first: 3) { nodes { parts { index } signatures { signingKey { name } } } }
        } } } } } } } } } }""",
    """{ devices(first: 50) { nodes { product { name } cohort { name } reportedRelease { name }
      reportedBundle { name } update { status manifest { hash signatures { id } } }
      history(first: 2) { totalCount nodes { kind actorKey { name } } } } } }""",
    "{ releases(first: 50) { nodes { affectedBy { id } adoption { on claimed before behind } } } }",
    "{ binaries(first: 50) { nodes { releases(first: 5) { totalCount nodes { id } } } } }",
)


async def test_the_number_of_statements_does_not_depend_on_the_rows(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    world = await build(api, size=2)
    organization = str(world.all("Organization")[0].id)
    few = []
    for tree in TREES:
        with statements(caplog, organization) as told:
            few.append((told, len(str(await api.ask(tree)))))
    product, bundles = name(world.all("Product")[0]), names(world.all("Bundle")[:2])
    for n in range(4):
        cohort = await api.cohort(product, f"more-{n}")
        version = await api.version(f"{n}", f"more-{n}")
        await api.reach("SIGNED", version, f"more-{n}".encode())
        for bundle in (await api.bundle(version), *bundles):
            await api.release(cohort, bundle, f"more-{n}")
        for place in range(3):
            await api.device(product, cohort, f"more-{n}-{place}")
    for tree, (before, size) in zip(TREES, few, strict=True):
        with statements(caplog, organization) as after:
            assert len(str(await api.ask(tree))) > size
        assert after == before
