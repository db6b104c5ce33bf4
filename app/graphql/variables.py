"""Which variables a part of a document uses, and how much is sent for them."""

from __future__ import annotations

from typing import Any, Final

from graphql import DirectiveNode, Node, VariableNode, visit
from graphql.language import Visitor

LONG: Final = 1_000
"""So many elements does a list of a query's arguments take at most."""


class _Variables(Visitor):
    """Collects names of variables; `depth` is how many directives are around."""

    def __init__(self, *, in_directives: bool) -> None:
        super().__init__()
        self.names: set[str] = set()
        self._only = in_directives
        self._depth = 0

    def enter_directive(self, _node: DirectiveNode, *_: Any) -> None:
        self._depth += 1

    def leave_directive(self, _node: DirectiveNode, *_: Any) -> None:
        self._depth -= 1

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        if self._depth or not self._only:
            self.names.add(node.name.value)


def variables_in(node: Node, *, in_directives: bool = False) -> set[str]:
    """The names of all variables, or of those in directives alone."""
    visitor = _Variables(in_directives=in_directives)
    visit(node, visitor)
    return visitor.names


def is_long(value: object) -> bool:
    """Whether a list in a variable's value has more elements than any field of a query takes."""
    if isinstance(value, dict):
        return any(map(is_long, value.values()))
    return isinstance(value, list) and (len(value) > LONG or any(map(is_long, value)))
