"""The operations of the guide are those of the fixtures: `python -m tests.docs.guide_page`.

The text around them is written by hand; each block of GraphQL follows the link to its file.
"""

from __future__ import annotations

import re
from pathlib import Path

from graphql import REMOVE, FieldNode, Visitor, parse, print_ast, visit

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guide.md"
OPERATIONS = ROOT / "fixtures" / "operations"
BLOCK = re.compile(
    r"^(\[(?P<name>[a-z-]+)\.graphql\]\(\S+\)\n\n```graphql\n).*?(^```\n)", re.MULTILINE | re.DOTALL
)


class _WithoutErrors(Visitor):
    """Leaves out the errors of a payload, which every mutation has alike."""

    def enter_field(self, node: FieldNode, *_: object) -> object:
        return REMOVE if node.name.value == "errors" else None


def operation(name: str) -> str:
    """An operation as the guide shows it: without the comment above it, and without its errors."""
    text = (OPERATIONS / f"{name}.graphql").read_text(encoding="utf-8")
    return f"{print_ast(visit(parse(text, no_location=True), _WithoutErrors()))}\n"


def renewed(text: str) -> str:
    """The page with each operation as its file has it."""
    return BLOCK.sub(lambda found: f"{found[1]}{operation(found['name'])}{found[3]}", text)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
