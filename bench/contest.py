"""Asks several servers the same questions by turns, after their answers were found equal."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from bench.figures import Run
from bench.load import Exchange, ask, request, run
from bench.questions import Question
from bench.rows import SECRET, Data
from bench.servers import Cores, Served, cpu_seconds, database_cpu_seconds

_SIGNED: Final = re.compile(rb"\?[^\"]*\"")


class Different(SystemExit):
    """Two servers answer one question differently, so that their speeds can't be compared."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often each server is asked, how long each time, and how long before, uncounted."""

    rounds: int
    seconds: float
    warm: float = 0.3


@dataclass(frozen=True, slots=True)
class Entrant:
    """A server with what to send to it, what has to come back, and by how many connections."""

    served: Served
    exchanges: tuple[Exchange, ...]
    connections: int


@dataclass(frozen=True, slots=True)
class Contest:
    """Where servers are asked; `database_pid` is PostgreSQL's first process."""

    cores: Cores
    database_pid: int | None = None

    def held(
        self,
        question: Question,
        data: Data,
        contenders: Sequence[Served],
        pace: Pace,
        *,
        checked: Sequence[Served] = (),
    ) -> dict[str, list[Run]]:
        """The runs of each contender on one data set, by name.

        Those that are `checked` have to answer the same, and are not measured. Raises Different,
        BadAnswer.
        """
        self.take_core()
        answers = [answered(question, data, one) for one in (*contenders, *checked)]
        for told in answers[1:]:
            told.equals(answers[0])
        chosen = answers[: len(contenders)]
        entrants = [self.warmed(question, told, pace) for told in chosen]
        return self.by_turns(entrants, pace)

    def by_turns(self, entrants: Sequence[Entrant], pace: Pace) -> dict[str, list[Run]]:
        """The runs of each: all of a round, then all of the next, in turned order."""
        runs: dict[str, list[Run]] = {one.served.name: [] for one in entrants}
        for number in range(pace.rounds):
            for one in entrants if number % 2 == 0 else reversed(entrants):
                runs[one.served.name].append(self._run(one, pace.seconds))
        return runs

    def take_core(self) -> None:
        """Puts this process, which asks, on its core."""
        os.sched_setaffinity(0, {self.cores.load})

    def warmed(self, question: Question, told: Told, pace: Pace) -> Entrant:
        """Asks for a moment, and so finds how many connections a server is not slowed by.

        One that takes long over an answer gets fewer, or its runs would take much longer than
        they should; its one core has enough to do with them all the same.
        """
        port, exchanges = told.served.port, told.exchanges
        rate = run(port, exchanges, seconds=pace.warm, connections=1).rate
        enough = max(1, int(rate * pace.seconds / 2))
        entrant = Entrant(told.served, exchanges, min(question.connections, enough))
        if entrant.connections > 1:
            run(port, exchanges, seconds=pace.warm, connections=entrant.connections)
        return entrant

    def _run(self, one: Entrant, seconds: float) -> Run:
        pids = one.served.pid, self.database_pid
        before = cpu_seconds(pids[0]), database_cpu_seconds(pids[1])
        load = run(one.served.port, one.exchanges, seconds=seconds, connections=one.connections)
        after = cpu_seconds(pids[0]), database_cpu_seconds(pids[1])
        server_cpu, database_cpu = (
            (later - sooner) * 1_000 / load.requests
            for sooner, later in zip(before, after, strict=True)
        )
        return Run(
            rate=load.rate,
            p50=load.percentile(0.5),
            p99=load.percentile(0.99),
            server_cpu=server_cpu,
            database_cpu=database_cpu,
        )


@dataclass(frozen=True, slots=True)
class Told:
    """What a server answered to each variant of a question."""

    question: str
    served: Served
    exchanges: tuple[Exchange, ...]
    said: tuple[bytes, ...]

    def equals(self, other: Told) -> None:
        """Raises Different where another server's answers mean something else."""
        for place, (mine, theirs) in enumerate(zip(self.said, other.said, strict=False)):
            if mine != theirs:
                raise Different(
                    f"{self.question}, variant {place}: {self.served.name} and"
                    f" {other.served.name} differ:\n{mine[:2000]!r}\n{theirs[:2000]!r}"
                )


def answered(question: Question, data: Data, served: Served) -> Told:
    """Asks a server each variant once. Raises Different, BadAnswer."""
    path = served.path_of(question.name)
    sent = [request(path, body, key=SECRET) for body in question.bodies(data)]
    answers = [ask(served.port, one) for one in sent]
    exchanges = (Exchange(one, len(answer)) for one, answer in zip(sent, answers, strict=True))
    # Fixed bytes are the answer to the first variant alone.
    said: Iterable[bytes] = answers[:1] if served.fixed else answers
    return Told(question.name, served, tuple(exchanges), tuple(map(meant, said)))


def meant(answer: bytes) -> bytes:
    """The data of an answer, in one form; a signed URL's signature tells the time, and is left out.

    Raises Different where there is no data, or where it says nothing.
    """
    read = orjson.loads(answer)
    data = read.get("data") if isinstance(read, dict) else None
    if not data or "errors" in read or None in data.values():
        raise Different(f"an answer without data: {answer[:500]!r}")
    return _SIGNED.sub(b'"', orjson.dumps(data))
