"""docs/resolution.md says what the code does."""

from __future__ import annotations

import re

from tests.scenarios.page import PAGE, PARTS, printed


def test_the_page_has_every_printed_part_as_the_code_has_it() -> None:
    page = PAGE.read_text()
    assert sorted(re.findall(r"<!-- printed: (\w+) -->", page)) == sorted(PARTS)
    assert page == printed(page)
