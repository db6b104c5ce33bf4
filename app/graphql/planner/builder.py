"""How a selection's answers are made: what it has to read, and a generated function that writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NoReturn, Protocol

from app.graphql.context import Context
from app.graphql.planner.views import Names
from app.rules.prn import Kind, prefix


class Declined(Exception):
    """The reference executor has to answer; the message says why, in a word or two."""


class Run:
    """One execution of a plan: who asks, and with which variables."""

    def __init__(self, context: Context, variables: Any) -> None:
        self.context = context
        self.variables = variables
        self.info = SimpleNamespace(context=context)
        """What a resolver gets of graphql-core: those of this schema look at the context alone."""


class Step(Protocol):
    """One read for all sources of a selection; `calls` says that resolvers do it."""

    @property
    def calls(self) -> bool: ...

    async def load(self, run: Run, sources: Sequence[Any]) -> Sequence[Any]:
        """One finished value for each source, in their order. Raises Declined."""


@dataclass(eq=False)
class Builder:
    """One selection: its steps, and the function that writes an answer from each source `r`."""

    names: Names = field(default_factory=Names)
    steps: list[Step] = field(default_factory=list)
    kinds: dict[Kind, str] = field(default_factory=dict)
    make: Callable[..., list[Any]] = list

    def step(self, step: Step) -> str:
        """Adds a step; gives the name of its value for `r`."""
        self.steps.append(step)
        return f"v{len(self.steps) - 1}"

    def prefix(self, kind: Kind) -> str:
        """The name of what resource names of a kind begin with."""
        return self.kinds.setdefault(kind, f"k{len(self.kinds)}")

    def declining(self, reason: str) -> str:
        """The source of what declines once an answer gets to it."""
        return f"{self.names.add(_decline)}({reason!r})"

    def function(self, expression: str) -> Callable[[Any], Any]:
        """A function of one source."""
        made: Callable[[Any], Any] = eval(f"lambda r: {expression}", self.names)  # noqa: S307
        return made

    def finish(self, expression: str) -> Builder:
        """Generates the function: a list of answers from sources and the values of the steps."""
        values = [f"v{place}" for place in range(len(self.steps))]
        each, among = ", ".join(["r", *values]), ", ".join(["rows", *values])
        given = ", ".join(["rows", *self.kinds.values(), *values])
        text = (
            f"lambda {given}: [{expression} for {each} in {f'zip({among})' if values else among}]"
        )
        self.make = eval(text, self.names)  # noqa: S307
        return self

    async def build(self, run: Run, sources: Sequence[Any]) -> list[Any]:
        """The answer of each source, in their order. Raises Declined, and what a resolver does."""
        if not sources:
            return []
        # Resolvers run side by side, so that their loaders fill one batch.
        together = [step.load(run, sources) for step in self.steps if step.calls]
        called = iter(await asyncio.gather(*together) if together else ())
        values = [
            next(called) if step.calls else await step.load(run, sources) for step in self.steps
        ]
        organization_id = run.context.organization_id
        return self.make(sources, *(prefix(kind, organization_id) for kind in self.kinds), *values)


def _decline(reason: str) -> NoReturn:
    raise Declined(reason)
