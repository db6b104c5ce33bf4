"""The queries of the schema."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Annotated, Any
from uuid import UUID

import strawberry

from app import models
from app.actions.poll import Reported
from app.actions.unit import not_found
from app.graphql import answers, best, fleet, lists, named, polled
from app.graphql.audit import ApiKey, Event, Webhook, WebhookDelivery
from app.graphql.connections import Connection, argument
from app.graphql.context import Info
from app.graphql.declared import PLAN, Own
from app.graphql.device import ReportedStateInput
from app.graphql.fields import derived, edge, plain, to_many
from app.graphql.node import Node, find_by_name
from app.graphql.release import SimulateReleaseInput
from app.graphql.rollout import BinaryResolution, Coverage, DeviceUpdate, Impact, Simulation
from app.graphql.scalars import BigInt
from app.graphql.status import ServerStatus, server_status
from app.graphql.types import (
    Artifact,
    ArtifactVersion,
    Binary,
    Bundle,
    Cohort,
    Device,
    Organization,
    Product,
    Release,
    SigningKey,
)
from app.reads import impact as impact_reads
from app.reads import resolution
from app.rules.access import Role, require
from app.rules.errors import BadUserInput
from app.rules.prn import Kind, parse_prn
from app.rules.version import BinaryAnswer, resolve_binary

MAX_NODES = 100
MAX_IMPACT_IDS = 1_000


@strawberry.type(description="What an API key may ask of this process within a minute.")
class RateLimit:
    """How much of the minute's allowance is used."""

    requests: int = plain("Requests of this minute, this one included.")
    cost: BigInt = plain("Cost of this minute's operations, this one included.")
    max_requests: int = plain("Requests that it may send.")
    max_cost: BigInt = plain("Cost that it may ask for.")
    resets_in: int = plain("Seconds until the minute is over.")


def one(model: Any, what: str) -> Any:
    """A query of one row by its id; null and NOT_FOUND where there is none."""

    async def resolve(info: Info, id: strawberry.ID) -> Any:
        info.context.require_reader()
        return await info.context.find(model, id, "id")

    resolve.__annotations__ = {"info": Info, "id": argument(strawberry.ID, "Its id.")}
    return strawberry.field(
        resolver=resolve,
        description=f"One {what}, by its id.",
        metadata={PLAN: Own(named.plan(model))},
    )


def every(listing: Any, what: str) -> Any:
    """A query of all rows of a list."""
    return to_many(listing, None, f"The {what} of the organization.")


@strawberry.type(description="Everything that can be asked.")
class Query:
    """The root of queries.

    A field that fails is null, and the others are answered all the same (api, section 1). The three
    that the contract writes with `!` are not.
    """

    api_key: ApiKey | None = one(models.ApiKey, "API key")
    api_keys: Connection[ApiKey] | None = every(lists.API_KEYS, "API keys")
    artifact: Artifact | None = one(models.Artifact, "artifact")
    artifacts: Connection[Artifact] | None = every(lists.ARTIFACTS, "artifacts")
    artifact_version: ArtifactVersion | None = one(models.ArtifactVersion, "artifact version")
    artifact_versions: Connection[ArtifactVersion] | None = every(
        lists.ARTIFACT_VERSIONS, "artifact versions"
    )
    binary: Binary | None = one(models.Binary, "binary")
    binaries: Connection[Binary] | None = every(lists.BINARIES, "binaries")
    bundle: Bundle | None = one(models.Bundle, "bundle")
    bundles: Connection[Bundle] | None = every(lists.BUNDLES, "bundles")
    cohort: Cohort | None = one(models.Cohort, "cohort")
    cohorts: Connection[Cohort] | None = every(lists.COHORTS, "cohorts")
    device: Device | None = one(models.Device, "device")
    devices: Connection[Device] | None = every(lists.DEVICES, "devices")
    event: Event | None = one(models.Event, "event")
    events: Connection[Event] | None = every(lists.EVENTS, "audit record, newest first,")
    product: Product | None = one(models.Product, "product")
    products: Connection[Product] | None = every(lists.PRODUCTS, "products")
    release: Release | None = one(models.Release, "release")
    releases: Connection[Release] | None = every(lists.RELEASES, "releases")
    signing_key: SigningKey | None = one(models.SigningKey, "signing key")
    signing_keys: Connection[SigningKey] | None = every(lists.SIGNING_KEYS, "signing keys")
    webhook: Webhook | None = one(models.Webhook, "webhook")
    webhooks: Connection[Webhook] | None = every(lists.WEBHOOKS, "webhooks")
    webhook_delivery: WebhookDelivery | None = one(models.WebhookDelivery, "delivery of a webhook")
    webhook_deliveries: Connection[WebhookDelivery] | None = every(
        lists.WEBHOOK_DELIVERIES, "log of webhooks, newest first,"
    )

    @edge("Anything, by its id; null where there is none.")
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
    ) -> Node | None:
        found: Node | None = await find_by_name(info, id, "id")
        return found

    @edge("Several things by their ids, in this order; null where there is none.")
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="At most 100 ids.")],
    ) -> list[Node | None]:
        if len(ids) > MAX_NODES:
            raise BadUserInput(f"`ids` takes at most {MAX_NODES} ids.", path=("ids",))
        found = (find_by_name(info, id, "ids", str(place)) for place, id in enumerate(ids))
        return list(await asyncio.gather(*found))

    @edge("The API key that asks.")
    async def viewer(self, info: Info) -> ApiKey | None:
        key_id = info.context.actor.key_id
        if key_id is None:
            return None
        found: ApiKey | None = await info.context.loaders.one(models.ApiKey).load(key_id)
        return found

    @edge("What the API key that asks may ask for within a minute, and has asked for.")
    async def rate_limit(self, info: Info) -> RateLimit | None:
        settings, spent = info.context.server.settings, info.context.spent
        return RateLimit(
            requests=spent.requests if spent else 0,
            cost=BigInt(spent.cost if spent else 0),
            max_requests=settings.rate_requests,
            max_cost=BigInt(settings.rate_cost),
            resets_in=max(0, math.ceil(spent.until - time.monotonic())) if spent else 0,
        )

    @edge("How the process that answers is doing; for keys of role ADMIN.")
    async def server_status(self, info: Info) -> ServerStatus | None:
        require(info.context.actor.role, Role.ADMIN)
        return await server_status(info.context.server, info.context.organization_id)

    @edge("The organization of the API key that asks.")
    async def organization(self, info: Info) -> Organization | None:
        loader = info.context.loaders.one(models.Organization)
        found: Organization | None = await loader.load(info.context.organization_id)
        return found

    @edge(
        "The best binary of an artifact version for a device, or for a target; and why.",
        plan=Own(best.plan),
    )
    async def resolve_binary(
        self,
        info: Info,
        artifact_version_id: Annotated[
            strawberry.ID, strawberry.argument(description="Of which artifact version.")
        ],
        device_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="For this device's target.")
        ] = None,
        target: Annotated[
            str | None, strawberry.argument(description="Or for this target.")
        ] = None,
    ) -> BinaryResolution:
        of = best.wanted(info.context, device_id, target)
        of = of if isinstance(of, str) else await _target(info, of)
        version_id = info.context.uuid(
            artifact_version_id, Kind.ARTIFACT_VERSION, "artifactVersionId"
        )
        found = await resolution.versions(info.context.organization_id, [version_id])
        if version_id not in found:
            raise not_found(Kind.ARTIFACT_VERSION, path=("artifactVersionId",))
        answer: BinaryAnswer = resolve_binary(of, found[version_id].binaries)
        return answer  # type: ignore[return-value]

    @derived(
        "What a device would be answered now, and why. Nothing is written.",
        plan=Own(polled.update),
    )
    async def resolve_update(
        self,
        info: Info,
        device_id: Annotated[strawberry.ID, strawberry.argument(description="Which device.")],
        reported: Annotated[
            ReportedStateInput | None,
            strawberry.argument(
                description="What it would report; left out, what it last reported counts."
            ),
        ] = None,
    ) -> DeviceUpdate:
        id = answers.asking_for(info.context, device_id)
        sent: Reported | None = reported.read() if reported else None
        return await answers.update_of(info.context, id, sent, "deviceId")  # type: ignore[return-value]

    @edge("What destroying binaries would do, before anything is destroyed.")
    async def destruction_impact(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID],
            strawberry.argument(
                description="At most 1,000 ids of binaries, of artifact versions (their signed"
                " binaries), of bundles (those of their versions), of signing keys (those that no"
                " other unretired key signed)."
            ),
        ],
    ) -> Impact:
        if not 1 <= len(ids) <= MAX_IMPACT_IDS:
            raise BadUserInput(f"`ids` takes 1 to {MAX_IMPACT_IDS} ids.", path=("ids",))
        meant = await _meant(info, ids)
        return await answers.impact_of(info.context, sorted(meant))  # type: ignore[return-value]

    @edge("Which targets of the fleet a bundle serves, and which it leaves out.")
    async def coverage(
        self,
        info: Info,
        bundle_id: Annotated[strawberry.ID, strawberry.argument(description="Which bundle.")],
        product_ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description="Only devices of these; left out, of every product."),
        ] = None,
        cohort_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only devices of this cohort.")
        ] = None,
    ) -> Coverage | None:
        bundle = await info.context.find(models.Bundle, bundle_id, "bundleId")
        if len(product_ids or ()) > MAX_NODES:
            raise BadUserInput(f"`productIds` takes at most {MAX_NODES}.", path=("productIds",))
        products = await asyncio.gather(
            *(
                info.context.find(models.Product, name, "productIds", str(place))
                for place, name in enumerate(product_ids or ())
            )
        )
        cohort = cohort_id and await info.context.find(models.Cohort, cohort_id, "cohortId")
        return await fleet.coverage_of(  # type: ignore[return-value]
            info.context,
            bundle.id,
            product_ids=None if product_ids is None else tuple(one.id for one in products),
            cohort_id=cohort.id if cohort else None,
        )

    @edge("What a release would do to each device of its cohort, before it is created.")
    async def simulate_release(
        self,
        info: Info,
        input: Annotated[SimulateReleaseInput, strawberry.argument(description="The release.")],
    ) -> Simulation | None:
        cohort = await info.context.find(models.Cohort, input.cohort_id, "input", "cohortId")
        bundle = await info.context.find(models.Bundle, input.bundle_id, "input", "bundleId")
        for field, name in (
            ("nextReleaseId", input.next_release_id),
            ("previousReleaseId", input.previous_release_id),
        ):
            if name is not None:
                await info.context.find(models.Release, name, "input", field)
        return await fleet.simulation_of(  # type: ignore[return-value]
            info.context, cohort.id, bundle.id, input.read(info)
        )


async def _target(info: Info, device_id: UUID) -> str:
    found = await resolution.target_of(info.context.organization_id, device_id)
    if found is None:
        raise not_found(Kind.DEVICE, path=("deviceId",))
    return found


_SUBJECTS = {
    Kind.BINARY: "binary_ids",
    Kind.ARTIFACT_VERSION: "version_ids",
    Kind.BUNDLE: "bundle_ids",
    Kind.SIGNING_KEY: "signing_key_ids",
}


async def _meant(info: Info, names: list[strawberry.ID]) -> set[Any]:
    """The binaries that these resource names mean. Raises BadUserInput, NotFound."""
    subjects: dict[str, set[Any]] = {}
    rows = await asyncio.gather(
        *(find_by_name(info, name, "ids", str(place)) for place, name in enumerate(names))
    )
    for place, (name, row) in enumerate(zip(names, rows, strict=True)):
        path = ("ids", str(place))
        parsed = parse_prn(name, path=path)
        if parsed.kind not in _SUBJECTS:
            raise BadUserInput(
                f"`ids.{place}` names a {parsed.kind}; it must be a binary, artifact version,"
                " bundle or signing key.",
                path=path,
            )
        if row is None:
            raise not_found(parsed.kind, path=path)
        subjects.setdefault(_SUBJECTS[parsed.kind], set()).add(parsed.id)
    return await impact_reads.binaries_of(info.context.organization_id, **subjects)
