"""Holds a server against the specifications: `python -m tests.conformance.main`.

A fresh `bindery serve` answers the audits of graphql-http, and then our own checks beyond them; the
example operations become TypeScript, which has to compile. Exit status 1: something failed.
"""

# ruff: noqa: T201 - A program, and what it prints is its result.

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.conformance.checks import CHECKS
from tests.conformance.wire import Wire
from tests.journeys.checks import Failed
from tests.journeys.server import Place, Running

AUDITS: Final = 61
FOLDER: Final = Path(__file__).parent


class Tally:
    """What passed, and what did not; each failure is printed as it is found."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def add(self, what: str, problem: str | None) -> None:
        """Counts one check; `problem` says why it failed."""
        if problem is None:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED  {what}: {problem}", flush=True)


def audit(place: Place, tally: Tally) -> None:
    """The audits of graphql-http; fewer of them than there were would be a failure too."""
    environment = {**os.environ, "URL": f"{place.url}/graphql", "KEY": place.key}
    found = json.loads(_node("audit.mjs", environment))
    for one in found:
        tally.add(one["name"], one["problem"])
    good = sum(one["problem"] is None for one in found)
    if len(found) != AUDITS:
        tally.add("graphql-http", f"it has {len(found)} audits, expected were {AUDITS}.")
    print(f"graphql-http audits: {good} of {AUDITS}", flush=True)


def check(place: Place, tally: Tally) -> None:
    """Our own checks."""
    wire = Wire(place.url, place.key)
    before = tally.passed
    for what, run in CHECKS:
        try:
            run(wire)
        except Failed as failure:
            tally.add(what, str(failure))
        except (OSError, KeyError) as error:
            tally.add(what, repr(error))
        else:
            tally.add(what, None)
    print(f"own checks: {tally.passed - before} of {len(CHECKS)}", flush=True)


def types(tally: Tally) -> None:
    """TypeScript of schema and example operations."""
    try:
        said = _node("types.mjs", dict(os.environ))
    except Failed as failure:
        tally.add("TypeScript of the example operations", str(failure))
    else:
        tally.add("TypeScript of the example operations", None)
        print(said.strip(), flush=True)


def _node(script: str, environment: dict[str, str]) -> str:
    """What a script prints. Raises Failed where it fails."""
    done = subprocess.run(
        ["node", str(FOLDER / script)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failed(f"{script} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> int:
    """Runs everything; gives the exit status."""
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="bindery-conformance-") as folder:
        running = Running(Path(folder))
        try:
            with running.started(running.create_key()) as place:
                audit(place, tally)
                check(place, tally)
                running.stop()
        except Failed as failure:
            tally.add("the server", f"{failure}\n{running.log}")
        # A traceback would mean that some answer above was right by luck.
        if "Traceback" in running.log:
            tally.add("the server's log", running.log)
    types(tally)
    print(f"{tally.passed} passed, {tally.failed} failed", flush=True)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
