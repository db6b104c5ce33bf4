"""The rows of a fleet at rest: nearly every device runs its cohort's latest release.

Each device has a key of its own, and the claim of the release that it runs. One in twenty runs the
release before the latest, and will find an update when it polls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from app.rules.access import hash_secret
from app.rules.prn import Kind, format_prn
from bench.rows import CHAIN, COHORTS, SECRET, VERSIONS, Data, Row, Table

BEHIND: Final = 20
"""One device in so many is a release behind."""
PHASE: Final = "0.999"
"""The share of a cohort that its latest release is open to at first."""

_ALL: Final = {
    "release": "phase_value",
    "api_key": "device_id",
}
"""Columns that the rows of a fleet have beyond those of other data sets."""


@dataclass(frozen=True, slots=True)
class Fleet(Data):
    """A thousand binaries and releases in ten cohorts, and any number of devices in those."""

    @staticmethod
    def of(devices: int) -> Fleet:
        """A fleet of so many devices."""
        return Fleet(1_000, devices)

    def tables(self) -> tuple[Table, ...]:
        """Every table that gets rows; each row follows those that it names."""
        tables = {table.name: table for table in Data.tables(self)}
        for name, column in _ALL.items():
            tables[name] = replace(tables[name], columns=(*tables[name].columns, column))
        # The keys of devices name them.
        tables["api_key"] = tables.pop("api_key")
        return tuple(tables.values())

    def is_behind(self, place: int) -> bool:
        """Whether a device will find an update when it polls."""
        return place // COHORTS % BEHIND == BEHIND - 1

    def runs(self, place: int) -> str:
        """The id of the release that a device runs."""
        step = CHAIN - 2 if self.is_behind(place) else CHAIN - 1
        return self.id("release", place % COHORTS * CHAIN + step)

    def latest(self) -> list[str]:
        """The names of the releases that are the latest of the cohorts with devices."""
        ids = (self.id("release", cohort * CHAIN + CHAIN - 1) for cohort in range(COHORTS))
        return [self.name(Kind.RELEASE, id) for id in ids]

    def name(self, kind: Kind, id: str) -> str:
        """The resource name of one of the organization's things."""
        return format_prn(kind, UUID(self.organization_id), UUID(id))

    def device(self, place: int) -> str:
        """The resource name of a device."""
        return self.name(Kind.DEVICE, self.id("device", place))

    def version(self, place: int) -> str:
        """The resource name of an artifact version."""
        return self.name(Kind.ARTIFACT_VERSION, self.id("artifact_version", place % VERSIONS))

    def secret(self, place: int) -> str:
        """The key of a device."""
        return f"bky_{place:043d}"

    def _keys(self) -> Iterator[Row]:
        (key,) = Data._keys(self)
        own, times = (self.organization_id,), key[5:]
        yield *key[:3], "ADMIN", *key[4:], None
        for place in range(self.devices):
            hashed = hash_secret(self.secret(place))
            id, device_id = self.id("api_key", place + 1), self.id("device", place)
            yield id, *own, "device", "DEVICE", hashed, *times, device_id

    def _releases(self) -> Iterator[Row]:
        for place, row in enumerate(Data._releases(self)):
            step = place % CHAIN
            last = step == CHAIN - 1
            # Nothing ahead of those that run: neither tags nor what must not be skipped.
            yield *row[:6], 0, 0, 0, "[]", *row[10:], PHASE if last else None

    def _devices(self) -> Iterator[Row]:
        for place, row in enumerate(Data._devices(self)):
            yield *row[:5], "[]", self.runs(place), *row[7:]

    def _claims(self) -> Iterator[Row]:
        created = next(Data._keys(self))[5]
        for place in range(self.devices):
            yield (
                self.id("release_claim", place),
                self.organization_id,
                self.runs(place),
                self.id("device", place),
                created,
            )


__all__ = ["SECRET", "Fleet"]
