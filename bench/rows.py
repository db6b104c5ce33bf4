"""The rows that the benchmark asks about: any number of them, the same for the same seed.

They come in blocks of equal shape, and a question stays within one block. So it reads as many rows
in the smallest data set as in the largest, and what grows is only the tables around them. All
devices belong to the first block, whose fleet is asked about as a whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from app.rules.access import hash_secret

BLOCK: Final = 1_000
"""Binaries of a block, and releases."""
VERSIONS: Final = 250
ARTIFACTS: Final = 5
BUNDLES: Final = 50
COHORTS: Final = 10
PRODUCTS: Final = 2
CHAIN: Final = BLOCK // COHORTS
"""Releases of a cohort, each pointing to the next."""

HOT: Final = 8
"""Artifact versions, the first of a block, that are in ten bundles and so in 200 releases."""
SHARED: Final = VERSIONS - 1
"""The artifact version of a block that is in 25 bundles and so in 500 releases."""
TARGETS: Final = (
    "aarch64-unknown-linux-gnu",
    "armv7-unknown-linux-gnueabihf",
    "x86_64-unknown-linux-gnu",
    "portable",
)
SECRET: Final = "bky_" + "bench" * 8 + "key"
"""The API key of the benchmark; it opens nothing but its own data."""

Row = tuple[str | int | None, ...]

_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_BEGIN_MS: Final = int(_BEGIN.timestamp()) * 1_000
_TABLES: Final = (
    "organization",
    "product",
    "cohort",
    "artifact",
    "artifact_version",
    "binary_record",
    "signing_key",
    "binary_signature",
    "bundle",
    "bundle_version",
    "release",
    "device",
    "release_claim",
    "api_key",
)
_NUMBERS: Final = {name: number for number, name in enumerate(_TABLES)}
_MIX: Final = 0x9E37_79B9_7F4A_7C15


@dataclass(frozen=True, slots=True)
class Table:
    """A table's name, its columns, and its rows, made as they are taken."""

    name: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class Data:
    """A data set: as many binaries as releases, in whole blocks, and devices of the first one."""

    binaries: int
    devices: int
    seed: int = 1

    def __post_init__(self) -> None:
        if self.binaries < BLOCK or self.binaries % BLOCK or self.devices % COHORTS:
            raise ValueError(f"binaries come by {BLOCK:,}, devices by {COHORTS}")

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return self.binaries // BLOCK

    def id(self, table: str, place: int) -> str:
        """The id of a table's row: a version 7 uuid, in order of place.

        It holds place and table, so no two rows share one; the rest of it scatters like chance.
        """
        number = _NUMBERS[table]
        head = _BEGIN_MS + (place >> 2)
        tail = ((place << 4 | number) + self.seed) * _MIX & (1 << 62) - 1 | 1 << 63
        digits = f"{head:012x}7{(place & 3) << 10 | number:03x}{tail:016x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def tables(self) -> tuple[Table, ...]:
        """Every table that gets rows, in an order in which each row follows those it names."""
        times = ("created_at", "updated_at")
        named = ("id", "organization_id", "name")
        return (
            Table("organization", ("id", "name", *times), self._organizations),
            Table("api_key", (*named, "role", "secret_hash", *times), self._keys),
            Table("product", (*named, "target", *times), self._products),
            Table("cohort", ("id", "organization_id", "product_id", "name", *times), self._cohorts),
            Table("artifact", (*named, *times), self._artifacts),
            Table(
                "artifact_version",
                ("id", "organization_id", "artifact_id", "version", *times),
                self._versions,
            ),
            Table("binary_record", _BINARY, self._binaries),
            Table("signing_key", (*named, "public_key", "fingerprint", *times), self._signing_keys),
            Table("binary_signature", _SIGNATURE, self._signatures),
            Table("bundle", (*named, *times), self._bundles),
            Table("bundle_version", _BUNDLE_VERSION, self._bundle_versions),
            Table("release", _RELEASE, self._releases),
            Table("device", _DEVICE, self._devices),
            Table("release_claim", _CLAIM, self._claims),
        )

    @property
    def organization_id(self) -> str:
        """The one organization."""
        return self.id("organization", 0)

    def _organizations(self) -> Iterator[Row]:
        yield self.organization_id, "Bench", *_times(0)

    def _keys(self) -> Iterator[Row]:
        hashed = hash_secret(SECRET)
        yield self.id("api_key", 0), self.organization_id, "bench", "READ", hashed, *_times(0)

    def _products(self) -> Iterator[Row]:
        for place in range(self.blocks * PRODUCTS):
            name, target = f"product {place}", TARGETS[place % PRODUCTS]
            yield self.id("product", place), self.organization_id, name, target, *_times(place)

    def _cohorts(self) -> Iterator[Row]:
        for place in range(self.blocks * COHORTS):
            product_id = self.id("product", place // (COHORTS // PRODUCTS))
            own = self.id("cohort", place), self.organization_id
            yield *own, product_id, f"cohort {place}", *_times(place)

    def _artifacts(self) -> Iterator[Row]:
        for place in range(self.blocks * ARTIFACTS):
            own = self.id("artifact", place), self.organization_id
            yield *own, f"artifact {place}", *_times(place)

    def _versions(self) -> Iterator[Row]:
        per_artifact = VERSIONS // ARTIFACTS
        for place in range(self.blocks * VERSIONS):
            artifact_id = self.id("artifact", place // per_artifact)
            own = self.id("artifact_version", place), self.organization_id
            yield *own, artifact_id, f"1.{place % per_artifact}.0", *_times(place)

    def _binaries(self) -> Iterator[Row]:
        for place in range(self.binaries):
            signed, size, digest = is_signed(place), 1_000 + place, self.digest(place)
            yield (
                self.id("binary_record", place),
                self.organization_id,
                self.id("artifact_version", place // len(TARGETS)),
                TARGETS[place % len(TARGETS)],
                digest,
                size,
                "SIGNED" if signed else "SIGNABLE",
                "{}",
                size,
                "PASSED",
                1,
                size,
                digest,
                size,
                *_times(place),
            )

    def digest(self, place: int) -> str:
        """The SHA-256 that stands in a binary's record; there is no content behind it."""
        return hashlib.sha256(b"%d:%d" % (self.seed, place)).hexdigest()

    def _signing_keys(self) -> Iterator[Row]:
        for place in range(5):
            own = self.id("signing_key", place), self.organization_id, f"key {place}"
            yield *own, self.digest(-1 - place), self.digest(-11 - place), *_times(place)

    def _signatures(self) -> Iterator[Row]:
        for place in filter(is_signed, range(self.binaries)):
            yield (
                self.id("binary_signature", place),
                self.organization_id,
                self.id("binary_record", place),
                self.id("signing_key", place % 5),
                self.digest(place).upper() * 2,
                *_times(place),
            )

    def _bundles(self) -> Iterator[Row]:
        for place in range(self.blocks * BUNDLES):
            own = self.id("bundle", place), self.organization_id
            yield *own, f"bundle {place}", *_times(place)

    def _bundle_versions(self) -> Iterator[Row]:
        number = 0
        for place in range(self.blocks * BUNDLES):
            block, bundle = divmod(place, BUNDLES)
            for position, version in enumerate(held(bundle)):
                yield (
                    self.id("bundle_version", number),
                    self.organization_id,
                    self.id("bundle", place),
                    self.id("artifact_version", block * VERSIONS + version),
                    position,
                )
                number += 1

    def _releases(self) -> Iterator[Row]:
        for place in range(self.binaries):
            block, number = divmod(place, BLOCK)
            step = number % CHAIN
            last = step == CHAIN - 1
            yield (
                self.id("release", place),
                self.organization_id,
                self.id("cohort", place // CHAIN),
                self.id("bundle", block * BUNDLES + bundle_of(number)),
                None if last else self.id("release", place + 1),
                f"release {place}",
                int(step % 30 == 10),
                int(step % 30 == 20),
                int(step % 30 == 0),
                '["beta"]' if last else "[]",
                f"1.{step}.0",
                *_times(place),
            )

    def _devices(self) -> Iterator[Row]:
        for place in range(self.devices):
            cohort, number = place % COHORTS, place // COHORTS
            # A third runs the oldest release; the others are spread over all of their cohort's.
            step = 0 if number % 3 == 0 else number * 7 % CHAIN
            yield (
                self.id("device", place),
                self.organization_id,
                self.id("product", cohort // (COHORTS // PRODUCTS)),
                self.id("cohort", cohort),
                f"device {place}",
                ("[]", '["lab"]', '["beta"]')[number % 5 % 3],
                self.id("release", cohort * CHAIN + step),
                *_times(place),
            )

    def _claims(self) -> Iterator[Row]:
        """Every tenth device has claimed the latest release, which is phased."""
        for place in range(0, self.devices, 10):
            device = place + place // 10 % COHORTS
            yield (
                self.id("release_claim", place),
                self.organization_id,
                self.id("release", device % COHORTS * CHAIN + CHAIN - 1),
                self.id("device", device),
                _moment(place // 1_000),
            )


def is_signed(place: int) -> bool:
    """Whether a binary is: all are, but for one target of every other artifact version.

    There the portable one serves instead.
    """
    version, target = divmod(place, len(TARGETS))
    return target != 0 or version % 2 == 0 or version % VERSIONS == SHARED


def held(bundle: int) -> tuple[int, ...]:
    """The artifact versions of a block's bundle, in order."""
    shared = (SHARED,) if bundle < 25 else ()
    if bundle < 20:
        hot = (*((4 * bundle + position) % HOT for position in range(4)), HOT + bundle)
        return (*hot, *shared)
    first = HOT + 20 + 7 * (bundle - 20)
    return (*range(first, first + 5), *shared)


def bundle_of(release: int) -> int:
    """The bundle of a block's release; each bundle has twenty."""
    return (release + 20) % BUNDLES


def _times(place: int) -> tuple[str, str]:
    return (_moment(place // 1_000),) * 2


@lru_cache(maxsize=64)
def _moment(second: int) -> str:
    return (_BEGIN + timedelta(seconds=second)).isoformat(" ")


_BINARY: Final = (
    "id",
    "organization_id",
    "artifact_version_id",
    "target",
    "hash",
    "size",
    "state",
    "custom_metadata",
    "bytes_uploaded",
    "verification_status",
    "verification_attempts",
    "bytes_hashed",
    "computed_hash",
    "computed_size",
    "created_at",
    "updated_at",
)
_SIGNATURE: Final = (
    "id",
    "organization_id",
    "binary_id",
    "signing_key_id",
    "signature",
    "created_at",
    "updated_at",
)
_BUNDLE_VERSION: Final = ("id", "organization_id", "bundle_id", "artifact_version_id", "position")
_RELEASE: Final = (
    "id",
    "organization_id",
    "cohort_id",
    "bundle_id",
    "next_release_id",
    "name",
    "required",
    "disabled",
    "archived",
    "phase_tags",
    "version",
    "created_at",
    "updated_at",
)
_DEVICE: Final = (
    "id",
    "organization_id",
    "product_id",
    "cohort_id",
    "identifier",
    "tags",
    "reported_release_id",
    "created_at",
    "updated_at",
)
_CLAIM: Final = ("id", "organization_id", "release_id", "device_id", "created_at")
