"""Which plan answers an operation: the plans that are kept, and what is declined."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from graphql import (
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    get_variable_values,
)
from graphql.execution.collect_fields import FragmentDetails
from strawberry.types import ExecutionResult

from app import database
from app.graphql.context import Context
from app.graphql.gate import KEPT, chosen, measured, parsed, validated
from app.graphql.guard import Limits
from app.graphql.planner.builder import Builder, Declined, Run
from app.graphql.planner.compiler import Compiler
from app.graphql.schema import Schema
from app.graphql.transport import Operation
from app.graphql.variables import LONG, is_wide, variables_in
from app.rules.access import Role
from app.rules.refusal import BinderyError

log = logging.getLogger("bindery.planner")
VARIANTS = 32
"""So many plans are kept of one operation."""
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
        return None

    async def _answer(self, operation: Operation, context: Context) -> ExecutionResult:
        text, name, given = operation.query, operation.name, operation.variables or {}
        limits = context.limits
        asked = chosen(parsed(text, limits), name)
        if asked.operation is not OperationType.QUERY:
            raise Declined(asked.operation.value)
        # The guard comes before all that takes time by the size of what was sent.
        cost, label = measured(self._schema._schema, text, name, given, limits)
        known = self._known(text, name, limits)
        if known is None:
            raise Declined("invalid")
        if is_wide(given, elements=LONG):  # It would be read twice until it is refused.
            raise Declined("variables")
        declared = known.operation.variable_definitions or ()
        variables = get_variable_values(self._schema._schema, declared, given, max_errors=1)
        if isinstance(variables, list):
            raise Declined("variables")
        postgres = database.dialect(database.reader()) == "postgres"
        with context.let_in(label, cost=cost):
            plan = self._plan(known, variables, context, postgres=postgres)
            (data,) = await plan.build(Run(context, variables), [_QUERY])
        return ExecutionResult(data, None, {"cost": {"requested": cost, "limit": limits.cost}})

    def _plan(self, known: Known, variables: Any, context: Context, *, postgres: bool) -> Builder:
        device = context.actor.role is Role.DEVICE
        key = (postgres, device, *(variables.coerced.get(name) for name in known.conditions))
        plan = known.plans.get(key)
        if plan is not None:
            context.server.metrics.plans.cache_hit()
            return plan
        asked = (known.operation, known.fragments, variables)
        compiler = Compiler(self._schema, *asked, postgres=postgres, device=device)
        if len(known.plans) >= VARIANTS:
            known.plans.clear()
        known.plans[key] = plan = compiler.plan()
        return plan

    def _look_at(self, text: str, name: str | None, limits: Limits) -> Known | None:
        """What is to be known of a document's operation; None where it is not valid."""
        document = parsed(text, limits)
        operation = chosen(document, name)
        if validated(self._schema._schema, text, limits):
            return None
        fragments = {
            one.name.value: FragmentDetails(one)
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        return Known(operation, fragments, sorted(variables_in(document, in_directives=True)))


@dataclass
class Known:
    """A valid query that was looked at, and what is kept of it."""

    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDetails]
    conditions: list[str]
    """The variables of its directives: a plan is for one set of their values."""
    plans: dict[Any, Builder] = field(default_factory=dict)
