"""What is counted or compared within this process: statements, and the impact by a plain loop."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import orjson

from app import database
from app.reads import impact, resolution
from app.reads.values import as_uuid
from app.rules import impact as rules
from bench.contest import Different
from bench.fleet_reads import Client, counted, served
from bench.questions import Question
from bench.rows import SECRET, SHARED, TARGETS, Data


async def statements(url: str, question: Question, data: Data) -> int:
    """How many SQL statements a question takes, that about the key included."""
    async with served(url) as http:
        client = Client(http, SECRET)
        variables = question.variants(data)[0]
        await client.ask(question.document, variables)
        with counted() as seen:
            await client.ask(question.document, variables)
        return len(seen.texts) + 1


@dataclass(frozen=True, slots=True)
class Looped:
    """The devices that a destruction would hit, and how long it took to ask for each by itself."""

    losing: int
    stuck: int
    ms: float

    def equals(self, answer: bytes) -> None:
        """Raises Different where the product counted otherwise."""
        told = orjson.loads(answer)["data"]["destructionImpact"]
        counted = told["devicesLosingUpdate"], told["devicesStuck"]
        if counted != (self.losing, self.stuck):
            raise Different(f"Q6: {counted} instead of {(self.losing, self.stuck)}")


async def looped(url: str, data: Data) -> Looped:
    """Judges every device before and after the destruction that Q6 asks about, one by one."""
    organization_id = UUID(data.organization_id)
    binary_id = UUID(data.id("binary_record", SHARED * len(TARGETS)))
    async with database.opened(url):
        begun = time.perf_counter()
        found = await impact.impact(organization_id, [binary_id])
        losing = stuck = 0
        cohorts = await resolution.counted(organization_id, found.before)
        for cohort_id, before in cohorts.items():
            after = found.after[cohort_id].counted(
                devices=before.devices, claims=before.claims, failures=before.failures
            )
            ids = await database.query(
                "SELECT id FROM device WHERE organization_id = $1 AND cohort_id = $2",
                [organization_id, cohort_id],
            )
            asking = await resolution.asking(organization_id, [as_uuid(row["id"]) for row in ids])
            judged = rules.count(
                ((device.facts, 1) for device in asking.values()),
                before,
                after,
                at=datetime.now(UTC),
            )
            losing, stuck = losing + judged.losing, stuck + judged.stuck
        return Looped(losing, stuck, (time.perf_counter() - begun) * 1_000)
