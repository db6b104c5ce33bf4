"""R10: one bit of stored content flips: it is not verified, not served whole, and found."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Final

import httpx

from tests.faults import checks
from tests.faults.clients import Stage, staged
from tests.faults.forked import Plant, asked, command
from tests.faults.stored import Stored, created
from tests.journeys.checks import Failed
from tests.journeys.client import Api
from tests.soak.turn import Turn

LARGEST: Final = 3_000_000


def play(turn: Turn) -> None:
    """One bit in each case: before the content is verified, or after it was signed."""
    flipped(turn)


def flipped(turn: Turn, *, plant: Plant | None = None) -> None:
    """What `play` does, with a bug planted."""
    with tempfile.TemporaryDirectory(prefix="bindery-flips-") as name:
        folder = Path(name)
        try:
            with asked(folder, plant=plant) as (_, api):
                stage = staged(api)
                for number in turn.cases():
                    check = _before if number % 2 == 0 else _after
                    for one in check(api, stage, folder / "data", turn.random(number)):
                        turn.find(number, one)
                    if turn.found:
                        return
        except Failed as failed:
            turn.find(turn.next, str(failed))


def _before(api: Api, stage: Stage, data: Path, chance: random.Random) -> list[str]:
    """What is wrong when a bit flips between the upload and the hashing."""
    one, file = _uploaded(api, stage, data, chance)
    flip(file, chance)
    api.do("finishBinaryUpload", "binary { id }", binaryId=one.id)
    api.do("startBinaryHashing", "binary { id }", binaryId=one.id)

    def look() -> tuple[str, bool]:
        binary = api.binary(one.id, "state verification { status }")
        status: str = (binary["verification"] or {}).get("status") or ""
        return status, status in ("FAILED", "PASSED")

    status = checks.within(look)
    api.do("resetBinary", "binary { id }", binaryId=one.id)
    return [] if status == "FAILED" else [f"other bytes were verified: {status}"]


def _after(api: Api, stage: Stage, data: Path, chance: random.Random) -> list[str]:
    """What is wrong when a bit flips in what was signed."""
    one, file = _uploaded(api, stage, data, chance)
    one.hash(api)
    url = one.sign(api, stage)
    flip(file, chance)
    found = []
    try:
        answer = api.http.get(url)
        if answer.status_code == 200:
            found.append("other bytes were downloaded to their end")
    except httpx.TransportError:
        pass
    status, said = command("fsck", "--deep", "--json", "--data", str(data))
    codes = [finding["code"] for finding in json.loads(said)["findings"]]
    if (status, len(codes)) != (1, 1):
        found.append(f"fsck --deep ends with {status}, and tells {codes}")
    one.destroy(api)
    one.erased(api)
    return found


def _uploaded(api: Api, stage: Stage, data: Path, chance: random.Random) -> tuple[Stored, Path]:
    content = chance.randbytes(chance.randint(1, LARGEST))
    known = set((data / "blobs").glob("??/*"))
    one = created(api, stage, target=f"f-{chance.getrandbits(60):x}", content=content)
    one.upload(api)
    (file,) = set((data / "blobs").glob("??/*")) - known
    return one, file


def flip(file: Path, chance: random.Random) -> None:
    """Turn one bit of a file."""
    with file.open("r+b") as opened:
        at = chance.randrange(file.stat().st_size)
        opened.seek(at)
        (byte,) = opened.read(1)
        opened.seek(at)
        opened.write(bytes([byte ^ 1 << chance.randrange(8)]))
