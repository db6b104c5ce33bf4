"""The plan of `resolveUpdate`: what a device is answered, and the rows of its manifest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from app import database
from app.graphql import answers
from app.graphql.planner.builder import Builder, Declined, Run
from app.graphql.planner.steps import Arguments
from app.graphql.planner.views import ObjectView, RowView
from app.models import ArtifactVersion, Binary
from app.reads.statement import Statement
from app.rules.trace import Stretch

KEPT_STEPS: Final = 50_000
"""So many entries of traces are kept as written, those that were used last; some 20 MB."""


class EntryView(RowView):
    """The row of a binary that stands in a manifest: its artifact is that of its version."""

    def to_one(self, model: Any, by: str) -> RowView | None:
        """The row that a column names, joined; the binary is the row itself."""
        if by == "id":
            return RowView(self.statement, model)
        if by == "artifact_id":
            version = super().to_one(ArtifactVersion, "artifact_version_id")
            return version and version.to_one(model, by)
        return super().to_one(model, by)


@dataclass
class Manifest:
    """The rows of a manifest's binaries, in its order; one statement for all manifests."""

    statement: Statement
    builder: Builder
    calls: ClassVar = False

    def __post_init__(self) -> None:
        self.place = self.statement.id("t.id")

    async def load(self, run: Run, sources: Sequence[answers.UpdateTold]) -> Sequence[Any]:
        """The entries of each answer. Declines where a binary is not there any more."""
        wanted = [[str(one.binary_id) for one in told.answer.manifest] for told in sources]
        ids = list(dict.fromkeys(id for entries in wanted for id in entries))
        bound = [run.context.organization_id, ids]
        rows = await database.fetch(self.statement.rows("id"), bound) if ids else ()
        built = await self.builder.build(run, rows)
        found = {row[self.place]: entry for row, entry in zip(rows, built, strict=True)}
        if len(found) < len(ids):
            raise Declined("null")
        return [[found[id] for id in entries] for entries in wanted]


class Rendered:
    """What plans have made of stretches of traces, as long as it is used."""

    def __init__(self, *, kept_steps: int = KEPT_STEPS) -> None:
        self._kept_steps = kept_steps
        self._kept: OrderedDict[tuple[Stretch, Builder], list[Any]] = OrderedDict()
        self._steps = 0

    async def of(self, builder: Builder, run: Run, told: answers.UpdateTold) -> list[Any]:
        """The answer's stretch as a builder writes it, which is the same for each device."""
        key = told.answer.passed, builder
        found = self._kept.get(key)
        if found is None:
            found = await builder.build(run, told.told(told.answer.passed.steps))
            self._keep(key, found)
        else:
            self._kept.move_to_end(key)
        return found

    def _keep(self, key: tuple[Stretch, Builder], made: list[Any]) -> None:
        self._steps += len(made) - len(self._kept.pop(key, ()))
        self._kept[key] = made
        while self._steps > self._kept_steps:
            _, gone = self._kept.popitem(last=False)
            self._steps -= len(gone)


_rendered = Rendered()


@dataclass
class Trace:
    """The traces of answers. Where nothing has to be read for it, what is passed over is kept."""

    builder: Builder
    calls: ClassVar = False

    async def load(self, run: Run, sources: Sequence[answers.UpdateTold]) -> Sequence[Any]:
        """The entries of each answer."""
        if self.builder.steps:
            whole = [told.told(told.answer.trace) for told in sources]
            built = iter(await self.builder.build(run, [one for each in whole for one in each]))
            return [[next(built) for _ in each] for each in whole]
        return [await self._told(run, told) for told in sources]

    async def _told(self, run: Run, told: answers.UpdateTold) -> list[Any]:
        passed = await _rendered.of(self.builder, run, told)
        judged = told.told(told.answer.trace[len(passed) :])
        return [*passed, *await self.builder.build(run, judged)]


def trace(compiler: Any, field: Any) -> Trace:
    """How a trace is read."""
    type_, grouped = compiler.selected(field.core.type, field.details)
    return Trace(compiler.built(type_, grouped, ObjectView()))


@dataclass
class Update:
    """The read of `resolveUpdate`."""

    arguments: Arguments
    builder: Builder
    calls: ClassVar = False

    async def load(self, run: Run, sources: Sequence[Any]) -> Sequence[Any]:
        """What the device is answered. Raises what the resolver does."""
        given, context = self.arguments(run), run.context
        id = answers.asking_for(context, given["device_id"])
        found = await answers.asked(context, [id])
        reported = given.get("reported")
        sent = reported.read() if reported else None
        told = await answers.resolved(context, found.get(id), sent, "deviceId")
        return await self.builder.build(run, [told] * len(sources))


def update(compiler: Any, field: Any) -> Update:
    """How a device's update is read."""
    type_, grouped = compiler.selected(field.core.type, field.details)
    return Update(compiler.arguments(field, True), compiler.built(type_, grouped, ObjectView()))


def manifest(compiler: Any, field: Any) -> Manifest:
    """How a manifest is read."""
    statement = Statement(Binary, compiler.postgres)
    type_, grouped = compiler.selected(field.core.type, field.details)
    return Manifest(statement, compiler.built(type_, grouped, EntryView(statement, Binary)))
