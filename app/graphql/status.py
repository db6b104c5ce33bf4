"""What the schema says of the server itself."""

from __future__ import annotations

from importlib.metadata import version
from uuid import UUID

import strawberry

from app.ballast import ballast
from app.engine import is_embedded
from app.graphql.fields import plain
from app.graphql.scalars import BigInt, DateTime
from app.reads import status
from app.server import Server


@strawberry.type(description="How the process that answers is doing.")
class ServerStatus:
    """Health of the process, and the organization's verifications."""

    version: str = plain("The version of Bindery.")
    ready: bool = plain("Whether it takes requests.")
    database: str = plain("`SQLITE` or `POSTGRESQL`.")
    database_healthy: bool = plain("Whether the database answers.")
    database_version: str | None = plain("The version of the database's own program.")
    database_schema: str | None = plain("The last migration that was applied.")
    database_latency_ms: float | None = plain("How long the database took for one statement.")
    storage_healthy: bool = plain("Whether the content store works, and trusts its disk.")
    storage_full: bool = plain("Whether uploads are refused for lack of room.")
    storage_free_bytes: BigInt | None = plain("Room for content; null where nobody knows an end.")
    storage_reserve_bytes: BigInt = plain("Bytes of these that uploads leave free.")
    storage_failed_at: DateTime | None = plain("When the disk failed last, since the start.")
    storage_probed_at: DateTime | None = plain(
        "When it was last found out whether a disk that had failed works again."
    )
    ballast_lacking_bytes: BigInt = plain(
        "What the ballast beside an SQLite database gave up on a full disk. Until it has that room"
        " again, only what makes room is written."
    )
    garbage_count: int | None = plain("Blobs that wait for their erasing, of all organizations.")
    intent_count: int | None = plain("Blobs that are being written, of all organizations.")
    verifications_waiting: int = plain("Binaries whose verification is queued, or tried again.")
    verifications_running: int = plain("Binaries that are being verified.")
    verifications_failed: int = plain("Binaries whose content was found wrong.")


async def server_status(server: Server, organization_id: UUID) -> ServerStatus:
    """How the process, its database and its content store are doing."""
    work = await status.work(organization_id)
    records, content = await status.of_database(), await server.store.status()
    failed, probed = content.failed_at, content.probed_at
    return ServerStatus(
        version=version("bindery"),
        ready=server.ready.is_set(),
        database="SQLITE" if is_embedded(server.settings.database_url) else "POSTGRESQL",
        database_healthy=records.answers,
        database_version=records.version,
        database_schema=records.schema,
        database_latency_ms=records.milliseconds,
        storage_healthy=content.healthy,
        storage_full=content.full or ballast.lacking > 0,
        storage_free_bytes=None if content.free is None else BigInt(content.free),
        storage_reserve_bytes=BigInt(content.reserve),
        storage_failed_at=None if failed is None else DateTime(failed),
        storage_probed_at=None if probed is None else DateTime(probed),
        ballast_lacking_bytes=BigInt(ballast.lacking),
        garbage_count=records.garbage,
        intent_count=records.unfinished,
        verifications_waiting=work.waiting,
        verifications_running=work.running,
        verifications_failed=work.failed,
    )
