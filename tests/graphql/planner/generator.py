"""Random valid operations, made from the schema alone: any field, any argument, any nesting."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLNonNull,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

DEPTH = 7
"""Selections within selections; a connection takes two or three of them."""

RARE = ("serverStatus", "simulateRelease")
"""What most roles, or most arguments, are refused."""

MEASURED = ("databaseLatencyMs", "storageFreeBytes")
"""What is another number each time that it is asked for."""

VARYING = ("databaseLatencyMs", "storageFreeBytes")
"""What is another from one request to the next."""


@dataclass(frozen=True)
class Values:
    """What arguments get: ids by their type, cursors by their connection, texts by name."""

    ids: Mapping[str, Sequence[str]]
    cursors: Mapping[str, Sequence[str]]
    texts: Mapping[str, Sequence[str]]
    wrong: float = 0.003
    """How likely an argument is to be refused."""


@dataclass
class Generator:
    """Makes operations; the same seed makes the same ones."""

    schema: GraphQLSchema
    values: Values
    random: Random
    fragments: list[str] = field(default_factory=list)
    variables: dict[str, tuple[str, Any]] = field(default_factory=dict)
    within: int = 0
    """How many fragments are around: in one, a field with arguments has a name of its own."""

    def operation(self, *about: str) -> tuple[str, dict[str, Any]]:
        """A query and its variables; `about` these root fields, else about any."""
        self.fragments, self.variables = [], {}
        query = self.schema.query_type
        assert query is not None
        known = [name for name in sorted(query.fields) if name not in RARE or self._rarely()]
        names = about or self.random.sample(known, self.random.choice((1, 1, 2, 3)))
        parts = [self._field(query.fields[name], name, DEPTH) for name in names]
        if self.random.random() < 0.1:
            parts.append("__typename")
        declared = ", ".join(f"${name}: {type_}" for name, (type_, _) in self.variables.items())
        head = f"query Q({declared})" if declared else "query Q"
        text = "\n".join([f"{head} {{ {' '.join(parts)} }}", *self.fragments])
        return text, {name: value for name, (_, value) in self.variables.items()}

    def _rarely(self) -> bool:
        return self.random.random() < 0.25

    def _field(self, known: GraphQLField, name: str, depth: int) -> str:
        renamed = self.random.random() < 0.05 or (self.within and known.args)
        alias = f"a{self.random.randrange(10**6)}: " if renamed else ""
        given = self._arguments(known, name)
        directive = self._directive() if self.random.random() < 0.05 else ""
        named = get_named_type(known.type)
        selection = "" if is_leaf_type(named) else f" {{ {self._selection(named, depth - 1)} }}"
        return f"{alias}{name}{given}{directive}{selection}"

    def _selection(self, type_: Any, depth: int) -> str:
        parts = self._fields(type_, depth)
        if is_abstract_type(type_):
            self.within += 1
            for one in self.random.sample(self.schema.get_possible_types(type_), 2):
                parts.append(f"... on {one.name} {{ {' '.join(self._fields(one, depth))} }}")
            self.within -= 1
        elif self.random.random() < 0.15:
            parts.append(self._fragment(type_, depth))
        if self.random.random() < 0.12:
            parts.append("__typename")
        return " ".join(parts)

    def _fields(self, type_: Any, depth: int) -> list[str]:
        fields = {name: one for name, one in type_.fields.items() if name not in VARYING}
        known = [name for name in fields if name not in MEASURED]
        leaves = [n for n in known if is_leaf_type(get_named_type(fields[n].type))]
        deeper = [n for n in known if n not in leaves] if depth > 0 else []
        chosen = self.random.sample(leaves, min(len(leaves), self.random.randint(1, 4)))
        chosen += self.random.sample(deeper, min(len(deeper), self.random.choice((0, 1, 1, 2))))
        if not chosen:
            return ["__typename"]
        self.random.shuffle(chosen)
        return [self._field(fields[name], name, depth) for name in chosen]

    def _fragment(self, type_: Any, depth: int) -> str:
        of = self.random.choice([type_, *type_.interfaces])
        self.within += 1
        inner = " ".join(self._fields(of, depth))
        self.within -= 1
        if self.random.random() < 0.5:
            return f"... on {of.name} {{ {inner} }}"
        name = f"F{len(self.fragments)}"
        self.fragments.append(f"fragment {name} on {of.name} {{ {inner} }}")
        return f"...{name}"

    def _directive(self) -> str:
        word = self.random.choice(("skip", "include"))
        value = self.random.random() < 0.5
        if self.random.random() < 0.5:
            return f" @{word}(if: {str(value).lower()})"
        return f" @{word}(if: {self._variable('Boolean!', value)})"

    def _variable(self, type_: str, value: Any) -> str:
        name = f"v{len(self.variables)}"
        self.variables[name] = (type_, value)
        return f"${name}"

    def _arguments(self, known: GraphQLField, owner: str) -> str:
        given = []
        chosen = {
            name
            for name, one in known.args.items()
            if is_non_null_type(one.type) or self.random.random() < 0.3
        }
        if {"first", "last"} <= chosen and self.random.random() > self.values.wrong:
            chosen -= {self.random.choice(("first", "last"))}
        if owner == "resolveBinary":
            chosen -= {self.random.choice(("target", "deviceId"))}
            chosen |= set() if {"target", "deviceId"} & chosen else {"target"}
        elif "first" in known.args and not {"first", "last"} & chosen:
            chosen.add("first")
        connection = get_named_type(known.type).name
        if "orderBy" in chosen or not self.values.cursors.get(connection):
            chosen -= {"after", "before"}
        for name in sorted(chosen):
            if name in ("after", "before"):
                value: Any = self._cursor(connection)
            else:
                value = self.value(known.args[name].type, name, owner)
            if self.random.random() < 0.3:
                given.append(f"{name}: {self._variable(str(known.args[name].type), value)}")
            else:
                given.append(f"{name}: {self._literal(known.args[name].type, value)}")
        return f"({', '.join(given)})" if given else ""

    def value(self, type_: GraphQLInputType, name: str, owner: str) -> Any:
        """A value for an argument or variable of a name, about what a field is about."""
        inner: Any = get_nullable_type(type_)
        if not is_non_null_type(type_) and self.random.random() < 0.03:
            return None
        if is_list_type(inner):
            some = range(self.random.randint(1, 3))
            return [self.value(inner.of_type, name, owner) for _ in some]
        if isinstance(inner, GraphQLInputObjectType):
            return self._input(inner, owner)
        if isinstance(inner, GraphQLEnumType):
            return self.random.choice(sorted(inner.values))
        return self._scalar(inner.name, name, owner)

    def _input(self, type_: GraphQLInputObjectType, owner: str) -> dict[str, Any]:
        fields: dict[str, Any] = type_.fields
        return {
            name: self.value(one.type, name, owner)
            for name, one in fields.items()
            if isinstance(one.type, GraphQLNonNull)
            or self.random.random() < (0.02 if name.endswith("ReleaseId") else 0.25)
        }

    def _scalar(self, type_: str, name: str, owner: str) -> Any:
        wrong = self.random.random() < self.values.wrong
        makers: dict[str, Callable[[], Any]] = {
            "ID": lambda: "prn:1:nobody" if wrong else self._id(name, owner),
            "Int": lambda: 0 if wrong else self.random.randint(1, 4),
            "Boolean": lambda: self.random.random() < 0.5,
            "Float": lambda: self.random.choice((0.1, 1.0, 5.0)),
            "BigInt": lambda: str(self.random.randrange(10**12)),
            "DateTime": lambda: self.random.choice(
                ("2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z")
            ),
            "Sha256": lambda: "0" * 64,
            "JSON": lambda: {"a": [1, None]},
            "String": lambda: self.random.choice(self.values.texts.get(name, ("a",))),
        }
        return makers[type_]()

    def _cursor(self, connection: str) -> str:
        wrong = self.random.random() < self.values.wrong
        return "no cursor" if wrong else self.random.choice(self.values.cursors[connection])

    def _id(self, name: str, owner: str) -> str:
        word = owner if name == "id" else name.removesuffix("s").removesuffix("Id")
        known = self.values.ids
        for type_ in known:
            if word.lower().endswith(type_.lower()):
                return self.random.choice(known[type_])
        some = ["Binary"] if owner == "destructionImpact" else sorted(known)
        return self.random.choice(known[self.random.choice(some)])

    def _literal(self, type_: GraphQLInputType, value: Any) -> str:
        inner: Any = get_nullable_type(type_)
        if value is None:
            return "null"
        if isinstance(inner, GraphQLEnumType):
            return str(value)
        if is_list_type(inner):
            return f"[{', '.join(self._literal(inner.of_type, one) for one in value)}]"
        if isinstance(inner, GraphQLInputObjectType):
            pairs = (f"{k}: {self._literal(inner.fields[k].type, v)}" for k, v in value.items())
            return f"{{{', '.join(pairs)}}}"
        if isinstance(value, dict):
            return f"{{{', '.join(f'{k}: {json.dumps(v)}' for k, v in value.items())}}}"
        return json.dumps(value)
