"""What any page shows works: links lead somewhere, queries are valid, commands are understood."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from graphql import parse, validate

from app.cli import _parser
from app.graphql.schema import schema
from tests.docs.pages import PAGES, ROOT, anchors, blocks, commands, links, named

TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
QUERIES = [(named(page), query) for page in PAGES for query in blocks(TEXTS[page], "graphql")]
BINDERY = [
    (named(page), line)
    for page in PAGES
    for line in commands(TEXTS[page])
    if re.match(r"(\.venv/bin/)?bindery ", line)
]
TARGETS = sorted(set(re.findall(r"(?:`|^)make ([a-z-]+)", "\n".join(TEXTS.values()), re.MULTILINE)))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(TEXTS[page]):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{named(page)} links to {link}, which is not there"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{link} has no heading"


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    reached = {(index.parent / link).resolve() for link in links(TEXTS[index])}
    pages = {page for page in (ROOT / "docs").glob("*.md") if page != index}
    assert pages <= reached


@pytest.mark.parametrize(("page", "query"), QUERIES)
def test_every_query_is_valid(page: str, query: str) -> None:
    assert validate(schema._schema, parse(query)) == []


@pytest.mark.parametrize(("page", "line"), BINDERY)
def test_every_bindery_command_is_understood(page: str, line: str) -> None:
    _parser().parse_args(shlex.split(line)[1:])


def test_there_are_commands_and_queries() -> None:
    assert len(BINDERY) > 5
    assert len(QUERIES) > 20


@pytest.mark.parametrize("target", TARGETS)
def test_every_make_target_exists(target: str) -> None:
    listed = subprocess.run(
        ["make", "--dry-run", "--question", target], cwd=ROOT, capture_output=True, check=False
    )
    assert listed.returncode in (0, 1), listed.stderr
