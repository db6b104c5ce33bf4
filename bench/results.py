"""Keeps figures between runs, so that a benchmark may be made in pieces and told as one."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.figures import Figure

KEPT = Path(".bench") / "figures.json"
"""Where the figures of the last full run are; not in the repository, as the page tells them."""
PACKAGES = ("strawberry-graphql", "starlette", "uvicorn", "asyncpg", "aiosqlite")


@dataclass(frozen=True, slots=True)
class Part:
    """The figures of one piece: a database, and what was measured on it."""

    database: str
    name: str
    data: str
    figures: tuple[Figure, ...]
    made: dict[str, str] = field(default_factory=dict)


def circumstances() -> dict[str, str]:
    """What a figure depends on beside the code: when, which commit, on what."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gib()} GiB,"
        f" {platform.system()} {platform.release().partition('-')[0]}",
        "versions": ", ".join(
            [
                f"Python {sys.version.partition(' ')[0]}",
                f"SQLite {sqlite3.sqlite_version}",
                *(f"{name} {version(name)}" for name in PACKAGES),
            ]
        ),
    }


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30))


def read(path: Path = KEPT) -> list[Part]:
    """The parts that are kept; none where nothing is."""
    if not path.exists():
        return []
    return [_part(one) for one in json.loads(path.read_text(encoding="utf-8"))]


def _part(told: dict[str, Any]) -> Part:
    figures = tuple(Figure(**one) for one in told["figures"])
    return Part(**{**told, "figures": figures})


def keep(parts: Iterable[Part], path: Path = KEPT) -> None:
    """Keeps parts, each in the place of the one of the same database and name."""
    new = {(one.database, one.name): one for one in parts}
    kept = {(one.database, one.name): one for one in read(path)} | new
    path.parent.mkdir(exist_ok=True)
    told = [asdict(one) for one in kept.values()]
    path.write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")
