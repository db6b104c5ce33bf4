"""A push that is killed again and again, and counted on the wire.

`make push-kills` plays it at its full size.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import subprocess
import threading
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.conftest import command
from tests.journeys.server import Place

MIB = 1 << 20
SIZE = int(os.environ.get("BINDERY_PUSH_MIB", "80")) * MIB
PARALLEL = int(os.environ.get("BINDERY_PUSH_PARALLEL", "1"))
KILLS = int(os.environ.get("BINDERY_PUSH_KILLS", "3"))


class Counting:
    """Passes connections on to a server, and counts what clients send."""

    def __init__(self, server: str) -> None:
        parts = urllib.parse.urlsplit(server)
        self._target = (parts.hostname or "", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self.sent = 0
        self.kill_at: int | None = None
        self.victim: subprocess.Popen[str] | None = None
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        # To close a socket does not end another thread's `accept` on it.
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._connect, args=(client,))
            thread.start()
            self._threads.append(thread)

    def _connect(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            back = threading.Thread(target=_pass, args=(server, client, lambda _: None))
            back.start()
            _pass(client, server, self._count)
            back.join()

    def _count(self, count: int) -> None:
        with self._lock:
            self.sent += count
            if self.kill_at is not None and self.sent >= self.kill_at and self.victim is not None:
                self.kill_at = None
                self.victim.kill()


def _pass(source: socket.socket, sink: socket.socket, count: Callable[[int], None]) -> None:
    """Passes on what comes until one end closes; then neither goes on."""
    with contextlib.suppress(OSError):
        while some := source.recv(1 << 18):
            count(len(some))
            sink.sendall(some)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@pytest.mark.long
def test_a_push_killed_again_and_again_sends_little_twice(
    place: Place, pem: Path, tmp_path: Path
) -> None:
    chance = random.Random(7)
    file = tmp_path / "large.bin"
    with file.open("wb") as written:
        for _ in range(SIZE // MIB):
            written.write(chance.randbytes(MIB))
    counting = Counting(place.url)
    arguments = command(
        *("push", file, "--artifact", "large", "--version", "1.0.0", "--target", "portable"),
        *("--sign", pem, "--wait", "--parallel", PARALLEL, "--json"),
    )
    environment = {**os.environ, "BINDERY_URL": counting.url}
    killed = 0
    while True:
        process = subprocess.Popen(
            arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if killed < KILLS:
            counting.victim = process
            counting.kill_at = counting.sent + chance.randrange(MIB, SIZE // (KILLS + 2))
        out, err = process.communicate(timeout=300)
        if process.returncode == -9:
            killed += 1
            continue
        break
    counting.close()
    assert process.returncode == 0, err
    told = json.loads(out)
    assert told["state"] == "SIGNED"
    assert killed == KILLS
    print(f"{SIZE // MIB} MiB, killed {killed} times: {counting.sent / SIZE:.3f} of it sent.")
    assert counting.sent <= 1.2 * SIZE
