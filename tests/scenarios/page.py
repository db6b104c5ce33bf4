"""The printed parts of docs/resolution.md. `python -m tests.scenarios.page` writes them anew."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from tests.scenarios.decisions import DECISIONS
from tests.scenarios.examples import EXAMPLES, Example
from tests.scenarios.steps import Step
from tests.scenarios.table import SCENARIOS

PAGE = Path(__file__).parents[2] / "docs" / "resolution.md"
_PRINTED = re.compile(r"(<!-- printed: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def reasons() -> str:
    """The table of every reason, in the order in which they are judged."""
    rows = [
        f"| {place} | `{one.reason}` | {'a release' if one.names_release else 'the device'}"
        f" | {one.text} | {', '.join(f'`{fact}`' for fact in one.facts)} |"
        for place, one in enumerate(DECISIONS, start=1)
    ]
    return _lines("| | reason | concerns | in words | facts |", "|---|---|---|---|---|", *rows)


def examples() -> str:
    """The worked examples."""
    return "\n".join(_example(place, one) for place, one in enumerate(EXAMPLES, start=1))


def _example(place: int, example: Example) -> str:
    return _lines(
        f"### {place}. {example.name}",
        "",
        example.question,
        "",
        "```graphql",
        example.query.rstrip("\n"),
        "```",
        "",
        "```json",
        json.dumps(example.answer, indent=2),
        "```",
        "",
        example.reading,
    )


def scenarios() -> str:
    """The scenarios, each with its steps and their answers."""
    parts = [
        _lines(
            f"### {place}. {scenario.name}",
            "",
            scenario.story,
            "",
            "| step | answer |",
            "|---|---|",
            *map(_row, scenario.steps),
        )
        for place, scenario in enumerate(SCENARIOS, start=1)
    ]
    return "\n".join(parts)


def _row(step: Step) -> str:
    done, answer = step.told()
    return f"| {done} | {answer} |"


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


PARTS: dict[str, Callable[[], str]] = {
    "reasons": reasons,
    "examples": examples,
    "scenarios": scenarios,
}


def printed(page: str) -> str:
    """The same page with its printed parts as the code has them."""
    return _PRINTED.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n{part[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(printed(PAGE.read_text()))
