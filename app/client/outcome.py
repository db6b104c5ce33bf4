"""How a command ends: its exit status, and the exceptions that stand for the bad ones."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class Status(IntEnum):
    """What a pipeline can tell from a command's end without reading a word."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    OTHER_CONTENT = 3
    NOT_VERIFIED = 4
    UNREACHABLE = 5
    TIMED_OUT = 6
    INTERRUPTED = 130


MEANINGS = {
    Status.DONE: "It is done.",
    Status.REFUSED: "The server, the file or the key refused; the message says why.",
    Status.USAGE: "The command was mistyped, or a setting is missing.",
    Status.OTHER_CONTENT: "That version has other content for the target already, or the file that"
    " came is not the one that was asked for.",
    Status.NOT_VERIFIED: "The server's own verification of the content failed.",
    Status.UNREACHABLE: "The server can't be reached, or failed again and again.",
    Status.TIMED_OUT: "What was waited for did not happen in time; it may happen still.",
    Status.INTERRUPTED: "It was interrupted; the same command goes on where it was.",
}


class Ended(Exception):
    """Ends a command: one line for people, a status for pipelines."""

    status = Status.REFUSED


class Usage(Ended):
    """The command can't be tried."""

    status = Status.USAGE


class OtherContent(Ended):
    """There is content already, and it is another."""

    status = Status.OTHER_CONTENT


class NotVerified(Ended):
    """The server read something else than was declared."""

    status = Status.NOT_VERIFIED


class Unreachable(Ended):
    """The server does not answer."""

    status = Status.UNREACHABLE


class TimedOut(Ended):
    """It took too long."""

    status = Status.TIMED_OUT


class Refused(Ended):
    """The server said no; its code and facts are kept for programs."""

    def __init__(self, message: str, *, code: str, facts: dict[str, Any] | None = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.facts = facts or {}
