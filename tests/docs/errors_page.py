"""The page of errors, printed from the classes of errors and from the table of bad inputs.

`python -m tests.docs.errors_page` writes it.
"""

from __future__ import annotations

from pathlib import Path

from graphql import GraphQLObjectType

from app.graphql.errors import ERRORS, REASONS, InputError
from app.rules import errors, failures
from app.rules.refusal import BinderyError
from tests.graphql.bad_input import ANYTHING, HTTP_ROWS, ROWS, SCHEMA

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"

INTRODUCTION = """\
# Errors

Every refusal has a `code`, a `message` and, where there is one, the `path` of the input concerned.
Programs decide by the code and its facts; the message is for people, and may change. Whatever is
refused has changed nothing.

- **In a mutation**, all that a caller can act on is in the payload: its `errors`, beside a null
  result. A type of its own adds the facts of a code, so select them by
  `... on InvalidTransitionError { state availableTransitions }`.
- **In a query**, the field is null, and a top-level error has its `path`, with the code and the
  facts in `extensions`; `extensions.argument` names the argument. `node` and `nodes` give null
  without an error.
- **Before execution** (transport, syntax, validation, coercion, key, limits) there are top-level
  errors and no `data`. The status is 4xx under `application/graphql-response+json`. Under
  `application/json` it is 200 for what is wrong with a document, and 4xx all the same where a
  request or its key is refused.
- **On a WebSocket**, an operation that is refused gets an `error` message with such errors, and the
  connection goes on. What is no message of the protocol closes it with 4400; a key that is not good
  with 4403, and the code as the reason; a database that does not answer with 1013: come again; a
  failure of the server with 1011.
- **On upload and download URLs**, the body has the same form as a top-level error, and the status
  is the code's.

Top-level errors carry `extensions.requestId`. The server's log has the same id: send it along when
you ask for help. What belongs to another organization is answered exactly as what does not exist.

In the messages, `…` stands for what differs from case to case.
"""

BEFORE_EXECUTION = {
    "BAD_JSON": "The body, or a parameter of a query string, is not JSON.",
    "BAD_ENCODING": "The body is not UTF-8.",
    "BAD_REQUEST": "The HTTP request has the wrong form.",
    "BODY_TOO_LARGE": "The body is larger than the limit.",
    "UNSUPPORTED_MEDIA_TYPE": "The body's media type, or its content coding, is not taken here.",
    "METHOD_NOT_ALLOWED": "Another method, or a mutation by GET; `Allow` names what is taken.",
    "NOT_ACCEPTABLE": "The client accepts no media type that this is answered in.",
    "GRAPHQL_PARSE_FAILED": "The document is not GraphQL; `locations` has line and column.",
    "GRAPHQL_VALIDATION_FAILED": "The document does not fit the schema, or a value its type.",
    "OPERATION_NAME_REQUIRED": "The document holds several operations, and none is named.",
    "DOCUMENT_NOT_FOUND": "There is no trusted document of this `documentId`.",
    "DOCUMENT_NOT_TRUSTED": "This server takes trusted documents alone.",
    "QUERY_TOO_COMPLEX": "The document is above a limit, which the error names.",
    "RATE_LIMITED": "The key asked for more than it may within a minute (see `Retry-After`), or a"
    " WebSocket for more than 20 subscriptions at once.",
    "REQUEST_TIMEOUT": "The body did not come in time.",
    "HEADERS_TOO_LARGE": "The headers of the HTTP request are larger than the limit.",
    "INTERNAL_SERVER_ERROR": "The server failed; its log has the reason under the request id.",
}
STATUSES = {
    "BAD_JSON": 400,
    "BAD_ENCODING": 400,
    "BAD_REQUEST": 400,
    "BODY_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "METHOD_NOT_ALLOWED": 405,
    "NOT_ACCEPTABLE": 406,
    "DOCUMENT_NOT_FOUND": 400,
    "DOCUMENT_NOT_TRUSTED": 403,
    "RATE_LIMITED": 429,
    "REQUEST_TIMEOUT": 408,
    "HEADERS_TOO_LARGE": 431,
}
ON_THE_WIRE = (
    errors.Unauthenticated,
    failures.UrlInvalid,
    failures.UrlExpired,
    failures.MethodNotAllowed,
    failures.UploadSuperseded,
    failures.ContentDestroyed,
    failures.ContentCorrupt,
    failures.InvalidSize,
    failures.InvalidHash,
    failures.BadRequest,
    failures.UnsupportedMediaType,
    failures.UploadTimeout,
    failures.StorageFull,
    failures.StorageDegraded,
    failures.DatabaseUnavailable,
)
"""Those that have a status: of a request that is not executed, or of an upload or download."""


def page() -> str:
    """The whole page."""
    early = "\n".join(_early(code, meaning) for code, meaning in BEFORE_EXECUTION.items())
    late = "\n".join(_late(found) for found in REASONS)
    return (
        f"{INTRODUCTION}\n## Before execution\n\n"
        f"| code | meaning | status | such as |\n|---|---|---|---|\n{early}\n\n"
        f"## All others\n\n"
        f"| code | meaning | facts in a payload | status | such as |\n|---|---|---|---|---|\n"
        f"{late}\n"
    )


def _early(code: str, meaning: str) -> str:
    return _line(f"`{code}`", meaning, str(STATUSES.get(code, "")), _example(code))


def _late(found: type[BinderyError]) -> str:
    meaning = (found.__doc__ or "").splitlines()[0]
    status = str(found.http_status) if issubclass(found, ON_THE_WIRE) else ""
    return _line(f"`{found.code}`", meaning, _facts(found), status, _example(found.code))


def _facts(found: type[BinderyError]) -> str:
    """What the type of a payload's error adds, with the name of that type."""
    for told in ERRORS:
        if told is not InputError and issubclass(found, told.refusals):
            type_ = SCHEMA.type_map[told.__strawberry_definition__.name]
            assert isinstance(type_, GraphQLObjectType)
            names = [name for name in type_.fields if name not in ("code", "message", "path")]
            return f"{', '.join(f'`{name}`' for name in sorted(names))} (`{type_.name}`)"
    return ""


def _example(code: str) -> str:
    """The plainest message of a code: the first of the table that is written out."""
    told = [row.message for row in (*ROWS, *HTTP_ROWS) if row.code == code]
    whole = [message for message in told if not message.startswith(ANYTHING)]
    return next((message for message in whole if ANYTHING not in message), (whole or [""])[0])


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
