"""Which plan answers an operation: the plans that are kept, and what is declined."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    get_variable_values,
    visit,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.language import Visitor
from strawberry.types import ExecutionResult

from app import database
from app.graphql.context import Context
from app.graphql.gate import KEPT, Gate, Prepared, parsed, validated
from app.graphql.guard import Guard
from app.graphql.planner.builder import Builder, Declined, Run
from app.graphql.planner.compiler import Compiler, variables_in
from app.graphql.schema import Schema
from app.graphql.transport import Operation
from app.rules.access import Role
from app.rules.errors import BinderyError

T = TypeVar("T")

log = logging.getLogger("bindery.planner")
VARIANTS = 32
"""So many plans, and so many costs, are kept of one operation."""
_QUERY = object()


class Planner:
    """Answers queries by plans, and declines what the reference executor has to answer."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._known = lru_cache(KEPT)(self._look_at)

    async def answer(self, operation: Operation, context: Context) -> ExecutionResult | None:
        """The answer, or None where it declines.

        It declines whatever has an error in it, so that errors have one source.
        """
        spent, before = context.spent, context.spent.cost if context.spent else 0
        try:
            result = await self._answer(operation, context)
        except Declined as declined:
            reason = str(declined)
        except (BinderyError, GraphQLError):
            reason = "refused"
        except Exception:
            log.exception("request %s: the plan failed", context.actor.request_id)
            reason = "failed"
        else:
            context.server.metrics.plans.planned()
            return result
        context.server.metrics.plans.declined(reason)
        if spent:
            spent.cost = before
        return None

    async def _answer(self, operation: Operation, context: Context) -> ExecutionResult:
        if context.actor.role is Role.DEVICE:
            raise Declined("device key")
        known = self._known(operation.query, operation.name)
        if isinstance(known, str):
            raise Declined(known)
        # The guard comes before all that takes time by the size of what was sent.
        cost, label = known.measure(self._schema, operation.variables or {})
        variables = get_variable_values(
            self._schema._schema,
            known.operation.variable_definitions or (),
            operation.variables or {},
            max_errors=1,
        )
        if isinstance(variables, list):
            raise Declined("variables")
        if context.spent:
            # A field of the answer tells what was spent, this operation included.
            context.spent.cost += cost
        postgres = database.dialect(database.reader()) == "postgres"
        context.limit_time()
        plan = self._plan(known, variables, context, postgres=postgres)
        (data,) = await plan.build(Run(context, variables, postgres=postgres), [_QUERY])
        context.server.metrics.operation(label, cost=cost)
        context.label = label
        return ExecutionResult(data, None, {"cost": {"requested": cost, "limit": Gate.limits.cost}})

    def _plan(self, known: Known, variables: Any, context: Context, *, postgres: bool) -> Builder:
        key = (postgres, *(variables.coerced.get(name) for name in known.conditions))
        plan = known.plans.get(key)
        if plan is not None:
            context.server.metrics.plans.cache_hit()
            return plan
        compiler = Compiler(
            self._schema, known.operation, known.fragments, variables, postgres=postgres
        )
        return _keep(known.plans, key, compiler.plan())

    def _look_at(self, text: str, name: str | None) -> Known | str:
        """What is to be known of a document's operation; or why none of its plans can be."""
        if len(text) > Gate.limits.characters:
            return "refused"
        try:
            document = parsed(text, Gate.limits.tokens)
            operation = Prepared(document, ()).operation(name)
        except GraphQLError:
            return "invalid"
        if operation.operation is not OperationType.QUERY:
            return str(operation.operation.value)
        if validated(self._schema._schema, text, Gate.limits.tokens):
            return "invalid"
        fragments = {
            one.name.value: FragmentDetails(one)
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        conditions = _Conditions()
        visit(document, conditions)
        return Known(document, operation, fragments, sorted(conditions.names))


@dataclass
class Known:
    """A valid query that was looked at, and what is kept of it."""

    document: DocumentNode
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDetails]
    conditions: list[str]
    """The variables of its directives: a plan is for one set of their values."""
    plans: dict[Any, Builder] = field(default_factory=dict)
    measures: dict[Any, tuple[int, str]] = field(default_factory=dict)

    def measure(self, schema: Schema, variables: dict[str, Any]) -> tuple[int, str]:
        """The operation's cost, and its name among the metrics. Raises TooComplex.

        Both are kept by the variables that are numbers: the guard looks at these, and into lists.
        """
        plain = not any(isinstance(value, list | dict) for value in variables.values())
        key = tuple(
            (name, value if isinstance(value, int) else None) for name, value in variables.items()
        )
        if plain and key in self.measures:
            return self.measures[key]
        guard = Guard(schema._schema, self.document, variables)
        found = guard.check(self.operation, Gate.limits), guard.label(self.operation)
        return _keep(self.measures, key, found) if plain else found


def _keep(kept: dict[Any, T], key: Any, value: T) -> T:
    """Keeps a value, and not too many."""
    if len(kept) >= VARIANTS:
        kept.clear()
    kept[key] = value
    return value


class _Conditions(Visitor):
    """Finds the variables in directives."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        for argument in node.arguments or ():
            self.names |= variables_in(argument.value)
