"""Plays a binary's whole life against a real server, over HTTP alone, and times each step.

`python -m tests.journeys.main` starts a server of its own on SQLite; `--database URL` starts it on
another database, `--url` and `--key` take one that runs already. Exit status 1: a step failed.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from tests.journeys import catalog, destruction, download, rollout, upload, verification
from tests.journeys.client import Api, connected
from tests.journeys.journey import OWN_TARGET, PORTABLE, Journey, Stored
from tests.journeys.report import Report
from tests.journeys.sample import MIB, Sample, archive, small_file
from tests.journeys.server import House, Place, Running
from tests.journeys.signer import Signer

STEPS: Final[Sequence[tuple[str, Callable[[Journey], str]]]] = (
    ("create product, cohort, device", catalog.own_product),
    ("create a product of another target", catalog.other_product),
    ("create artifact and version", catalog.artifact_version),
    ("create two binaries", catalog.binaries),
    ("create the signing key", catalog.signing_key),
    ("upload in parallel, one part broken", upload.in_parallel),
    ("finish with gaps is refused", upload.gap),
    ("resume the upload", upload.resumed),
    ("finish the upload", upload.finished),
    ("look at the server's memory", upload.memory),
    ("hash, and watch it", verification.hashed),
    ("upload the portable binary", upload.portable),
    ("wait for its hashing", verification.also_hashed),
    ("a wrong signature is refused", verification.wrong_signature),
    ("sign with openssl", verification.signed),
    ("create the bundle", rollout.bundle),
    ("release it in both cohorts", rollout.releases),
    ("walk from the binary to its devices", rollout.graph),
    ("resolve binaries", rollout.resolved),
    ("resolve updates", rollout.offered),
    ("download, compare byte by byte", download.whole),
    ("download ranges", download.ranges),
    ("ask for the headers", download.head),
    ("a device polls and downloads", download.device),
    ("ask for the impact", destruction.impact),
    ("destroy without token is refused", destruction.unaccepted),
    ("look at the disk", destruction.on_disk),
    ("destroy", destruction.destroyed),
    ("the releases are no longer served", destruction.not_served),
    ("the URL is dead", destruction.url_is_dead),
    ("the content is gone from the disk", destruction.off_disk),
    ("the record is kept", destruction.record_kept),
    ("the events list its moves", destruction.events),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """One journey; its exit status."""
    chosen = _parser().parse_args(arguments)
    if bool(chosen.url) != bool(chosen.key):
        print("--url and --key belong together.", file=sys.stderr)
        return 2
    # A pipeline that runs out of time ends this with SIGTERM; the server must not stay.
    signal.signal(signal.SIGTERM, end)
    with tempfile.TemporaryDirectory(prefix="bindery-journey-") as name:
        running = Running(Path(name), chosen.database)
        place = Place(chosen.url, chosen.key) if chosen.url else None
        return played(Report(), running, place, mebibytes=chosen.mebibytes)


def played(report: Report, house: House, known: Place | None = None, *, mebibytes: int) -> int:
    """One journey through a house, or a place that is known already; its exit status."""
    try:
        _play(report, house, known, mebibytes)
    except Exception as failure:
        report.failed(failure, log=house.log)
        return 1
    report.table()
    return 0


def _play(report: Report, house: House, known: Place | None, mebibytes: int) -> None:
    big, small = report.step(
        "archive this Python installation",
        lambda: _samples(house.folder, least=mebibytes * MIB),
        tell=lambda samples: f"{samples[0].size} bytes in {len(samples[0].parts)} parts",
    )
    signer = Signer(house.folder)
    with (
        _place(report, house, known) as place,
        connected(place.url, place.transport) as http,
    ):
        journey = Journey(
            place,
            Api(http, place.key),
            signer,
            Stored(big, OWN_TARGET, {"board": "gateway", "revisions": [1, 2]}),
            Stored(small, PORTABLE, {"board": None}),
        )
        for title, run in STEPS:
            with place.during(run, journey):
                report.step(title, partial(run, journey), tell=str)
        report.rates = journey.rates
        if known is None:
            report.step("stop the server", house.stop, tell=str)


@contextmanager
def _place(report: Report, house: House, known: Place | None) -> Iterator[Place]:
    if known is not None:
        yield known
        return
    key = report.step("make a key", house.create_key, tell=lambda key: f"{len(key)} characters")
    begun = time.perf_counter()
    with house.started(key) as place:
        report.add("start the server", time.perf_counter() - begun, f"ready at {place.url}")
        yield place


def _samples(folder: Path, *, least: int) -> tuple[Sample, Sample]:
    return archive(folder / "python.tar", least=least), small_file(Path(os.__file__))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.journeys.main", description=__doc__)
    parser.add_argument("--database", help="the database's URL for the server that is started")
    parser.add_argument("--url", help="take the server at this address, and start none")
    parser.add_argument("--key", help="an ADMIN key of that server")
    parser.add_argument(
        "--mebibytes", type=int, default=320, help="least size of the content (%(default)s)"
    )
    return parser


def end(_signal: int, _frame: object) -> NoReturn:
    """Ends this program so that all that it started ends too."""
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
