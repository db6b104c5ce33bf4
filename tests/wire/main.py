"""Holds a real server's connections half open, and prints how good requests fare meanwhile.

`python -m tests.wire.main`; exit status 1: a figure is not as it must be.
"""

# ruff: noqa: T201 - A program, and what it prints is its result.

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import urllib.parse
from pathlib import Path

import httpx

from tests.api import Api
from tests.journeys.checks import Failed
from tests.journeys.server import Place, Running
from tests.wire.half_open import CLOSED_SECONDS, GOOD_SECONDS, Figures, Kind, kinds, measure

CONTENT = b"x" * 100_000


def main() -> int:
    """Measures; gives the exit status."""
    chosen = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="bindery-half-open-") as folder:
        running = Running(Path(folder))
        try:
            with running.started(running.create_key()) as place:
                figures, kinds = asyncio.run(held(place, chosen.connections, chosen.seconds))
                missed = figures.missed(kinds)
                print("\n".join(figures.lines()))
                print(f"after them: {running.stop()}")
        except Failed as failure:
            print(f"{failure}\n{running.log}")
            return 1
    print(
        "\n".join(missed)
        or f"as it must be: p99 at most {GOOD_SECONDS} s, closed within {CLOSED_SECONDS:.0f} s"
    )
    return 1 if missed else 0


async def held(place: Place, connections: int, seconds: float) -> tuple[Figures, list[Kind]]:
    """One run against a server."""
    found = urllib.parse.urlsplit(place.url)
    assert found.hostname is not None
    assert found.port is not None
    async with httpx.AsyncClient(base_url=place.url, trust_env=False) as http:
        api = Api(http, place.key)
        binary = await api.binary(await api.version(), CONTENT)
        chosen = kinds(
            key=place.key,
            upload_path=binary["parts"][0]["uploadUrl"],
            upload_size=len(CONTENT),
        )
        figures = await measure(
            found.hostname,
            found.port,
            key=place.key,
            kinds=chosen,
            connections=connections,
            seconds=seconds,
        )
    return figures, chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.wire.main", description=__doc__)
    parser.add_argument("--connections", type=int, default=1000, help="at once (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="for so long (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
