"""The schema, put together."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from copy import copy
from typing import Any

import strawberry
from graphql import DirectiveLocation, GraphQLDirective, GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StreamResult
from strawberry.tools import create_type
from strawberry.types.execution import ExecutionContext, PreExecutionError

from app import tracing
from app.graphql import (
    access,
    artifact,
    binary,
    device,
    organization,
    product,
    release,
    signature,
    webhook,
)
from app.graphql.errors import ERRORS, told
from app.graphql.gate import Gate, kind_of, label
from app.graphql.queries import Query
from app.graphql.scalars import SCALARS
from app.graphql.subscriptions import Subscription
from app.graphql.types import NODES


class Schema(strawberry.Schema):
    """Tells errors in one place, for every way in which they come up."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Replaces each error, in place, by what may leave the server."""
        context = execution_context.context if execution_context else None
        errors[:] = [told(error, context) for error in errors]
        if context is not None:
            for error in errors:
                context.server.metrics.error("graphql", str((error.extensions or {})["code"]))

    async def stream(  # type: ignore[override]
        self, query: str | None, **options: Any
    ) -> StreamResult:
        """An operation's results, one by one; what stops it before the first is one of them."""
        results = await super().stream(query, **options)

        async def safe() -> AsyncGenerator[Any, None]:
            async with aclosing(results):
                try:
                    async for result in results:
                        yield result
                except GraphQLError as error:
                    refused = told(error, options.get("context_value"))
                    yield PreExecutionError(data=None, errors=[refused])

        if not tracing.wanted() or query is None:
            return safe()
        name, limits = options.get("operation_name"), options["context_value"].limits
        kind = kind_of(query, name, limits)
        if kind is None:
            return safe()
        return tracing.stream(safe(), kind, label(self._schema, query, name, limits))


Mutation: Any = create_type(
    "Mutation",
    [
        field
        for noun in (
            product,
            device,
            artifact,
            binary,
            signature,
            release,
            access,
            webhook,
            organization,
        )
        for field in noun.MUTATIONS
    ],
    description="Everything that can be done. Each mutation is one transaction.",
)


def _built(*, in_order: bool) -> Schema:
    built = Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[*NODES, *ERRORS],
        extensions=[Gate],
        config=StrawberryConfig(scalar_map=SCALARS, sort_schema=in_order),
    )
    built._schema.directives = tuple(map(_as_published, built._schema.directives))
    return built


def _as_published(directive: GraphQLDirective) -> GraphQLDirective:
    """A directive where the specification has it.

    graphql-core already tells of a place that is a draft's, and a client that reads the schema
    fails at a place it does not know.
    """
    found = copy(directive)
    draft = DirectiveLocation.DIRECTIVE_DEFINITION
    found.locations = tuple(place for place in directive.locations if place is not draft)
    return found


schema = _built(in_order=False)
"""The schema that executes. A sorted one would hand plain strings to resolvers, not enums."""


def sdl() -> str:
    """The schema as text, sorted: what `schema.graphql` holds."""
    return _built(in_order=True).as_str() + "\n"
