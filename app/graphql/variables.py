"""Which variables a part of a document uses, and how much is sent for them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from graphql import DirectiveNode, Node, VariableNode, visit
from graphql.language import Visitor

WIDE: Final = 100
"""An object with more fields than this is looked at before execution does; no input has so many."""
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


def is_wide(value: object, *, elements: int | None = None) -> bool:
    """Whether an object in a variable's value has above WIDE fields, or a list above `elements`."""
    inner: Collection[object]
    most: int | None
    if isinstance(value, dict):
        most, inner = WIDE, value.values()
    elif isinstance(value, list):
        most, inner = elements, value
    else:
        return False
    too_many = most is not None and len(inner) > most
    return too_many or any(
        is_wide(one, elements=elements) for one in inner if isinstance(one, dict | list)
    )
