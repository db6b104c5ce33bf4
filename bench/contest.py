"""Asks several servers the same questions by turns, after their answers were found equal."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from bench.figures import Run
from bench.load import Exchange, Load, ask, request, run
from bench.questions import Question
from bench.rows import SECRET, Data
from bench.servers import Cores, Served, cpu_seconds, database_cpu_seconds

WARM_SECONDS: Final = 0.3
_SIGNED: Final = re.compile(rb"\?[^\"]*\"")


class Different(SystemExit):
    """Two servers answer one question differently, so that their speeds can't be compared."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often each server is asked, and how long each time."""

    rounds: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Contest:
    """A data set and where it is asked about; `database_pid` is PostgreSQL's first process."""

    data: Data
    cores: Cores
    database_pid: int | None = None

    def held(
        self,
        question: Question,
        contenders: Sequence[Served],
        pace: Pace,
        *,
        checked: Sequence[Served] = (),
    ) -> dict[str, list[Run]]:
        """The runs of each contender: all of a round, then all of the next, in turned order.

        Those that are `checked` have to answer the same, and are not measured. Raises Different,
        BadAnswer.
        """
        os.sched_setaffinity(0, {self.cores.load})
        exchanges = self._exchanges(question, [*contenders, *checked])
        paces = {one.name: self._warmed(one, question, exchanges[one.name]) for one in contenders}
        runs: dict[str, list[Run]] = {one.name: [] for one in contenders}
        for number in range(pace.rounds):
            for one in contenders if number % 2 == 0 else reversed(contenders):
                load = functools.partial(
                    run,
                    one.port,
                    exchanges[one.name],
                    seconds=pace.seconds,
                    connections=min(question.connections, max(1, int(paces[one.name]))),
                )
                runs[one.name].append(self._run(one, load))
        return runs

    def _warmed(self, served: Served, question: Question, exchanges: Sequence[Exchange]) -> float:
        """Asks for a moment; gives how many answers come in a second."""
        load = run(served.port, exchanges, seconds=WARM_SECONDS, connections=1)
        if load.rate > question.connections:
            run(
                served.port,
                exchanges,
                seconds=WARM_SECONDS,
                connections=question.connections,
            )
        return load.rate

    def _run(self, served: Served, asked: Callable[[], Load]) -> Run:
        pid = self.database_pid
        before = cpu_seconds(served.pid), database_cpu_seconds(pid)
        load = asked()
        after = cpu_seconds(served.pid), database_cpu_seconds(pid)
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

    def _exchanges(
        self, question: Question, contenders: Sequence[Served]
    ) -> dict[str, list[Exchange]]:
        """What to send to each, and what has to come back. Raises Different."""
        bodies = question.bodies(self.data)
        found: dict[str, list[Exchange]] = {}
        told: list[bytes] = []
        for one in contenders:
            path = one.path_of(question.name)
            requests = [request(path, body, key=SECRET) for body in bodies]
            answers = [ask(one.port, sent) for sent in requests]
            found[one.name] = [
                Exchange(sent, len(answer)) for sent, answer in zip(requests, answers, strict=True)
            ]
            if one.name == "static":
                # It has one answer for whatever it is asked.
                answers = answers[:1]
            said = [meant(answer) for answer in answers]
            told = told or said
            for place, (mine, other) in enumerate(zip(said, told, strict=False)):
                if mine != other:
                    raise Different(
                        f"{question.name}, variant {place}: {one.name} and {contenders[0].name}"
                        f" differ:\n{mine[:2000]!r}\n{other[:2000]!r}"
                    )
        return found


def meant(answer: bytes) -> bytes:
    """The data of an answer, in one form; a signed URL's signature tells the time, and is left out.

    Raises Different where there is no data, or where it says nothing.
    """
    read = orjson.loads(answer)
    data = read.get("data") if isinstance(read, dict) else None
    if not data or "errors" in read or None in data.values():
        raise Different(f"an answer without data: {answer[:500]!r}")
    return _SIGNED.sub(b'"', orjson.dumps(data))
