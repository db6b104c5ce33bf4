"""Sends the parts of a file that a server lacks, several at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app.client.outcome import Ended, Refused, Unreachable
from app.client.progress import Progress, in_bytes
from app.client.service import TRIES, Json, Passing, Service
from app.client.source import Piece, Source

REGISTERED_AT_ONCE: Final = 500
READ_AT_ONCE: Final = 1 << 18

_PART: Final = "index state uploadUrl uploadMethod uploadHeaders { name value }"


@dataclass
class _Attempt:
    """One attempt to send a part."""

    part: Piece
    sent: int = 0


@dataclass(kw_only=True)
class Upload:
    """The upload of one file; `parallel` parts are on their way at once."""

    service: Service
    source: Source
    parallel: int
    progress: Progress
    kept: int = 0
    """Parts that the server had before."""
    sent: int = field(default=0, init=False)
    """Bytes that were sent, those of failed attempts included."""

    async def run(self, binary: Json) -> None:
        """Sends what is missing of an uploadable binary. Raises Ended, Refused, Unreachable."""
        parts = self.source.parts
        if any(part["index"] > len(parts) for part in binary["parts"]):
            raise Ended(
                f"Another program began to upload {binary['id']} in other parts. Let it finish,"
                " or delete the binary with `deleteBinary`."
            )
        # The server asks a bucket what has arrived there when parts are registered once more.
        links: dict[int, Json] = {}
        for some in _batches(parts, REGISTERED_AT_ONCE):
            links |= await self._register(binary["id"], some)
        missing = [part for part in parts if links[part.index]["state"] != "VALID"]
        self.kept = len(parts) - len(missing)
        if not missing:
            return
        self.progress.note(
            f"{self.source.path.name}: {in_bytes(self.source.size)} in {len(parts)} parts,"
            f" {self.kept} of them are there."
        )
        lacking = sum(part.size for part in missing)
        self.progress.begin(self.source.size, done=self.source.size - lacking)
        try:
            await self._send_all(missing, links, binary["id"])
        finally:
            self.progress.end()

    async def _register(self, binary_id: str, parts: Sequence[Piece]) -> dict[int, Json]:
        """The links of parts, by index; fresh ones each time."""
        made = await self.service.do(
            "createBinaryParts",
            f"parts {{ {_PART} }}",
            binaryId=binary_id,
            parts=[
                {"index": part.index, "size": str(part.size), "hash": part.hash} for part in parts
            ],
        )
        return {part["index"]: part for part in made}

    async def _send_all(
        self, parts: Sequence[Piece], links: dict[int, Json], binary_id: str
    ) -> None:
        waiting = iter(parts)

        async def work() -> None:
            for part in waiting:
                await self._send(part, links[part.index], binary_id)

        workers = [asyncio.create_task(work()) for _ in range(self.parallel)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _send(self, part: Piece, link: Json, binary_id: str) -> None:
        """Sends one part until it has arrived. Raises Refused, Unreachable."""
        told = ""
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(min(0.25 * 2**attempt, 8.0))
                link = (await self._register(binary_id, [part]))[part.index]
            if link["state"] == "VALID":
                return
            going = _Attempt(part)
            try:
                status, told = await self._put(going, link)
            except Passing as passing:
                status, told = 0, str(passing)
            if status in (200, 201, 204):
                return
            self.progress.moved(-going.sent)
            # A link may be too old by now; whatever else is refused will be refused again.
            if status not in (0, 403):
                raise Refused(f"Part {part.index} was refused.", code=told)
        raise Unreachable(f"Part {part.index} can't be sent: {told}.")

    async def _put(self, going: _Attempt, link: Json) -> tuple[int, str]:
        headers = {one["name"]: one["value"] for one in link["uploadHeaders"]}
        headers["Content-Length"] = str(going.part.size)
        async with self.service.request(
            link["uploadMethod"], link["uploadUrl"], data=self._bytes(going), headers=headers
        ) as answer:
            return answer.status, await _told(answer)

    async def _bytes(self, going: _Attempt) -> AsyncIterator[bytes]:
        part = going.part
        with self.source.path.open("rb") as file:
            file.seek(part.start)
            while going.sent < part.size:
                wanted = min(READ_AT_ONCE, part.size - going.sent)
                piece = await asyncio.to_thread(file.read, wanted)
                if not piece:
                    raise Ended(f"{self.source.path} became shorter while it was sent.")
                yield piece
                going.sent += len(piece)
                self.sent += len(piece)
                self.progress.moved(len(piece))


def _batches(parts: Sequence[Piece], size: int) -> Iterator[Sequence[Piece]]:
    for first in range(0, len(parts), size):
        yield parts[first : first + size]


async def _told(answer: Any) -> str:
    """The code of Bindery's own error, or the status of what another store says."""
    try:
        (error,) = (await answer.json(content_type=None))["errors"]
        return str(error["extensions"]["code"])
    except (ValueError, KeyError, TypeError):
        return f"it answers {answer.status}"
