import base64
import hashlib
import hmac
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.webhook import (
    MAX_ATTEMPTS,
    Failure,
    failure_of,
    fingerprint,
    headers,
    logged,
    pause,
    secret,
    written,
)

KEY = bytes(range(32))
ORGANIZATION = UUID("01890000-0000-7000-8000-00000000000a")
WEBHOOK = UUID("01890000-0000-7000-8000-00000000000b")


def made(**other: object) -> bytes:
    told = {"organization_id": ORGANIZATION, "webhook_id": WEBHOOK, "generation": 1}
    key = other.pop("key", KEY)
    return secret(key, **{**told, **other})  # type: ignore[arg-type]


def test_a_secret_is_the_same_each_time_and_no_other_s() -> None:
    assert made() == made()
    others = [
        made(key=bytes(32)),
        made(organization_id=WEBHOOK),
        made(webhook_id=ORGANIZATION),
        made(generation=2),
    ]
    assert len({made(), *others}) == 5
    assert len({fingerprint(one) for one in (made(), *others)}) == 5
    assert len(made()) == 32


def test_a_secret_is_written_as_receivers_take_it() -> None:
    text = written(made())
    assert text.startswith("whsec_")
    assert base64.b64decode(text.removeprefix("whsec_")) == made()
    assert made().hex() not in fingerprint(made())


def test_a_message_is_signed_as_standard_webhooks_says() -> None:
    # The example of its reference implementations.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    found = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", body, at=1614265330, secrets=[key])
    assert found == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_each_secret_signs_while_one_rolls() -> None:
    secrets = [b"new", b"old"]
    found = headers("id", b"body", at=7, secrets=secrets)["webhook-signature"]
    wanted = [hmac.new(one, b"id.7.body", hashlib.sha256).digest() for one in secrets]
    assert found == " ".join("v1," + base64.b64encode(one).decode() for one in wanted)


@given(attempts=st.integers(1, 10_000), jitter=st.floats(0, 1))
def test_a_pause_doubles_up_to_four_hours(attempts: int, jitter: float) -> None:
    longest = min(4 * 3600.0, 5.0 * 2.0 ** min(attempts - 1, 20))
    found = pause(attempts, first_seconds=5.0, jitter=jitter)
    assert found == timedelta(seconds=longest * (1 - jitter / 2))


def test_the_first_pauses() -> None:
    found = [pause(n, first_seconds=5.0, jitter=0).total_seconds() for n in (1, 2, 3, 12, 13)]
    assert found == [5, 10, 20, 10_240, 14_400]


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (199, Failure.STATUS),
        (200, None),
        (204, None),
        (299, None),
        (300, Failure.REDIRECT),
        (308, Failure.REDIRECT),
        (400, Failure.STATUS),
        (410, Failure.STATUS),
        (503, Failure.STATUS),
    ],
)
def test_a_status_says_whether_it_was_taken(status: int, why: Failure | None) -> None:
    assert failure_of(status) == why


def test_the_last_attempts_are_kept() -> None:
    attempts: list[dict[str, int]] = []
    for n in range(MAX_ATTEMPTS + 3):
        attempts = logged(attempts, {"n": n})
    assert [one["n"] for one in attempts] == list(range(3, MAX_ATTEMPTS + 3))
