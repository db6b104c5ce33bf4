"""An operator beside the polls: uploads a binary now and then, which the worker has to verify."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from bench.fleet.world import SECRET, Fleet
from bench.servers import Served
from tests.journeys.client import Api, connected

SIZE: Final = 1 << 20
PAUSE: Final = 1.0
PATIENCE: Final = 60.0


@dataclass
class Operator:
    """A client with the key of the fleet's operator, and how long each verification took."""

    api: Api
    fleet: Fleet
    seconds: list[float] = field(default_factory=list)

    @classmethod
    @contextlib.contextmanager
    def of(cls, server: Served, fleet: Fleet) -> Iterator[Operator]:
        """An operator who talks to this server."""
        url = f"http://127.0.0.1:{server.port}"
        with connected(url) as http:
            yield cls(Api(http, SECRET), fleet)

    def open_to_all(self) -> None:
        """Ends the phase of each cohort's latest release."""
        for id in self.fleet.latest():
            self.api.do("updateRelease", "release { id }", releaseId=id, phase=None)

    def upload(self, number: int) -> None:
        """Uploads a binary, and waits until it is verified."""
        content = os.urandom(SIZE)
        digest = hashlib.sha256(content).hexdigest()
        version = self.fleet.version(number)
        binary = self.api.do(
            "createBinary",
            "binary { id parts { uploadUrl } }",
            artifactVersionId=version,
            target=f"bench-upload-{number}",
            hash=digest,
            size=str(SIZE),
            parts=[{"index": 1, "size": str(SIZE), "hash": digest}],
        )
        self.api.http.put(binary["parts"][0]["uploadUrl"], content=content).raise_for_status()
        begun = time.monotonic()
        self.api.do(
            "finishBinaryUpload", "binary { state }", binaryId=binary["id"], startHashing=True
        )
        while time.monotonic() - begun < PATIENCE:
            if self.api.binary(binary["id"], "state")["state"] == "SIGNABLE":
                self.seconds.append(time.monotonic() - begun)
                return
            time.sleep(0.05)
        raise SystemExit(f"the worker did not verify a binary within {PATIENCE:.0f} s")

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Uploads one binary after the other while the block runs."""
        ends = threading.Event()
        first = len(self.seconds)

        def work() -> None:
            for number in itertools.count(first):
                if ends.wait(PAUSE):
                    return
                self.upload(number)

        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(work)
            try:
                yield
            finally:
                ends.set()
            working.result()
