"""Plays the journey again where one machine is not enough; its steps are the same.

`python -m tests.journeys.scale` plays it on PostgreSQL and the disk, and then on PostgreSQL and a
bucket with two servers and two workers, one of each killed on the way. Exit status 1: a step
failed.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path
from typing import Final
from uuid import uuid4

from tests.buckets import make_bucket, serving
from tests.databases import embedded
from tests.journeys.main import end, played
from tests.journeys.report import Report
from tests.journeys.server import House, Running
from tests.journeys.several import Several

MEBIBYTES: Final = 320
"""The least size of the content."""


def main() -> int:
    """Both journeys; the exit status."""
    signal.signal(signal.SIGTERM, end)
    return _on_disk() or _in_bucket()


def _on_disk() -> int:
    with tempfile.TemporaryDirectory(prefix="bindery-journey-") as name, embedded() as database:
        return _played("PostgreSQL and the disk", Running(Path(name), database))


def _in_bucket() -> int:
    bucket = f"bindery-{uuid4().hex}"
    with (
        tempfile.TemporaryDirectory(prefix="bindery-journey-") as name,
        embedded() as database,
        serving() as endpoint,
    ):
        make_bucket(endpoint, bucket)
        several = Several(Path(name), database, endpoint, bucket)
        return _played("PostgreSQL and a bucket, two servers, two workers", several)


def _played(on: str, house: House) -> int:
    print(f"\nThe journey on {on}:", flush=True)
    return played(Report(), house, mebibytes=MEBIBYTES)


if __name__ == "__main__":
    sys.exit(main())
