"""Stops a program before each system call that changes a file, to kill it or to fail the call.

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
_CONTINUE, _SEIZE, _GET_REGISTERS, _SET_REGISTERS = 7, 0x4206, 12, 13
# Of x86-64: the places of rax, rdx and orig_rax in its user_regs_struct.
_REGISTERS, _RESULT, _THIRD, _CALL = 27, 10, 12, 15
_CLONE, _SECCOMP_STOP, _EXIT_KILL = 1 << 3, 1 << 7, 1 << 20
_EVENT_SECCOMP: Final = 7
_SET_SECCOMP, _FILTER_MODE = 22, 2
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _TRACE = 0x7FFF0000, 0x7FF00000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


@dataclass(frozen=True, slots=True)
class Traced:
    """What a traced program did: how many changes it began, and which one was struck first."""

    changes: int
    struck: str | None


@dataclass(slots=True)
class Kill:
    """Kills the program before its change `at`; 0: never."""

    at: int

    def judge(self, number: int, change: str) -> int | None:
        """What befalls a change."""
        return KILLED if number == self.at and not change.startswith("open ") else None


@dataclass(slots=True)
class Fail:
    """Fails some changes: the `at`-th of these calls below `where`, or all from that one on.

    `error` is the system's number of the error, or SHORT for a write of half as many bytes. It
    does so only while the file `armed` is there.
    """

    calls: tuple[str, ...]
    where: str
    error: int
    at: int
    ever: bool
    armed: Path
    seen: int = 0

    def judge(self, _number: int, change: str) -> int | None:
        """What befalls a change."""
        call, _, path = change.partition(" ")
        if call not in self.calls or not path.startswith(self.where) or not self.armed.exists():
            return None
        self.seen += 1
        hit = self.seen == self.at or (self.ever and self.seen > self.at)
        return self.error if hit else None


Fault = Kill | Fail
KILLED, SHORT = -1, 0


def missing() -> str | None:
    """Why nothing can be traced here; None: it can."""
    if platform.machine() not in _CALLS:
        return f"no list of system calls for {platform.machine()}"
    return None


def cannot_fail() -> str | None:
    """Why no call can be made to fail here; None: it can."""
    if platform.machine() != "x86_64":
        return f"the registers of {platform.machine()} are not known"
    return missing()


def run(program: Callable[[], NoReturn], *, folder: Path, fault: Fault, report: int) -> NoReturn:
    """Be the tracer of `program` until it ends: the fault befalls its changes in `folder`.

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
    traced = _followed(pid, folder, fault)
    os.write(report, json.dumps([traced.changes, traced.struck]).encode())
    os._exit(0)


def read_report(text: str) -> Traced:
    """What `run` wrote at the end."""
    changes, struck = json.loads(text)
    return Traced(changes, struck)


def _followed(pid: int, folder: Path, fault: Fault) -> Traced:
    changes, struck = 0, None
    while True:
        try:
            thread, status = os.waitpid(-1, _WALL)
        except ChildProcessError:
            return Traced(changes, struck)
        if not os.WIFSTOPPED(status):
            continue
        event, hand_on = status >> 16, 0
        change = changed(thread, folder) if event == _EVENT_SECCOMP else None
        if change is not None:
            # Opening what is there changes nothing, but may fail.
            changes += not change.startswith("open ")
            what = fault.judge(changes, change)
            if what == KILLED:
                os.kill(pid, signal.SIGKILL)
            elif what is not None:
                _strike(thread, what)
            struck = struck or (change if what is not None else None)
        elif not event:
            hand_on = os.WSTOPSIG(status)
        # A thread that was killed meanwhile is no longer there, which is well.
        _libc.ptrace(_CONTINUE, thread, None, hand_on)


def _strike(thread: int, error: int) -> None:
    """Have the call that the thread is stopped before fail, or write half as much."""
    registers = (ctypes.c_ulonglong * _REGISTERS)()
    if _libc.ptrace(_GET_REGISTERS, thread, None, ctypes.addressof(registers)):
        return
    if error == SHORT:
        registers[_THIRD] = max(1, registers[_THIRD] // 2)
    else:
        registers[_CALL], registers[_RESULT] = ctypes.c_ulonglong(-1).value, -error & (2**64 - 1)
    _libc.ptrace(_SET_REGISTERS, thread, None, ctypes.addressof(registers))


def changed(thread: int, folder: Path) -> str | None:
    """The call that the thread is stopped before, if it changes something in the folder.

    A thread that was killed since it stopped is in no call any more: it changes nothing.
    """
    try:
        words = Path(f"/proc/{thread}/syscall").read_text().split()
        call = _CALLS[platform.machine()].get(int(words[0]))
        if call is None:
            return None
        first, second, third = (int(word, 16) for word in words[1:4])
        if call == "openat" and not third & os.O_CREAT:
            call = "open"
        if call == "open" or call.endswith("at"):
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
    for number in _CALLS[machine]:
        lines += [_line(_IF_EQUAL, number, yes=0, no=1), _line(_RETURN, _TRACE)]
    lines.append(_line(_RETURN, _ALLOW))
    program = _Program(len(lines), b"".join(lines))
    _libc.prctl(38, 1, 0, 0, 0)
    if _libc.prctl(_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "The filter is not taken")


def _line(code: int, operand: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, operand)
