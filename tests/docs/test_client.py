"""The page of the client's commands says what they end with, and what they take."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app import cli
from app.client.outcome import MEANINGS, Status

PAGE = Path(__file__).parents[2] / "docs" / "client.md"


def test_every_status_is_on_the_page() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(str(int(status)), MEANINGS[status]) for status in Status]


@pytest.mark.parametrize("command", ["push", "pull", "impact", "resolve"])
def test_every_option_is_on_the_page(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    (section,) = re.findall(
        rf"^## `bindery {command}`$(.*?)(?=^## |\Z)",
        PAGE.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    assert options <= set(re.findall(r"--[a-z-]+", section))
