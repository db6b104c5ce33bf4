"""The devices of cohorts, those that get the same answer taken together.

A cohort of a million devices falls into few groups: what the resolver looks at is the product,
what is reported, the tags and claims that a phase asks for, and little more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app import database
from app.reads.values import as_list, as_uuid, maybe_uuid
from app.rules.cohort import CohortFacts, DeviceFacts
from app.rules.impact import group_key

# In the order of the index of migration 8.
_GROUP_WITHOUT_TAGS = """
d.cohort_id, d.product_id, d.quarantined, d.pinned_release_id,
d.reported_release_id, d.reported_bundle_id, d.reported_version"""
_GROUP = f"{_GROUP_WITHOUT_TAGS}, d.tags"
# Few devices hold a claim that matters. To look for one at each device would cost more than all
# else, so all devices are counted first, and then those with claims, who are to be taken off. One
# statement sees both at the same moment.
_ALIKE = """
WITH held AS (
    SELECT device_id, {joined}(CAST(release_id AS TEXT), ',') AS claims FROM release_claim
    WHERE organization_id = $1 AND release_id {ids:3} GROUP BY device_id
)
SELECT {group}, NULL AS claims, COUNT(*) AS n, {unclaimed} AS example FROM device d
WHERE d.organization_id = $1 AND d.cohort_id {ids:2}
GROUP BY {group}
UNION ALL
SELECT {group}, h.claims, COUNT(*) AS n, {claimed} AS example FROM held h
JOIN device d ON d.id = h.device_id
WHERE d.organization_id = $1 AND d.cohort_id IS NOT NULL
GROUP BY {group}, h.claims
"""
_NO_EXAMPLES = _ALIKE.replace("{unclaimed}", "NULL").replace("{claimed}", "NULL")
_EXAMPLES = _ALIKE.replace("{claimed}", "MIN(d.identifier)").replace(
    "{unclaimed}",
    """MIN(CASE WHEN NOT EXISTS (
    SELECT 1 FROM release_claim c WHERE c.device_id = d.id AND c.release_id {ids:3}
) THEN d.identifier END)""",
)
_PRODUCTS = "SELECT id, target, archived FROM product WHERE organization_id = $1 AND id {ids:2}"
_BY_TARGET = """
SELECT p.target, COUNT(*) AS n FROM device d JOIN product p ON p.id = d.product_id
WHERE d.organization_id = $1 AND NOT p.archived{narrowed}
GROUP BY p.target ORDER BY p.target
"""


_CLAIMERS = f"""
SELECT {_GROUP}, c.release_id, COUNT(*) AS n FROM release_claim c
JOIN device d ON d.id = c.device_id
WHERE c.organization_id = $1 AND c.release_id {{ids:2}}
GROUP BY {_GROUP}, c.release_id
"""


@dataclass(frozen=True, slots=True)
class Group:
    """Devices that get the same answer: one as its facts, and how many they are.

    `example` is the identifier of one; it is empty where no examples were asked for.
    """

    device: DeviceFacts
    number: int
    example: str


Key = Callable[[DeviceFacts, CohortFacts], Hashable]
Alike = Mapping[DeviceFacts, tuple[int, str]]
"""How many devices have these facts, and the identifier of one."""


async def devices(
    organization_id: UUID,
    cohorts: Mapping[UUID, CohortFacts],
    *,
    key: Key = group_key,
    also_tags: frozenset[str] = frozenset(),
    examples: bool = False,
) -> dict[UUID, list[Group]]:
    """The devices of cohorts in groups; two statements, however many there are.

    `key` gives what the answer depends on; devices with equal keys are one group. `also_tags` are
    the tags that it looks at beyond those of the cohorts' phases. To find `examples`, every device
    is looked at by itself.
    """
    found = await alike(organization_id, cohorts, also_tags=also_tags, examples=examples)
    return grouped(found, cohorts, key=key)


def grouped(
    found: Alike, cohorts: Mapping[UUID, CohortFacts], *, key: Key = group_key
) -> dict[UUID, list[Group]]:
    """What `alike` found in cohorts, those with equal keys taken together."""
    groups: dict[UUID, dict[Hashable, Group]] = {id: {} for id in cohorts}
    for device, (number, example) in found.items():
        cohort_id = device.cohort_id
        if number and cohort_id in groups:
            same = key(device, cohorts[cohort_id])
            so_far = groups[cohort_id].get(same, Group(device, 0, example))
            groups[cohort_id][same] = replace(so_far, number=so_far.number + number)
    return {id: list(same.values()) for id, same in groups.items()}


async def alike(
    organization_id: UUID,
    cohorts: Mapping[UUID, CohortFacts],
    *,
    also_tags: frozenset[str] = frozenset(),
    examples: bool = False,
) -> Alike:
    """The devices of cohorts, those with the same facts, claims included, together.

    Two statements. What is read beyond the devices is what the cohorts' phases ask for.
    """
    phased = sorted({id for facts in cohorts.values() for id in facts.graph.phased_ids})
    # Tags tear groups apart, so they are read only where a phase asks for one.
    tagged = any((also_tags, *(facts.graph.phase_tags for facts in cohorts.values())))
    sql = (_EXAMPLES if examples else _NO_EXAMPLES).replace(
        "{group}", _GROUP if tagged else _GROUP_WITHOUT_TAGS
    )
    rows = await database.query(sql, [organization_id, sorted(cohorts), phased])
    products = await _products(organization_id, rows)
    found: dict[DeviceFacts, tuple[int, str]] = {}

    def add(device: DeviceFacts, number: int, example: str) -> None:
        before, known = found.get(device, (0, ""))
        found[device] = before + number, known or example

    for row in rows:
        claims = frozenset(map(UUID, row["claims"].split(","))) if row["claims"] else frozenset()
        device = _device(row, products[as_uuid(row["product_id"])], claims)
        add(device, row["n"], row["example"] or "")
        if claims:
            add(replace(device, claims=frozenset()), -row["n"], "")
    return found


async def _products(
    organization_id: UUID, rows: Iterable[Mapping[str, Any]]
) -> dict[UUID, Mapping[str, Any]]:
    ids = sorted({as_uuid(row["product_id"]) for row in rows})
    found = await database.query(_PRODUCTS, [organization_id, ids])
    return {as_uuid(row["id"]): row for row in found}


async def claimers(
    organization_id: UUID, release_ids: Iterable[UUID]
) -> dict[UUID, list[tuple[DeviceFacts, int]]]:
    """The devices that hold a claim on each release, alike ones together; two statements."""
    rows = await database.query(_CLAIMERS, [organization_id, sorted(set(release_ids))])
    products = await _products(organization_id, rows)
    found: dict[UUID, list[tuple[DeviceFacts, int]]] = defaultdict(list)
    for row in rows:
        release_id = as_uuid(row["release_id"])
        device = _device(row, products[as_uuid(row["product_id"])], frozenset({release_id}))
        found[release_id].append((device, row["n"]))
    return found


async def by_target(
    organization_id: UUID,
    *,
    product_ids: tuple[UUID, ...] | None = None,
    cohort_id: UUID | None = None,
) -> dict[str, int]:
    """How many devices there are of each target, archived products left out; one statement."""
    arguments: list[Any] = [organization_id]
    narrowed = ""
    if product_ids is not None:
        arguments.append(list(product_ids))
        narrowed += f" AND d.product_id {{ids:{len(arguments)}}}"
    if cohort_id is not None:
        arguments.append(cohort_id)
        narrowed += f" AND d.cohort_id = ${len(arguments)}"
    rows = await database.query(_BY_TARGET.replace("{narrowed}", narrowed), arguments)
    return {row["target"]: row["n"] for row in rows}


def _device(
    row: Mapping[str, Any], product: Mapping[str, Any], claims: frozenset[UUID]
) -> DeviceFacts:
    return DeviceFacts(
        # It stands for many devices, none of which is meant.
        id=as_uuid(row["product_id"]),
        target=product["target"],
        cohort_id=maybe_uuid(row["cohort_id"]),
        tags=frozenset(as_list(row["tags"])) if "tags" in row else frozenset(),
        quarantined=bool(row["quarantined"]),
        product_archived=bool(product["archived"]),
        pinned_release_id=maybe_uuid(row["pinned_release_id"]),
        reported_release_id=maybe_uuid(row["reported_release_id"]),
        reported_bundle_id=maybe_uuid(row["reported_bundle_id"]),
        reported_version=row["reported_version"],
        claims=claims,
    )
