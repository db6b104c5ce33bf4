"""How often a document asks for fields that answer under one name.

Validation compares any two of them, and all that is below them, whether they can be merged: time
that grows by the square. So they are counted before it, in time linear in what there is to see.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

MOST_FIELDS: Final = 5_000
"""Fields that are looked at; nothing that people write has a tenth of that, fragments expanded."""


class Overlaps:
    """Counts the pairs of fields that answer under one name, in all of a document."""

    def __init__(self, document: DocumentNode) -> None:
        self._document = document
        self._fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self.fields = 0
        self.pairs = 0

    def count(self, most: int) -> None:
        """Counts until there are more than `most` pairs, or too many fields to look at."""
        # Validation looks at everything: at fragments and operations that nobody asks for, too.
        waiting: list[tuple[SelectionSetNode, ...]] = [
            (node.selection_set,)
            for node in self._document.definitions
            if isinstance(node, OperationDefinitionNode | FragmentDefinitionNode)
        ]
        seen = set()
        while waiting and self.pairs <= most and self.fields <= MOST_FIELDS:
            merged = waiting.pop()
            # What several ways lead to is the same below; so a ring of fragments ends here too.
            mark = frozenset(map(id, merged))
            if mark in seen:
                continue
            seen.add(mark)
            named = defaultdict(list)
            for field in self._selected(merged):
                named[(field.alias or field.name).value].append(field)
            for fields in named.values():
                self.fields += len(fields)
                self.pairs += len(fields) * (len(fields) - 1) // 2
                below = tuple(field.selection_set for field in fields if field.selection_set)
                if below:
                    waiting.append(below)

    def _selected(self, merged: Sequence[SelectionSetNode]) -> Iterator[FieldNode]:
        """The fields of merged selections, those of fragments included, once for each fragment."""
        waiting = list(merged)
        spread = set()
        while waiting:
            for node in waiting.pop().selections:
                if isinstance(node, FieldNode):
                    yield node
                elif isinstance(node, InlineFragmentNode):
                    waiting.append(node.selection_set)
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                    spread.add(node.name.value)
                    fragment = self._fragments.get(node.name.value)
                    if fragment is not None:
                        waiting.append(fragment.selection_set)
