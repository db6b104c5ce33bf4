"""How a selection's answers are made: what it has to read, and a generated function that writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol
from uuid import UUID

from app.graphql.context import Context
from app.graphql.planner.views import Names
from app.rules.prn import Kind, prefix


class Declined(Exception):
    """The reference executor has to answer; the message says why, in a word or two."""


class Run:
    """One execution of a plan: who asks, and with which variables."""

    def __init__(self, context: Context, variables: Any, *, postgres: bool) -> None:
        self.context = context
        self.variables = variables
        self.postgres = postgres
        self.info = SimpleNamespace(context=context)
        """What a resolver gets of graphql-core: those of this schema look at the context alone."""

    def id(self, value: UUID) -> UUID | str:
        """An id as the rows of a statement have it."""
        return value if self.postgres else str(value)

    def prefix(self, kind: Kind) -> str:
        """The resource names of a kind in this organization, but for the uuid at their end."""
        return prefix(kind, self.context.organization_id)


class Step(Protocol):
    """One read for all sources of a selection; `calls` says that resolvers do it."""

    @property
    def calls(self) -> bool: ...

    async def load(self, run: Run, sources: Sequence[Any]) -> Sequence[Any]:
        """One finished value for each source, in their order. Raises Declined."""


@dataclass
class Builder:
    """One selection: its steps, and the source of an answer, of which `r` is what it is made of."""

    names: Names = field(default_factory=Names)
    steps: list[Step] = field(default_factory=list)
    kinds: dict[Kind, str] = field(default_factory=dict)
    make: Callable[..., list[Any]] | None = None

    def step(self, step: Step) -> str:
        """Adds a step; gives the name of its value for `r`."""
        self.steps.append(step)
        return f"v{len(self.steps) - 1}"

    def kind(self, kind: Kind) -> str:
        """The name of a kind's prefix."""
        return self.kinds.setdefault(kind, f"k{len(self.kinds)}")

    def function(self, expression: str) -> Callable[[Any], Any]:
        """A function of one source."""
        made: Callable[[Any], Any] = eval(f"lambda r: {expression}", self.names)  # noqa: S307
        return made

    def finish(self, expression: str) -> Builder:
        """Generates the function: a list of answers from sources and the values of the steps."""
        values = [f"v{place}" for place in range(len(self.steps))]
        each = f"r, {', '.join(values)}" if values else "r"
        among = f"zip(rows, {', '.join(values)})" if values else "rows"
        given = ", ".join(["rows", *self.kinds.values(), *values])
        text = f"lambda {given}: [{expression} for {each} in {among}]"
        self.make = eval(text, self.names)  # noqa: S307
        return self

    async def build(self, run: Run, sources: Sequence[Any]) -> list[Any]:
        """The answer of each source, in their order. Raises Declined, and what a resolver does."""
        if not sources:
            return []
        assert self.make is not None
        values = await self._load(run, sources)
        return self.make(sources, *map(run.prefix, self.kinds), *values)

    async def _load(self, run: Run, sources: Sequence[Any]) -> list[Sequence[Any]]:
        """The steps' values. Resolvers run side by side, so that their loaders fill one batch."""
        together = [step.load(run, sources) for step in self.steps if step.calls]
        called = iter(await asyncio.gather(*together) if together else ())
        return [
            next(called) if step.calls else await step.load(run, sources) for step in self.steps
        ]
