"""What the README shows works: its queries are valid, its commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from graphql import parse, validate

from app.graphql.schema import schema

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
QUERIES = [text for language, text in BLOCKS if language == "graphql"]
PARSE = "import sys; from app.cli import _parser; _parser().parse_args(sys.argv[1:])"
COMMANDS = [line.strip() for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]


@pytest.mark.parametrize("query", QUERIES)
def test_queries_are_valid(query: str) -> None:
    assert validate(schema._schema, parse(query)) == []


def test_there_are_queries_and_commands() -> None:
    assert len(QUERIES) == 2
    assert len([line for line in COMMANDS if line.startswith("make ")]) == 3


@pytest.mark.parametrize(
    "target",
    sorted(set(re.findall(r"(?:`|^)make ([a-z-]+)", README, flags=re.MULTILINE))),
    ids=lambda name: f"make {name}",
)
def test_make_targets_exist(target: str) -> None:
    listed = subprocess.run(
        ["make", "--dry-run", "--question", target], cwd=ROOT, capture_output=True, check=False
    )
    assert listed.returncode in (0, 1), listed.stderr


@pytest.mark.parametrize("line", [one for one in COMMANDS if "bin/bindery" in one])
def test_bindery_commands_are_understood(line: str) -> None:
    words = line.split("#")[0].split()[1:]
    parsed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from app.cli import _parser; _parser().parse_args(sys.argv[1:])",
            *words,
        ],
        capture_output=True,
        check=False,
    )
    assert parsed.returncode == 0, parsed.stderr


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
