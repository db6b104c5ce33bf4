"""What stands before execution: parse, choose the operation, guard, validate; once per document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_variable_values,
    parse,
    specified_rules,
    validate,
)
from graphql.language.parser import MAX_NESTING_DEPTH
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from app.graphql.guard import Guard, Limits, TooComplex, whole
from app.graphql.overlaps import MOST_FIELDS, Overlaps
from app.graphql.variables import is_wide

KEPT = 500
"""How many documents are kept parsed and validated; the least used ones go first."""
MAX_ERRORS = 5
RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


def chosen(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """The operation to execute. Raises GraphQLError where the request does not say which."""
    found = [
        one
        for one in document.definitions
        if isinstance(one, OperationDefinitionNode) and _is_called(one, name)
    ]
    if name is None and len(found) > 1:
        raise GraphQLError(
            "The document has several operations; send `operationName`.",
            extensions={"code": "OPERATION_NAME_REQUIRED"},
        )
    if not found:
        raise GraphQLError(
            f"The document has no operation named {name!r}."
            if name
            else "The document has no operation."
        )
    return found[0]


def _is_called(operation: OperationDefinitionNode, name: str | None) -> bool:
    return name is None or (operation.name is not None and operation.name.value == name)


class Gate(SchemaExtension):
    """Lets an operation through to execution, or raises what is wrong with it."""

    def on_parse(self) -> Iterator[None]:
        """Takes the document from those that are kept, or parses and judges it."""
        execution = self.execution_context
        text, limits = execution.query or "", execution.context.limits
        schema = execution.schema._schema
        document = parsed(text, limits)
        operation = chosen(document, execution._provided_operation_name)
        if execution.context.subscribes_only and operation.operation != OperationType.SUBSCRIPTION:
            raise GraphQLError(
                "A WebSocket takes subscriptions only; send queries and mutations by POST.",
                extensions={"code": "BAD_REQUEST"},
            )
        cost, name = measured(
            schema, text, execution._provided_operation_name, execution.variables or {}, limits
        )
        execution.context.server.metrics.operation(name, cost=cost)
        execution.context.label = name
        if operation.operation == OperationType.QUERY:
            execution.context.limit_time()
        if execution.context.spent is not None:
            execution.context.spent.cost += cost
        execution.extensions_results["cost"] = {"requested": cost, "limit": limits.cost}
        execution.graphql_document = document
        yield

    def on_validate(self) -> Iterator[None]:
        """Takes the errors of validation from those that are kept, or validates."""
        execution = self.execution_context
        schema, limits = execution.schema._schema, execution.context.limits
        errors = list(validated(schema, execution.query or "", limits))
        variables = execution.variables or {}
        if not errors and is_wide(variables):
            # Execution would look for fifty errors, each of which repeats all that was sent.
            name = execution._provided_operation_name
            document = parsed(execution.query or "", limits)
            operation = chosen(document, name)
            definitions = operation.variable_definitions or ()
            read = get_variable_values(schema, definitions, variables, max_errors=1)
            errors = read if isinstance(read, list) else errors
        execution.pre_execution_errors = errors
        yield


def kind_of(text: str, name: str | None, limits: Limits) -> str | None:
    """`query`, `mutation` or `subscription`; None of what is in error, which is told later."""
    try:
        return chosen(parsed(text, limits), name).operation.value
    except GraphQLError:
        return None


def label(schema: GraphQLSchema, text: str, name: str | None, limits: Limits) -> str:
    """What an operation is counted as, judged or not. Raises GraphQLError."""
    document = parsed(text, limits)
    return Guard(schema, document, {}).label(chosen(document, name))


def parsed(text: str, limits: Limits) -> DocumentNode:
    """The document of a text, unless it would be slow to judge. Raises GraphQLError."""
    # Before the cache looks: it would take a text of any length for its key.
    if len(text) > limits.characters:
        raise TooComplex("characters", len(text), limits.characters)
    return _parsed(text, limits)


@lru_cache(KEPT)
def _parsed(text: str, limits: Limits) -> DocumentNode:
    try:
        # The library takes `{ viewer {} }` as well, which no specification has so far.
        document = parse(text, max_tokens=limits.tokens, allow_empty_selection_sets=False)
    except GraphQLError as error:
        if error.message.endswith("nested too deeply. Parsing aborted."):
            raise TooComplex("depth", MAX_NESTING_DEPTH + 1, limits.depth) from error
        if error.message.endswith("Parsing aborted."):
            raise TooComplex("tokens", limits.tokens + 1, limits.tokens) from error
        raise
    overlaps = Overlaps(document)
    overlaps.count(limits.overlaps)
    if overlaps.pairs > limits.overlaps:
        raise TooComplex("overlaps", overlaps.pairs, limits.overlaps)
    if overlaps.fields > MOST_FIELDS:
        raise TooComplex("fields", overlaps.fields, MOST_FIELDS)
    return document


@lru_cache(KEPT)
def validated(schema: GraphQLSchema, text: str, limits: Limits) -> tuple[GraphQLError, ...]:
    """What validation finds wrong with a text that can be parsed."""
    errors = validate(schema, parsed(text, limits), RULES, max_errors=MAX_ERRORS)
    # A last one says that there may be more.
    return tuple(map(_own, errors[:MAX_ERRORS]))


def _own(error: GraphQLError) -> GraphQLError:
    """An error of validation, as the mistake of whoever sent the document that it is."""
    if "integer string conversion" in str(error.original_error):
        # Python reads no number of more than 4,300 digits.
        return GraphQLError("A whole number has too many digits.", error.nodes)
    return error


def measured(
    schema: GraphQLSchema,
    text: str,
    name: str | None,
    variables: Mapping[str, Any],
    limits: Limits,
) -> tuple[int, str]:
    """The cost of a text's operation, and its name among the metrics. Raises TooComplex.

    Both are kept by the variables that the operation declares and that were sent. The guard looks
    at numbers, and into lists; of anything else, null too, it is enough that it was sent: the
    default does not hold then.
    """
    definitions = chosen(parsed(text, limits), name).variable_definitions or ()
    declared = [one.variable.name.value for one in definitions]
    sent = {one: variables[one] for one in declared if one in variables}
    if any(isinstance(value, list | dict) for value in sent.values()):
        return _judged(schema, text, name, sent, limits)
    numbers = tuple((one, whole(value)) for one, value in sent.items())
    return _measured(schema, text, name, numbers, limits)


@lru_cache(4 * KEPT)
def _measured(
    schema: GraphQLSchema,
    text: str,
    name: str | None,
    numbers: tuple[tuple[str, int | None], ...],
    limits: Limits,
) -> tuple[int, str]:
    return _judged(schema, text, name, dict(numbers), limits)


def _judged(
    schema: GraphQLSchema,
    text: str,
    name: str | None,
    variables: Mapping[str, Any],
    limits: Limits,
) -> tuple[int, str]:
    document = parsed(text, limits)
    operation = chosen(document, name)
    guard = Guard(schema, document, variables)
    return guard.check(operation, limits), guard.label(operation)
