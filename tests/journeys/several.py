"""Two servers and two workers on one PostgreSQL and one bucket, of which two are killed."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.buckets import CREDENTIALS
from tests.journeys import rollout, upload, verification
from tests.journeys.alternating import Alternating, Doom
from tests.journeys.checks import Failed, equal, true
from tests.journeys.client import Api, connected
from tests.journeys.journey import Journey
from tests.journeys.observed import Bucket
from tests.journeys.sample import MIB
from tests.journeys.server import (
    HOST,
    READY_SECONDS,
    Place,
    Started,
    command,
    free_port,
    kill,
    new_key,
    spawned,
    stopped,
    wait_until_ready,
)

LEASE_SECONDS: Final = 3
"""How soon the work of a killed process is another's."""
_EACH: Final = 2
_WORKS: Final = "Bindery works for "


@dataclass
class Several:
    """Each process has a data directory of its own: nothing but database and bucket is shared."""

    folder: Path
    database: str
    endpoint: str
    bucket: str
    killed: list[str] = field(default_factory=list, init=False)
    """The names of the processes that were killed."""
    _secret: str = field(default_factory=lambda: secrets.token_hex(32), init=False)
    _processes: dict[str, Started] = field(default_factory=dict, init=False)
    _transport: Alternating | None = field(default=None, init=False)

    @property
    def log(self) -> str:
        """All that the processes have said, one after the other."""
        return "\n".join(
            f"{path.stem}:\n{path.read_text(errors='replace')}"
            for path in sorted(self.folder.glob("*.log"))
        )

    def create_key(self) -> str:
        """A key of a new organization."""
        return new_key(self.folder / "operator", self.database)

    @contextmanager
    def started(self, key: str) -> Iterator[Place]:
        """Serves and works until the block is left, however that is."""
        urls = [f"http://{HOST}:{free_port()}" for _ in range(_EACH)]
        try:
            for number, url in enumerate(urls, 1):
                self._serve(number, url)
                self._start(f"worker-{number}", ("worker",))
            for number, url in enumerate(urls, 1):
                wait_until_ready(self._processes[f"server-{number}"], url)
            self._wait_for_workers()
            self._transport = Alternating(urls)
            with connected(urls[0]) as second:
                watcher = Api(second, key)
                yield Place(
                    urls[0],
                    key,
                    bucket=Bucket(self.endpoint, self.bucket),
                    transport=self._transport,
                    during=lambda step, journey: self._during(step, journey, watcher),
                )
        finally:
            for process in self._processes.values():
                kill(process)

    def stop(self) -> str:
        """Ends what is left in peace, and tells what was killed."""
        assert self._transport is not None
        equal("The processes killed", len(self.killed), 2)
        for name, process in self._processes.items():
            if process.poll() is None:
                stopped(process, name, (self.folder / f"{name}.log").read_text())
        counts = ", ".join(map(str, self._transport.answered.values()))
        return (
            f"{' and '.join(self.killed)} were killed; the servers answered {counts} requests,"
            f" {self._transport.again} were sent again"
        )

    def _settings(self) -> Mapping[str, str]:
        return {
            **CREDENTIALS,
            "BINDERY_CONTENT": f"s3://{self.bucket}/content",
            "BINDERY_S3_ENDPOINT": self.endpoint,
            # The journey's client takes what a server answers to an upload, and looks at it.
            "BINDERY_S3_DIRECT": "false",
            "BINDERY_SECRET": self._secret,
            "BINDERY_WORKER": "false",
            "BINDERY_LEASE_SECONDS": str(LEASE_SECONDS),
        }

    def _serve(self, number: int, url: str) -> None:
        listen = ("--host", HOST, "--port", url.rpartition(":")[2])
        self._start(f"server-{number}", ("serve", *listen))

    def _start(self, name: str, line: tuple[str, ...]) -> None:
        self._processes[name] = spawned(
            command(*line, data=self.folder / name, on=self.database),
            log=self.folder / f"{name}.log",
            settings=self._settings(),
        )

    def _wait_for_workers(self) -> None:
        logs = [self.folder / f"worker-{number}.log" for number in range(1, _EACH + 1)]
        _until(
            lambda: all(_WORKS in log.read_text() for log in logs), "The workers' start", pause=0.05
        )

    def _during(
        self, step: Callable[..., object], journey: Journey, watcher: Api
    ) -> AbstractContextManager[object]:
        if step is upload.in_parallel:
            return self._server_killed()
        if step is verification.hashed:
            return self._worker_killed(journey, watcher)
        if step is rollout.bundle:
            self._come_back()
        return nullcontext()

    @contextmanager
    def _server_killed(self) -> Iterator[None]:
        """The second server is killed in the midst of the uploads that it takes."""
        assert self._transport is not None
        url = list(self._transport.answered)[1]
        self._transport.doom = doom = Doom(url, 40 * MIB, lambda: self._kill("server-2"))
        yield
        true(doom.happened, "The uploads were over before a server was killed.")

    def _come_back(self) -> None:
        """The killed server is started anew, as whatever watches over it does."""
        assert self._transport is not None
        url = list(self._transport.answered)[1]
        self._serve(2, url)
        wait_until_ready(self._processes["server-2"], url)
        self._transport.take_back(url)

    @contextmanager
    def _worker_killed(self, journey: Journey, watcher: Api) -> Iterator[None]:
        """The worker that hashes is killed in the midst of it, and the other one begins anew."""
        used = {name: self._cpu(name) for name in ("worker-1", "worker-2")}

        def watch() -> None:
            _until(lambda: self._hashes(journey, watcher), "The beginning of the hashing", pause=0)
            self._kill(max(used, key=lambda name: self._cpu(name) - used[name]))

        thread = threading.Thread(target=watch)
        thread.start()
        yield
        thread.join()
        true(
            journey.attempts > 1, f"The hashing took {journey.attempts} attempt, nobody took over."
        )

    def _hashes(self, journey: Journey, watcher: Api) -> bool:
        """Whether the content is read, and how far is known."""
        found = watcher.binary(journey.specific.id, "verification { bytesHashed }")
        return int((found["verification"] or {}).get("bytesHashed", 0)) > 0

    def _cpu(self, name: str) -> int:
        """The ticks that a process has worked, as Linux counts them."""
        stat = (Path("/proc") / str(self._processes[name].pid) / "stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def _kill(self, name: str) -> None:
        kill(self._processes[name])
        self.killed.append(name)


def _until(condition: Callable[[], bool], what: str, *, pause: float) -> None:
    end = time.monotonic() + READY_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"{what} took more than {READY_SECONDS:.0f} seconds.")
        time.sleep(pause)
