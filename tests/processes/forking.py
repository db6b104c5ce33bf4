"""`bindery` in processes that need not import it: that is most of its start, and is done once.

One process imports it, and becomes each command by forking. What else a command line is made of
(its script, its imports) is tried in `tests/test_cli.py`, `tests/test_start.py` and the journeys,
which start it anew.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from app import cli
from app.actions import presence
from app.rules.ids import new_id

_LARGEST: Final = 1 << 17
_PAUSE: Final = 0.003


@dataclass
class Process:
    """A command that runs, with what tests ask of a `subprocess.Popen`."""

    pid: int
    returncode: int | None = field(default=None, init=False)
    """Its status once it was seen to have ended; negative: the signal that ended it."""

    def poll(self) -> int | None:
        """The same, looked at now."""
        if self.returncode is None:
            self.returncode = _mother().asked({"ended": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its status, waited for. Raises subprocess.TimeoutExpired after so many seconds."""
        begun = time.monotonic()
        while self.poll() is None:
            if timeout is not None and time.monotonic() > begun + timeout:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(_PAUSE)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it as a crash does."""
        self.send_signal(signal.SIGKILL)


def forked(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    stdout: IO[Any] | int,
    stderr: IO[Any] | int,
) -> Process:
    """Starts `bindery` with these arguments, this environment, and nothing to read."""
    files = [one if isinstance(one, int) else one.fileno() for one in (stdout, stderr)]
    asked = {"arguments": list(arguments), "environment": dict(env), "folder": str(Path.cwd())}
    pid = _mother().asked(asked, files)
    assert pid is not None
    return Process(pid)


@dataclass(frozen=True)
class _Mother:
    """The process that forks; it ends when this one does, or closes the socket."""

    process: subprocess.Popen[bytes]
    socket: socket.socket
    lock: threading.Lock = field(default_factory=threading.Lock)

    def asked(self, question: Mapping[str, Any], files: Sequence[int] = ()) -> int | None:
        """Its answer."""
        with self.lock:
            socket.send_fds(self.socket, [json.dumps(question).encode()], files)
            answer: int | None = json.loads(self.socket.recv(_LARGEST))
        return answer

    def end(self) -> None:
        """Lets it go."""
        self.socket.close()
        self.process.wait()


@functools.cache
def _mother() -> _Mother:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            cwd=Path(__file__).parents[2],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    made = _Mother(process, ours)
    atexit.register(made.end)
    return made


def _serve(asked: socket.socket) -> int:
    """Be that process, and in each child what was asked for; gives the status."""
    gc.collect()
    gc.freeze()
    while True:
        try:
            text, files, _, _ = socket.recv_fds(asked, _LARGEST, 2)
        except KeyboardInterrupt:
            return 1
        if not text:
            return 0
        question = json.loads(text)
        if "ended" in question:
            asked.send(json.dumps(_ended(question["ended"])).encode())
            continue
        pid = os.fork()
        if not pid:
            asked.close()
            return _be(question, files)
        for file in files:
            os.close(file)
        asked.send(json.dumps(pid).encode())


def _ended(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _be(question: Mapping[str, Any], files: Sequence[int]) -> int:
    """Be that command; gives its status to the end of Python, which is that of any command."""
    for number, file in enumerate(files, 1):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(question["environment"])
    os.chdir(question["folder"])
    sys.argv = ["bindery", *question["arguments"]]
    # A boot is named when the code is imported, and that is shared here.
    presence.BOOT = new_id()
    return cli.main(question["arguments"])


if __name__ == "__main__":
    with contextlib.closing(socket.socket(fileno=int(sys.argv[1]))) as asked:
        sys.exit(_serve(asked))
