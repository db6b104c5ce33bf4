"""From an operation to a plan: which values its selections take, and from where.

Fields are collected by graphql-core itself, so that fragments, aliases and directives mean what
they mean to the reference executor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    OperationDefinitionNode,
    get_argument_values,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import (
    FieldDetails,
    FragmentDetails,
    collect_fields,
    collect_subfields,
)
from strawberry.types.arguments import convert_arguments

from app.graphql.declared import (
    BACK,
    Children,
    Identity,
    Own,
    ToMany,
    ToOne,
    declaration,
    is_closed,
)
from app.graphql.keys import key_alone
from app.graphql.leaves import written_by
from app.graphql.planner.builder import Builder, Declined
from app.graphql.planner.paged import Pages, Part
from app.graphql.planner.steps import Arguments, Calls, Completion, Rows
from app.graphql.planner.views import ObjectView, RowView, View
from app.graphql.variables import variables_in
from app.reads.statement import Statement

Grouped = Mapping[str, list[FieldDetails]]


@dataclass(frozen=True)
class Field:
    """A selected field."""

    details: list[FieldDetails]
    core: GraphQLField
    view: View
    builder: Builder

    @property
    def strawberry(self) -> Any:
        """What Strawberry knows of it."""
        return self.core.extensions[BACK]

    @property
    def is_attribute(self) -> bool:
        """Whether it is a leaf without a resolver, which no source has to wait for."""
        name = self.strawberry.python_name
        plain = self.strawberry.is_basic_field and is_leaf_type(get_named_type(self.core.type))
        known = isinstance(self.view, ObjectView) or name in self.view.model._meta.fields_map
        return plain and known and name != "total_count"

    def otherwise(self, expression: str, key: str) -> str:
        """The expression, but for a row that is not there."""
        if is_non_null_type(self.core.type):
            return f"({self.builder.declining('null')} if {key} is None else {expression})"
        return f"(None if {key} is None else {expression})"


class Compiler:
    """Makes the plan of one operation, for the values of the variables in its directives."""

    def __init__(
        self,
        schema: Any,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDetails],
        variables: Any,
        *,
        postgres: bool,
        device: bool,
    ) -> None:
        self._strawberry = schema
        self._schema = schema._schema
        self._operation = operation
        self._fragments = fragments
        self._variables = variables
        self.postgres = postgres
        self._device = device

    def plan(self) -> Builder:
        """The builder of the whole answer, from one source. Raises Declined."""
        query = self._schema.query_type
        found = collect_fields(
            self._schema, self._fragments, self._variables, query, self._operation
        )
        return self.built(query, found.grouped_field_set, ObjectView())

    def built(self, type_: GraphQLObjectType, grouped: Grouped, view: View) -> Builder:
        """What writes the selected fields of a type."""
        builder = Builder()
        return builder.finish(self._object(builder, type_, grouped, view))

    def _object(
        self, builder: Builder, type_: GraphQLObjectType, grouped: Grouped, view: View
    ) -> str:
        written = []
        for key, details in grouped.items():
            name = details[0].node.name.value
            if name == "__typename":
                written.append(f"{key!r}: {type_.name!r}")
            elif name.startswith("__"):
                raise Declined("introspection")
            else:
                field = Field(details, type_.fields[name], view, builder)
                written.append(f"{key!r}: {self._value(type_, field)}")
        return f"{{{', '.join(written)}}}"

    def _value(self, type_: GraphQLObjectType, field: Field) -> str:
        view, builder = field.view, field.builder
        said = declaration(field.core)
        if self._device and is_closed(said):
            return builder.declining("refused")
        match said:
            case Identity():
                kind = type_.extensions[BACK].origin.row.prn_kind
                return f"{builder.prefix(kind)} + {view.key('id')}"
            case ToOne() as declared:
                return self._to_one(field, declared)
            case Children() as declared:
                columns = declared.model._meta.fields_db_projection
                how = {"by": declared.by, "order": columns[declared.order]}
                return builder.step(self.rows(field, declared.model, "id", **how))
            case ToMany() as declared:
                return builder.step(self._pages(field, declared))
            case Own() as declared:
                return builder.step(declared.plan(self, field))
        if field.is_attribute:
            return view.leaf(field.strawberry.python_name, field.core.type, builder.names)
        return builder.step(self._calls(field))

    def _to_one(self, field: Field, declared: ToOne) -> str:
        type_, grouped = self.selected(field.core.type, field.details)
        key = key_alone(field.view, declared.by, type_, grouped)
        row = key or field.view.to_one(declared.model, declared.by)
        if row is None:
            value = field.builder.step(self.rows(field, declared.model, declared.by))
            return field.otherwise(value, value)
        expression = self._object(field.builder, type_, grouped, row)
        return field.otherwise(expression, row.key("id"))

    def rows(self, field: Field, model: Any, key: str | None, **how: Any) -> Rows:
        """The read of what is selected of a model's rows; without a key, sources are ids."""
        statement = Statement(model, self.postgres)
        type_, grouped = self.selected(field.core.type, field.details)
        expression = "r" if key is None else field.view.key(key)
        built = self.built(type_, grouped, RowView(statement, model))
        return Rows(statement, built, field.builder.function(expression), **how)

    def _pages(self, field: Field, declared: ToMany) -> Pages:
        model = declared.listing.source.model
        view = RowView(Statement(model, self.postgres), model)
        # A list of all rows has one key; but nobody asks an organization that is not there for it.
        parent = field.view.key("id") if declared.by else field.view.there("0")
        of = field.builder.function(parent)
        pages = Pages(declared, self.arguments(field, True), of, view.statement)
        type_, grouped = self.selected(field.core.type, field.details)
        for key, details in grouped.items():
            pages.parts[key] = self._part(pages, type_, details, view)
        return pages

    def _part(
        self, pages: Pages, type_: GraphQLObjectType, details: list[FieldDetails], view: RowView
    ) -> Part:
        name = details[0].node.name.value
        if name == "__typename":
            return pages.typename(type_.name)
        if name == "totalCount":
            return pages.total
        pages.reads = True
        inner, grouped = self.selected(type_.fields[name].type, details)
        if name == "pageInfo":
            return pages.info({key: one[0].node.name.value for key, one in grouped.items()})
        if name == "nodes":
            return pages.nodes(self.built(inner, grouped, view))
        return pages.edges(
            {key: self._edge(pages, inner, one, view) for key, one in grouped.items()}
        )

    def _edge(
        self, pages: Pages, type_: GraphQLObjectType, details: list[FieldDetails], view: RowView
    ) -> Part:
        name = details[0].node.name.value
        if name == "__typename":
            return pages.typename(type_.name, of_rows=True)
        if name == "cursor":
            return pages.cursor()
        return pages.node(self.built(*self.selected(type_.fields[name].type, details), view))

    def _calls(self, field: Field) -> Calls:
        columns = getattr(declaration(field.core), "columns", None)
        assert field.core.resolve is not None
        return Calls(
            field.core.resolve,
            self.arguments(field, False),
            field.builder.function(field.view.root(columns, field.builder.names)),
            self._completion(field),
        )

    def _completion(self, field: Field) -> Any:
        type_ = field.core.type
        if is_leaf_type(get_named_type(type_)):
            return _leaves(written_by(type_))
        inner: Any = get_nullable_type(type_)
        listed = is_list_type(inner)
        return Completion(
            self._builders(get_named_type(type_), field.details),
            listed,
            required=is_non_null_type(type_),
            items_required=is_non_null_type(inner.of_type if listed else type_),
        )

    def _builders(
        self, type_: GraphQLNamedType, details: list[FieldDetails]
    ) -> Callable[[Any], Builder]:
        """The builder for what a resolver gave: by its own type, where the field's is abstract."""
        view = ObjectView()
        if not is_abstract_type(type_):
            only = self.built(*self.selected(type_, details), view)
            return lambda _: only
        possible = self._schema.get_possible_types(type_)
        made: dict[type[Any], Builder] = {}

        def builder(one: Any) -> Builder:
            if type(one) not in made:
                of = next(t for t in possible if t.extensions[BACK].origin.is_type_of(one, None))
                made[type(one)] = self.built(*self.selected(of, details), view)
            return made[type(one)]

        return builder

    def selected(
        self, type_: Any, details: list[FieldDetails]
    ) -> tuple[GraphQLObjectType, Grouped]:
        """The type of a field, and what is selected of it."""
        named: Any = get_named_type(type_)
        found = collect_subfields(
            self._schema, self._fragments, self._variables, self._operation, named, details
        )
        return named, found.grouped_field_set

    def arguments(self, field: Field, converted: bool) -> Arguments:
        """The field's arguments: as graphql-core gives them, or converted as Strawberry does."""
        core, known = field.core, field.strawberry
        node, _, of_fragment = field.details[0]
        registry = self._strawberry.schema_converter.scalar_registry

        def given(variables: Any) -> dict[str, Any]:
            values = get_argument_values(core, node, variables, of_fragment)
            if not converted:
                return values
            return convert_arguments(values, known.arguments, registry, self._strawberry.config)

        if any(variables_in(one) for one in node.arguments or ()):
            return lambda run: given(run.variables)
        constant = given(self._variables)
        return lambda _: constant


def _leaves(write: Callable[[Any], Any]) -> Any:
    async def complete(_: Any, values: list[Any]) -> list[Any]:
        return [write(value) for value in values]

    return complete
