"""The graphs of cohorts, kept by the process between polls.

What a cohort's devices may be answered changes rarely, and is asked for with every poll. So each
graph is kept with its version. The database itself makes that another one with each change, in the
same transaction (migration 7), and a poll reads it together with the device: a graph is used only
while it is at the version that was just read. Numbers of devices, claims and failures change with
every poll, and are never kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from uuid import UUID

from app import database
from app.reads import resolution
from app.reads.resolution import Asking
from app.rules.cohort import CohortFacts

KEPT_RELEASES = 20_000
"""Graphs of so many releases in all are kept, those that were used last; some 50 MB."""


class Graphs:
    """Graphs by cohort, each with the version at which it was read."""

    def __init__(self, *, kept_releases: int = KEPT_RELEASES) -> None:
        self._kept_releases = kept_releases
        self._kept: OrderedDict[UUID, tuple[int, CohortFacts]] = OrderedDict()
        self._releases = 0

    def get(self, cohort_id: UUID, version: int) -> CohortFacts | None:
        """The graph of a cohort at exactly this version, if it is kept."""
        kept = self._kept.get(cohort_id)
        if kept is None or kept[0] != version:
            return None
        self._kept.move_to_end(cohort_id)
        return kept[1]

    def keep(self, cohort_id: UUID, version: int, facts: CohortFacts) -> None:
        """Keeps a graph that was read after its version was; lets go of those used longest ago."""
        self.forget(cohort_id)
        self._kept[cohort_id] = version, facts
        self._releases += len(facts.graph.releases)
        while self._releases > self._kept_releases and self._kept:
            self.forget(next(iter(self._kept)))

    def forget(self, cohort_id: UUID) -> None:
        """Keeps a cohort's graph no longer."""
        _, facts = self._kept.pop(cohort_id, (0, None))
        self._releases -= len(facts.graph.releases) if facts else 0


_graphs = Graphs()


async def cohorts_of(
    organization_id: UUID,
    asked: Mapping[UUID, Asking],
    *,
    using: database.Connection | None = None,
    kept: Graphs = _graphs,
) -> dict[UUID, CohortFacts]:
    """The cohorts of devices that ask: no statement where they are kept and nothing is counted.

    Two for all graphs that are not kept, and one for the counts of those that have any.
    """
    found = await graphs_of(organization_id, asked, using=using, kept=kept)
    return await counted(organization_id, found, using=using)


async def graphs_of(
    organization_id: UUID,
    asked: Mapping[UUID, Asking],
    *,
    using: database.Connection | None = None,
    kept: Graphs = _graphs,
) -> dict[UUID, CohortFacts]:
    """The same without counts: no statement where all are kept, else two."""
    versions = {
        one.facts.cohort_id: one.graph_version
        for one in asked.values()
        if one.facts.cohort_id is not None and one.graph_version is not None
    }
    return await at_versions(organization_id, versions, using=using, kept=kept)


async def counted(
    organization_id: UUID,
    found: Mapping[UUID, CohortFacts],
    *,
    using: database.Connection | None = None,
) -> dict[UUID, CohortFacts]:
    """The same cohorts with counts, those where an answer may rest on them; one statement or none.

    The others stay as they are.
    """
    to_count = {id: facts for id, facts in found.items() if facts.graph.is_counted}
    if not to_count:
        return dict(found)
    return {**found, **await resolution.counted(organization_id, to_count, using=using)}


async def at_versions(
    organization_id: UUID,
    versions: Mapping[UUID, int],
    *,
    using: database.Connection | None = None,
    kept: Graphs = _graphs,
) -> dict[UUID, CohortFacts]:
    """The graphs of cohorts whose versions were just read, without counts.

    No statement where all of them are kept, else two.
    """
    found = {id: kept.get(id, version) for id, version in versions.items()}
    missing = [id for id, facts in found.items() if facts is None]
    read = await resolution.graphs(organization_id, missing, using=using) if missing else {}
    for id, facts in read.items():
        # It may be newer than its version, which is then another one for the next poll.
        kept.keep(id, versions[id], facts)
    return {id: facts for id, facts in (found | read).items() if facts is not None}
