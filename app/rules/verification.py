"""The server's own verification: what it found, and when to try again (domain, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from app.rules.binary import VerificationStatus

FIRST_RETRY: Final = timedelta(seconds=1)
LONGEST_RETRY: Final = timedelta(minutes=5)

_DOUBLINGS: Final = 9
"""After these, doubling `FIRST_RETRY` has passed `LONGEST_RETRY`."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comparing the stored content with its record says; `error` is None if it passed."""

    status: Literal[VerificationStatus.PASSED, VerificationStatus.FAILED]
    error: str | None = None


def judge(
    *, declared_hash: str, declared_size: int, computed_hash: str, computed_size: int
) -> Verdict:
    """Compare the stored content with what its record declares.

    Hashes are SHA-256 in 64 lowercase hex digits, sizes are in bytes. The error is a sentence
    that names the declared and the computed value of what differs.
    """
    wrong = []
    if computed_size != declared_size:
        wrong.append(f"is {computed_size} bytes long, declared were {declared_size}")
    if computed_hash != declared_hash:
        wrong.append(f"has the SHA-256 {computed_hash}, declared was {declared_hash}")
    if not wrong:
        return Verdict(VerificationStatus.PASSED)
    return Verdict(
        VerificationStatus.FAILED,
        f"The stored content {' and '.join(wrong)}. Reset the binary to upload it again.",
    )


def backoff(attempts: int, *, jitter: float = 0.0) -> timedelta:
    """How long to wait after `attempts` (from 1) attempts that could not read the content.

    It doubles from 1 second to 5 minutes, and there is no last attempt: the content may be back
    once somebody has mended the disk. `jitter` from 0 to 1 shortens the wait by up to a half,
    though never below 1 second, so that what failed together is not tried together for ever.
    """
    longest: timedelta = min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(attempts - 1, _DOUBLINGS))
    wait: timedelta = max(FIRST_RETRY, longest * (1 - jitter / 2))
    return wait
