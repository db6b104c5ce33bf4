"""Stops a program before each system call that changes a file, and kills it before one of them.

`strace -e inject` counts each call of each thread for itself, so in a server with threads most
moments can't be named to it. Here a seccomp filter stops whichever thread is about to change
something, and the stops are counted in the order in which they come.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import signal
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

_AUDIT: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CALLS: Final[dict[str, dict[int, str]]] = {
    "x86_64": {
        1: "write",
        18: "pwrite64",
        20: "writev",
        74: "fsync",
        75: "fdatasync",
        77: "ftruncate",
        82: "rename",
        83: "mkdir",
        84: "rmdir",
        87: "unlink",
        91: "fchmod",
        257: "openat",
        263: "unlinkat",
        264: "renameat",
        285: "fallocate",
        296: "pwritev",
    },
    "aarch64": {
        34: "mkdirat",
        35: "unlinkat",
        38: "renameat",
        46: "ftruncate",
        47: "fallocate",
        52: "fchmod",
        56: "openat",
        64: "write",
        66: "writev",
        68: "pwrite64",
        70: "pwritev",
        82: "fsync",
        83: "fdatasync",
    },
}
_BY_NAME: Final = ("mkdir", "unlink", "rename", "rmdir")
"""The calls whose first argument is a path; those in "at" take a folder and a name."""
_HERE: Final = -100 & 0xFFFFFFFF

_WALL: Final = 0x40000000
_CONTINUE, _SEIZE = 7, 0x4206
_CLONE, _SECCOMP_STOP, _EXIT_KILL = 1 << 3, 1 << 7, 1 << 20
_EVENT_SECCOMP: Final = 7
_SET_SECCOMP, _FILTER_MODE = 22, 2
_LOAD, _IF_EQUAL, _IF_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _TRACE = 0x7FFF0000, 0x7FF00000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


@dataclass(frozen=True, slots=True)
class Traced:
    """What a traced program did: how many changes it began, and before which it was killed."""

    changes: int
    killed_before: str | None


def missing() -> str | None:
    """Why nothing can be traced here; None: it can."""
    if platform.machine() not in _CALLS:
        return f"no list of system calls for {platform.machine()}"
    return None


def run(program: Callable[[], NoReturn], *, folder: Path, at: int, report: int) -> NoReturn:
    """Be the tracer of `program` until it ends: it is killed before change `at` in `folder`.

    Writes the program's process id to the descriptor `report`, and at the end what it did.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(writing)
        os.read(reading, 1)
        _install_filter()
        program()
    options = _CLONE | _SECCOMP_STOP | _EXIT_KILL
    if _libc.ptrace(_SEIZE, pid, None, options):
        raise OSError(ctypes.get_errno(), "The program can't be traced")
    os.write(report, f"{pid}\n".encode())
    os.close(writing)
    traced = _followed(pid, folder=folder, at=at)
    os.write(report, json.dumps([traced.changes, traced.killed_before]).encode())
    os._exit(0)


def read_report(text: str) -> Traced:
    """What `run` wrote at the end."""
    changes, killed_before = json.loads(text)
    return Traced(changes, killed_before)


def _followed(pid: int, *, folder: Path, at: int) -> Traced:
    changes, killed_before = 0, None
    while True:
        try:
            thread, status = os.waitpid(-1, _WALL)
        except ChildProcessError:
            return Traced(changes, killed_before)
        if not os.WIFSTOPPED(status):
            continue
        event, hand_on = status >> 16, 0
        if event == _EVENT_SECCOMP:
            changed = _changed(thread, folder)
            if changed is not None:
                changes += 1
                if changes == at:
                    killed_before = changed
                    os.kill(pid, signal.SIGKILL)
        elif not event:
            hand_on = os.WSTOPSIG(status)
        # A thread that was killed meanwhile is no longer there, which is well.
        _libc.ptrace(_CONTINUE, thread, None, hand_on)


def _changed(thread: int, folder: Path) -> str | None:
    """The call that the thread is stopped before, if it changes something in the folder."""
    try:
        words = Path(f"/proc/{thread}/syscall").read_text().split()
        call = _CALLS[platform.machine()][int(words[0])]
        first, second = (int(word, 16) for word in words[1:3])
        if call.endswith("at"):
            path = _open(thread, first) / _text(thread, second)
        elif call in _BY_NAME:
            path = Path(_text(thread, first))
        else:
            path = _open(thread, first)
    except (OSError, ValueError):
        return None
    # A folder that is there already is only looked at.
    if not path.is_relative_to(folder) or (call.startswith("mkdir") and path.exists()):
        return None
    return f"{call} {path.relative_to(folder)}"


def _open(thread: int, descriptor: int) -> Path:
    """What a descriptor is open for; the folder of relative names has one of its own."""
    place = "cwd" if descriptor & 0xFFFFFFFF == _HERE else f"fd/{descriptor}"
    return Path(f"/proc/{thread}/{place}").readlink()


def _text(thread: int, address: int) -> str:
    """The text at an address of the stopped thread."""
    with Path(f"/proc/{thread}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        return os.fsdecode(memory.read(os.pathconf("/", "PC_PATH_MAX")).partition(b"\0")[0])


def _install_filter() -> None:
    """Have the kernel stop this process, and all of its threads, before the calls listed."""
    machine = platform.machine()
    lines = [
        _line(_LOAD, 4),
        _line(_IF_EQUAL, _AUDIT[machine], no=0, yes=1),
        _line(_RETURN, _ALLOW),
        _line(_LOAD, 0),
    ]
    for number, call in _CALLS[machine].items():
        if call == "openat":
            # Opening changes something only where it may create.
            lines += [_line(_IF_EQUAL, number, yes=0, no=4), _line(_LOAD, 32)]
            lines += [_line(_IF_SET, os.O_CREAT, yes=0, no=1), _line(_RETURN, _TRACE)]
            lines += [_line(_RETURN, _ALLOW)]
        else:
            lines += [_line(_IF_EQUAL, number, yes=0, no=1), _line(_RETURN, _TRACE)]
    lines.append(_line(_RETURN, _ALLOW))
    program = _Program(len(lines), b"".join(lines))
    _libc.prctl(38, 1, 0, 0, 0)
    if _libc.prctl(_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "The filter is not taken")


def _line(code: int, operand: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, operand)
