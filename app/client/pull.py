"""Fetches the content of a binary, and keeps nothing that is not it."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import Final

from app.client import names, source
from app.client.outcome import Ended, OtherContent, Unreachable
from app.client.progress import Progress, in_bytes
from app.client.service import TRIES, Json, Passing, Service

PIECE: Final = 1 << 20


@dataclass(kw_only=True)
class Pull:
    """One run; `path` appears when its bytes are complete and right, and not before."""

    service: Service
    artifact: str
    version: str
    target: str
    path: Path
    progress: Progress

    async def run(self) -> Json:
        """The binary whose content is in the file then. Raises Ended."""
        binary = await names.binary(self.service, self.artifact, self.version, self.target)
        # What an interrupted run left is gone on with: the name holds the hash.
        begun = self.path.with_name(f"{self.path.name}.{binary['hash'][:16]}.part")
        try:
            with begun.open("a+b") as file:
                await self._fill(file, binary)
                file.flush()
                found = await source.digest(file)
                if found != binary["hash"]:
                    begun.unlink()
                    raise OtherContent(f"What came hashes to {found}, not to {binary['hash']}.")
                os.fsync(file.fileno())
            begun.replace(self.path)
        except OSError as error:
            raise Ended(f"{self.path} can't be written: {error.strerror}.") from error
        return binary

    async def _fill(self, file: BufferedRandom, binary: Json) -> None:
        size = int(binary["size"])
        file.seek(0, os.SEEK_END)
        there = file.tell()
        self.progress.note(f"{self.path.name}: {in_bytes(size)}, {in_bytes(there)} are there.")
        self.progress.begin(size, done=there)
        try:
            for attempt in range(TRIES):
                if attempt:
                    await asyncio.sleep(min(0.25 * 2**attempt, 8.0))
                if file.tell() >= size:
                    return
                try:
                    await self._go_on(file, binary)
                except Passing as passing:
                    told = str(passing)
            if file.tell() < size:
                raise Unreachable(f"The content does not come: {told}.")
        finally:
            self.progress.end()

    async def _go_on(self, file: BufferedRandom, binary: Json) -> None:
        present = await _read(self.service, binary["id"])
        headers = {"Range": f"bytes={file.tell()}-"}
        async with self.service.request("GET", present["downloadUrl"], headers=headers) as answer:
            if answer.status != 206:
                raise Passing(f"it answers {answer.status}")
            async for piece in answer.content.iter_chunked(PIECE):
                await asyncio.to_thread(file.write, piece)
                self.progress.moved(len(piece))


async def _read(service: Service, binary_id: str) -> Json:
    query = "query Bindery($id: ID!) { binary(id: $id) { downloadUrl } }"
    found: Json | None = (await service.ask(query, id=binary_id))["binary"]
    if found is None or not found["downloadUrl"]:
        raise Ended(f"The content of {binary_id} can't be downloaded any more.")
    return found
