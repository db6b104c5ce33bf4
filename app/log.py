"""What a process says while it runs: a line for each message, in one of two forms, without secrets.

Nobody who logs waits for whoever reads: lines go through a bounded queue to a thread of their own.
When the reader of a pipe stops reading, lines are lost and counted, and the server answers on.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from app.lines import Line, Lines
from app.rules.access import KEY_PREFIX
from app.settings import Settings, SettingsError

LONGEST: Final = 16 << 10
"""How many characters of one message are told, or of one traceback."""
ACCESS: Final = "bindery.access"
"""The logger of the requests; its lines go to standard output, all others to standard error."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The request that this is done for; empty where there is none."""

_SECRET: Final = re.compile(
    rf"((?:{KEY_PREFIX}|[Ss]ignature=))[A-Za-z0-9_%-]+"
    r"|(X-Amz-(?:Credential|Security-Token)=)[^\s&\"']+"
    r"|(://[^/@\s:]*:)[^/@\s]+(?=@)"
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class LogFormat(StrEnum):
    """How a line looks: for programs, or for people."""

    JSON = "json"
    CONSOLE = "console"


def hidden(text: str, *, secrets: tuple[str, ...] = ()) -> str:
    """The text without keys, signatures of URLs, passwords of URLs, and these secrets."""
    for secret in secrets:
        text = text.replace(secret, "…")
    return _SECRET.sub(lambda found: f"{found[found.lastindex or 0]}…", text)


def as_json(record: logging.LogRecord, *, secrets: tuple[str, ...] = ()) -> str:
    """A message as one object; that of a request is its facts alone."""
    facts = getattr(record, "facts", None)
    if facts is None:
        facts = {
            "time": moment(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": hidden(record.getMessage()[:LONGEST], secrets=secrets),
        }
        if id := request_id.get():
            facts["requestId"] = id
        if trace := _trace(record):
            facts["exception"] = hidden(trace, secrets=secrets)
    return json.dumps(facts)


def as_text(record: logging.LogRecord, *, secrets: tuple[str, ...] = ()) -> str:
    """A message as a line, and its traceback below it, further in than any line begins."""
    message = hidden(record.getMessage()[:LONGEST], secrets=secrets)
    line = f"{moment(record.created)} {record.levelname:<7} {record.name}: {_plain(message)}"
    if id := request_id.get():
        line += f" [request {id}]"
    below = hidden(_trace(record), secrets=secrets).splitlines()
    return "\n".join([line, *(f"    {_plain(one)}" for one in below)])


def moment(seconds: float) -> str:
    """A time as the lines tell it."""
    at = datetime.fromtimestamp(seconds, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(record: logging.LogRecord) -> str:
    """The end of a traceback, which names what failed, where the whole is too long."""
    if not record.exc_info:
        return ""
    return logging.Formatter().formatException(record.exc_info)[-LONGEST:]


def _plain(text: str) -> str:
    """What a terminal shows and does not obey, and what begins no line of its own."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


FORMS: Final = {LogFormat.JSON: as_json, LogFormat.CONSOLE: as_text}


class _Handler(logging.Handler):
    """Turns records into lines, where they come about."""

    def __init__(self, form: LogFormat, *, secrets: tuple[str, ...], lost: Callable[[], None]):
        super().__init__()
        self._form, self._secrets = FORMS[form], secrets
        self._lines = Lines(lost=lost, confess=self._confession)

    def emit(self, record: logging.LogRecord) -> None:
        """Has the record written."""
        try:
            self._lines.put(self._file(record), self._form(record, secrets=self._secrets))
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Writes what waits."""
        self._lines.close()
        super().close()

    def _file(self, record: logging.LogRecord) -> int:
        return 1 if record.name == ACCESS else 2

    def _confession(self, count: int) -> Line:
        text = f"{count} lines of the log were lost, since nobody read them in time."
        record = logging.LogRecord("bindery.log", logging.WARNING, "", 0, text, None, None)
        return 2, self._form(record, secrets=self._secrets)


@contextlib.contextmanager
def writing(settings: Settings, *, lost: Callable[[], None]) -> Iterator[None]:
    """Has all messages of this process written while the block runs. Raises SettingsError.

    `lost` is told of each line that nobody read in time.
    """
    secrets = (settings.secret, settings.metrics_token, settings.key)
    handler = _Handler(_form(settings), secrets=tuple(filter(None, secrets)), lost=lost)
    levels = {"app": logging.INFO, "bindery": logging.INFO}
    levels[ACCESS] = logging.INFO if settings.access_log else logging.WARNING
    before = {name: logging.getLogger(name).level for name in levels}
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    root = logging.getLogger()
    root.addHandler(handler)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.removeHandler(handler)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
        handler.close()


def _form(settings: Settings) -> LogFormat:
    try:
        return LogFormat(settings.log_format)
    except ValueError:
        raise SettingsError(
            f"BINDERY_LOG_FORMAT is {settings.log_format!r}; it must be json or console."
        ) from None
