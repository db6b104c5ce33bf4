"""A load: it counts answers that are right, and no others."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bench.load import BadAnswer, Exchange, ask, request, run

OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
GOOD = b'{"data":1}'


@contextmanager
def answering(answer: Callable[[int], bytes]) -> Iterator[int]:
    """A server that reads requests without a body and sends what it is told to, by their number."""
    listener = socket.create_server(("127.0.0.1", 0))
    opened: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        number = 0
        try:
            while connection.recv(65_536):
                connection.sendall(answer(number))
                number += 1
                if number > 3:
                    # Slow enough that a test of a tenth of a second stays a small one.
                    threading.Event().wait(0.005)
        except OSError:
            pass

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            opened.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        # A thread that waits in `accept` is woken by this, and not by closing alone.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in opened:
            connection.close()


def test_every_answer_is_counted_with_its_time() -> None:
    with answering(lambda _: OK % (len(GOOD), GOOD)) as port:
        load = run(port, [Exchange(b"x", len(GOOD))], seconds=0.1, connections=2)
    assert load.requests == len(load.latencies) > 2
    assert load.rate == load.requests / load.seconds
    assert 0 < load.percentile(0.5) <= load.percentile(0.99) <= load.seconds * 1_000


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 10\r\n\r\n" + GOOD, "not OK"),
        (OK % (len(GOOD) + 1, GOOD + b" "), "11 bytes instead of 10"),
        (OK % (13, b'{"errors":[]}'), "errors"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "no Content-Length"),
    ],
)
def test_a_wrong_answer_ends_the_load(answer: bytes, said: str) -> None:
    size = 13 if said == "errors" else len(GOOD)

    def at_last(number: int) -> bytes:
        return OK % (size, b" " * size) if number < 2 else answer

    with answering(at_last) as port, pytest.raises(BadAnswer, match=said):
        run(port, [Exchange(b"x", size)], seconds=5, connections=1)


def test_a_closed_connection_ends_the_load() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
    with listener, pytest.raises((BadAnswer, ConnectionError)):
        ask(listener.getsockname()[1], b"x")


def test_an_answer_may_come_in_pieces() -> None:
    with answering(lambda _: OK % (300_000, b"x" * 300_000)) as port:
        assert ask(port, b"x") == b"x" * 300_000


def test_a_request_says_how_long_it_is() -> None:
    sent = request("/graphql", b"{}", key="bky_x")
    assert sent.startswith(b"POST /graphql HTTP/1.1\r\n")
    assert b"Authorization: Bearer bky_x\r\n" in sent
    assert sent.endswith(b"Content-Length: 2\r\n\r\n{}")
