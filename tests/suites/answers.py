"""What no answer of the server may be, whatever it was asked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import app
from app.rules.refusal import BinderyError

_PAGE: Final = Path(__file__).parents[2] / "docs" / "errors.md"
DOCUMENTED: Final = frozenset(
    re.findall(r"^\| `([A-Z_]+)` \|", _PAGE.read_text(encoding="utf-8"), re.MULTILINE)
)
"""Every code that the page of errors explains."""

_INSIDE: Final = (
    "Traceback (most recent call last)",
    'File "',
    "site-packages",
    str(Path(app.__file__).parent),
    "sqlite3.",
    "asyncpg.",
    "tortoise.",
)
_SQL: Final = re.compile(
    r"\b(?:SELECT .+ FROM|INSERT INTO \S+ [(]|UPDATE \S+ SET|DELETE FROM \S+ WHERE) ", re.DOTALL
)


def inside_told(text: str, sent: str = "") -> str:
    """What of the server's inside stands in a text, unless the client sent it; or nothing."""
    for one in _INSIDE:
        if one in text and one not in sent:
            return f"tells {one!r}"
    found = _SQL.search(text)
    return f"tells SQL: {found[0]!r}" if found and not _SQL.search(sent) else ""


def wrong_status(status: int) -> str:
    """What is wrong with a status; or nothing."""
    return "" if status < 500 else f"has status {status}"


def wrong_errors(text: str) -> str:
    """What is wrong with the errors of a JSON answer, those of its payloads too; or nothing."""
    try:
        body = json.loads(text)
    except ValueError:
        return f"is no JSON: {text[:100]!r}"
    if not isinstance(body, dict) or not ({"data", "errors"} & body.keys()):
        return f"has neither data nor errors: {text[:100]!r}"
    if "errors" in body and not body["errors"]:
        return "has an empty list of errors"
    for error in body.get("errors", ()):
        extensions = error.get("extensions", {})
        if not error.get("message") or not extensions.get("requestId"):
            return f"has an error without message or request id: {error}"
        if problem := _wrong_code(extensions.get("code"), error):
            return problem
    for told in _payload_errors(body.get("data")):
        if problem := _wrong_code(told.get("code"), told):
            return problem
    return ""


def _wrong_code(code: object, error: Any) -> str:
    if code not in DOCUMENTED:
        return f"has an error without a documented code: {error}"
    return f"failed: {error}" if code == BinderyError.code else ""


def _payload_errors(data: Any) -> list[dict[str, Any]]:
    """The errors that the payloads of mutations tell as `told`."""
    payloads = data.values() if isinstance(data, dict) else ()
    return [error for one in payloads if isinstance(one, dict) for error in one.get("told", ())]
