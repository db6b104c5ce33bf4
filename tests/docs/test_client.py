"""The page of the client's commands says what they end with, and what they take."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

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


def test_the_pipeline_runs_commands_that_there_are() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    workflow = yaml.safe_load(block)
    steps = workflow["jobs"]["push"]["steps"]
    (step,) = [one for one in steps if "bindery push" in one.get("run", "")]
    source, _, command = step["run"].partition(" | ")
    words = shlex.split(command)
    chosen = cli._parser().parse_args(words[1:])
    # What the command reads is what the step is given.
    assert source.split() == ["printenv", "SIGNING_KEY"]
    assert str(chosen.sign) == "/dev/stdin"
    assert step["env"].keys() == {"SIGNING_KEY", "BINDERY_URL", "BINDERY_KEY"}
