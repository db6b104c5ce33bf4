from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.binary import VerificationStatus
from app.rules.verification import Verdict, backoff, judge

DECLARED = "a" * 64
OTHER = "b" * 64


def test_equal_hash_and_size_pass() -> None:
    assert judge(
        declared_hash=DECLARED, declared_size=7, computed_hash=DECLARED, computed_size=7
    ) == Verdict(VerificationStatus.PASSED, None)


@pytest.mark.parametrize(
    ("computed_hash", "computed_size", "error"),
    [
        (
            OTHER,
            7,
            (
                f"The stored content has the SHA-256 {OTHER}, declared was {DECLARED}."
                " Reset the binary to upload it again."
            ),
        ),
        (
            DECLARED,
            0,
            (
                "The stored content is 0 bytes long, declared were 7."
                " Reset the binary to upload it again."
            ),
        ),
        (
            OTHER,
            8,
            (
                "The stored content is 8 bytes long, declared were 7"
                f" and has the SHA-256 {OTHER}, declared was {DECLARED}."
                " Reset the binary to upload it again."
            ),
        ),
    ],
)
def test_what_differs_is_named_with_both_values(
    computed_hash: str, computed_size: int, error: str
) -> None:
    verdict = judge(
        declared_hash=DECLARED,
        declared_size=7,
        computed_hash=computed_hash,
        computed_size=computed_size,
    )
    assert verdict == Verdict(VerificationStatus.FAILED, error)


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(1, 1), (2, 2), (3, 4), (8, 128), (9, 256), (10, 300), (11, 300), (1_000_000, 300)],
)
def test_the_wait_doubles_up_to_five_minutes(attempts: int, seconds: int) -> None:
    assert backoff(attempts) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("attempts", "jitter", "seconds"),
    [(1, 1.0, 1), (2, 1.0, 1), (2, 0.5, 1.5), (5, 0.25, 14), (20, 1.0, 150)],
)
def test_jitter_shortens_the_wait_by_up_to_a_half(
    attempts: int, jitter: float, seconds: float
) -> None:
    assert backoff(attempts, jitter=jitter) == timedelta(seconds=seconds)


@given(attempts=st.integers(1, 10**9), jitter=st.floats(0, 1))
def test_the_wait_is_always_between_one_second_and_five_minutes(
    attempts: int, jitter: float
) -> None:
    assert timedelta(seconds=1) <= backoff(attempts, jitter=jitter) <= timedelta(minutes=5)
