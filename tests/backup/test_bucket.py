"""Content in a bucket stays there: a backup has the records, and says so."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from app.storage.location import Location
from tests.backup.place import Place
from tests.buckets import location, s3_server
from tests.processes.served import client

__all__ = ["location", "s3_server"]

QUERY = "query($id: ID!) { binary(id: $id) { state downloadUrl } }"


async def test_records_are_restored_beside_their_bucket(
    place: Place, empty: Place, location: Location, tmp_path: Path
) -> None:
    settings = {
        "content": f"s3://{location.bucket}/content",
        "s3_endpoint": location.endpoint,
        "s3_direct": False,
    }
    key, backup = place.key(), tmp_path / "backup"
    with place.served(**settings) as server:
        async with client(server, key) as api:
            id = await api.reach("SIGNED", await api.version(), b"in a bucket")
            status, text = await asyncio.to_thread(place.said, "backup", str(backup), **settings)
            assert (status, "Content is in a bucket" in text) == (0, True), text
    told = json.loads((backup / "manifest.json").read_text())
    assert (told["content"], list(backup.glob("blobs"))) == (False, [])
    status, text = empty.said("restore", str(backup), "--deep", **settings)
    assert (status, text.endswith("fsck found nothing wrong.")) == (0, True), text
    with empty.served(**settings) as server:
        async with client(server, key) as api:
            found = (await api.ask(QUERY, id=id))["binary"]
            assert found["state"] == "SIGNED"
            assert (await api.http.get(found["downloadUrl"])).content == b"in a bucket"


async def test_a_backup_without_content_is_damaged_where_there_is_no_bucket(
    place: Place, empty: Place, location: Location, tmp_path: Path
) -> None:
    settings = {"content": f"s3://{location.bucket}/content", "s3_endpoint": location.endpoint}
    key, backup = place.key(), tmp_path / "backup"
    with place.served(**settings, s3_direct=False) as server:
        async with client(server, key) as api:
            await api.reach("SIGNED", await api.version(), b"in a bucket")
    assert place.said("backup", str(backup), **settings)[0] == 0
    status, text = empty.said("restore", str(backup))
    assert (status, "BLOB_MISSING" in text) == (1, True), text
