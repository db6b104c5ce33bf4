"""The page of limits tells those that the guard holds operations to."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from app.graphql.guard import INTROSPECTION, Limits
from app.graphql.overlaps import MOST_FIELDS
from app.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")


def test_every_limit_is_told() -> None:
    told = {
        name.replace(" ", "_"): int(most.replace(",", ""))
        for name, most in re.findall(r"^\| `([a-z ]+)` \| ([\d,]+) \|", PAGE, re.MULTILINE)
    }
    assert told == {**dataclasses.asdict(Limits()), "fields": MOST_FIELDS}
    assert f"{INTROSPECTION.depth} where only the schema" in PAGE


def test_each_limit_is_a_setting_with_this_default() -> None:
    assert dataclasses.asdict(Limits.of(Settings())) == dataclasses.asdict(Limits())
    assert "`BINDERY_LIMIT_ROOT_FIELDS`" in PAGE
