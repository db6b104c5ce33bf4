"""What a question costs on a large data set, compared with a small one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bench import servers
from bench.contest import Contest, Pace, answered
from bench.figures import GROWTH, Figure, figure, ratios
from bench.questions import QUESTIONS
from bench.rows import Data
from bench.servers import Served


@contextlib.contextmanager
def sizes(urls: Mapping[str, str], folder: Path, *, core: int) -> Iterator[dict[str, Served]]:
    """A product server on each of several databases, by the name of its size."""
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(servers.product(name, url, folder, core=core, settings={}))
            for name, url in urls.items()
        }


def grown(
    contest: Contest, small: tuple[Data, Served], large: tuple[Data, Served], pace: Pace
) -> Iterator[Figure]:
    """How many times as long each question takes on the large one, by one connection at a time.

    Latency is what tells: more connections would tell how two processes share two cores.
    """
    contest.take_core()
    for question in QUESTIONS:
        alone = replace(question, connections=1)
        entrants = [
            contest.warmed(alone, answered(question, data, served), pace)
            for data, served in (small, large)
        ]
        runs = contest.by_turns(entrants, pace)
        few, many = (runs[served.name] for _, served in (small, large))
        longer = ratios(many, few, lambda run: run.p50)
        yield figure(question.name, "growth", longer, target=GROWTH, at_most=True)
        yield figure(question.name, "growth of CPU", ratios(many, few, lambda run: run.cpu))
