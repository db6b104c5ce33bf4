"""What a process says: its forms, what it hides, and that it never waits for its reader."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from app import cli
from app.lines import Lines
from app.log import LONGEST, as_json, as_text, hidden, request_id
from app.rules.access import KEY_PREFIX

KEY = KEY_PREFIX + 43 * "k"
"""In the form of a key, and the same in each process, since tests are named by it."""


def record(text: str, *values: object, error: BaseException | None = None) -> logging.LogRecord:
    """A message as a room of the server logs it."""
    trace = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("app.worker.hashing", logging.ERROR, "", 1, text, values, trace)


def failed(text: str) -> ValueError:
    """An exception that was raised."""
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


def test_a_message_is_an_object_of_one_line() -> None:
    token = request_id.set("given-id")
    try:
        line = as_json(record("Binary %s\nfails.", 7, error=failed("two\nlines")))
    finally:
        request_id.reset(token)
    assert "\n" not in line
    told = json.loads(line)
    assert told.pop("time").endswith("Z")
    assert told.pop("exception").endswith("ValueError: two\nlines")
    assert told == {
        "level": "ERROR",
        "logger": "app.worker.hashing",
        "message": "Binary 7\nfails.",
        "requestId": "given-id",
    }


def test_outside_of_a_request_none_is_told() -> None:
    assert "requestId" not in json.loads(as_json(record("x")))
    assert "request" not in as_text(record("x"))


def test_no_message_forges_a_line_of_the_console() -> None:
    forged = "2026-01-01T00:00:00.000Z INFO    bindery: all is well"
    text = as_text(record("a\n%s\x1b[2J", forged, error=failed(f"b\r\n{forged}")))
    first, *below = text.splitlines()
    assert f"ERROR   app.worker.hashing: a\\n{forged}\\x1b[2J" in first
    assert all(line.startswith("    ") for line in below)
    assert "\x1b" not in text


def test_a_long_message_is_cut() -> None:
    told = json.loads(as_json(record("m" * 10**6, error=failed("e" * 10**6))))
    assert len(told["message"]) == LONGEST
    assert len(told["exception"]) == LONGEST


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"Bearer {KEY}, sent", "Bearer bky_…, sent"),
        ("/parts/1?expires=1&signature=ab12 gone", "/parts/1?expires=1&signature=… gone"),
        (
            "https://b.example/k?X-Amz-Credential=A%2F1&X-Amz-Signature=ff&x=1",
            "https://b.example/k?X-Amz-Credential=…&X-Amz-Signature=…&x=1",
        ),
        ("postgresql://me:pass@db:5432/x fails", "postgresql://me:…@db:5432/x fails"),
        ("the token is t0ken-of-metrics", "the token is …"),
        ("http://127.0.0.1:8000/@here", "http://127.0.0.1:8000/@here"),
    ],
)
def test_secrets_are_hidden(text: str, told: str) -> None:
    assert hidden(text, secrets=("t0ken-of-metrics",)) == told
    assert told in json.loads(as_json(record("%s", text), secrets=("t0ken-of-metrics",)))["message"]
    trace = json.loads(as_json(record("x", error=failed(text)), secrets=("t0ken-of-metrics",)))
    assert trace["exception"].endswith(told)


def test_who_writes_never_waits_and_what_is_lost_is_told() -> None:
    lost: list[int] = []
    reader, writer = os.pipe()
    lines = Lines(
        lost=lambda: lost.append(1), confess=lambda count: (writer, f"lost {count}"), most=100_000
    )
    begun = time.monotonic()
    # A pipe takes 64 KiB; the rest waits for a reader until there is no room for it.
    for number in range(1_000):
        lines.put(writer, f"{number:03} {'x' * 996}")
    assert time.monotonic() - begun < 5
    assert 700 < len(lost) <= 900

    said = bytearray()

    def read() -> None:
        while f"lost {len(lost)}\n".encode() not in said:
            said.extend(os.read(reader, 65_536))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(10)
    lines.close()
    got = said.decode().splitlines()
    assert got[-1] == f"lost {len(lost)}"
    # Those that found room came whole, and in order.
    assert {len(one) for one in got[:-1]} == {1_000}
    assert sorted(got[:-1]) == got[:-1]
    assert len(got[:-1]) + len(lost) == 1_000
    os.close(reader)
    os.close(writer)


def test_an_end_does_not_wait_for_a_pipe_that_nobody_reads() -> None:
    reader, writer = os.pipe()
    lines = Lines(lost=lambda: None, confess=lambda _: (writer, ""))
    lines.put(writer, "x" * 200_000)
    begun = time.monotonic()
    lines.close()
    assert time.monotonic() - begun < 5
    os.close(reader)


def test_a_format_that_there_is_not_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BINDERY_LOG_FORMAT", "xml")
    assert cli.main(["serve", "--port", "0", "--data", str(tmp_path)]) == 1
    line = capsys.readouterr().err
    assert line == "bindery: BINDERY_LOG_FORMAT is 'xml'; it must be json or console.\n"
