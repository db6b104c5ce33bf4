"""The pages of the documentation, and what stands in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
_BLOCK: Final = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_FENCED: Final = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)


def named(page: Path) -> str:
    """What a page is called in the name of a test."""
    return str(page.relative_to(ROOT))


def blocks(text: str, language: str) -> list[str]:
    """The blocks of a language."""
    return [block for kind, block in _BLOCK.findall(text) if kind == language]


def commands(text: str) -> list[str]:
    """The lines of a page's shell blocks, those that go on in the next one joined."""
    joined = "".join(blocks(text, "sh")).replace("\\\n", " ")
    return [line.split(" #")[0].strip() for line in joined.splitlines() if line.strip()]


def links(text: str) -> list[str]:
    """Where the links of a page lead, but for those that leave the repository."""
    found = _LINK.findall(_FENCED.sub("", text))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(text: str) -> set[str]:
    """The headings of a page as links name them."""
    found = _HEADING.findall(_FENCED.sub("", text))
    return {re.sub(r"[^\w\- ]", "", one.lower()).strip().replace(" ", "-") for one in found}
