"""The page of errors is the code's."""

from __future__ import annotations

import re
from pathlib import Path

from app.graphql.errors import REASONS
from tests.docs.errors_page import BEFORE_EXECUTION, PAGE, page

APP = Path(__file__).parents[2] / "app"
CODE = re.compile(r'(?:"code": |\bcode = |\bdefault = |[Rr]efused?\(\s*\d+,\s*)"([A-Z_]+)"')


def test_the_page_is_what_is_printed() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "Run `python -m tests.docs.errors_page`."


def test_every_code_of_the_server_is_on_the_page() -> None:
    told = {found.code for found in REASONS} | BEFORE_EXECUTION.keys()
    sources = [path.read_text(encoding="utf-8") for path in APP.rglob("*.py")]
    found = {code for source in sources for code in CODE.findall(source)}
    assert found <= told
    assert "BAD_JSON" in found


def test_every_code_that_a_payload_tells_has_an_example() -> None:
    text = PAGE.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    without = {line.split("`")[1] for line in lines if line.endswith("|  |")}
    assert without <= {
        # What the tests of uploads and downloads, and of faults, bring about.
        *("URL_INVALID", "URL_EXPIRED", "UPLOAD_SUPERSEDED", "UPLOAD_TIMEOUT", "LENGTH_REQUIRED"),
        *("CONTENT_DESTROYED", "CONTENT_CORRUPT", "INVALID_SIZE", "INVALID_HASH"),
        *("STORAGE_FULL", "STORAGE_DEGRADED", "DATABASE_UNAVAILABLE", "INTERNAL_SERVER_ERROR"),
        # What no row of the table brings about: methods, media types, limits, replays.
        *("METHOD_NOT_ALLOWED", "NOT_ACCEPTABLE", "QUERY_TOO_COMPLEX", "RATE_LIMITED"),
        *("REQUEST_TIMEOUT", "QUERY_TIMEOUT", "HEADERS_TOO_LARGE"),
        *("DOCUMENT_NOT_FOUND", "DOCUMENT_NOT_TRUSTED"),
        *("IDEMPOTENCY_KEY_REUSED", "SECRET_ALREADY_SHOWN", "WEBHOOK_LIMIT"),
    }
