"""The page of settings is printed from the code."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from app.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
HEAD = """# Settings

Each is an environment variable, read once when a process starts. `--data` and `--database` win over
theirs. A value that can't be, and a name that is nearly one of these, is refused in one line.

| variable | default | what it is |
|---|---|---|
"""


def page() -> str:
    """The page as the code has it."""
    rows = [
        f"| `BINDERY_{item.name.upper()}` | {_written(item.default)} |"
        f" {item.metadata['description']} |"
        for item in fields(Settings)
    ]
    return HEAD + "\n".join(rows) + "\n"


def _written(default: object) -> str:
    """A default as one writes it into the environment."""
    if default is None or default == "":
        return "empty"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_the_page_says_what_the_code_reads() -> None:
    assert PAGE.read_text() == page()
