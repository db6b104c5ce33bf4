import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.impact import ReleaseFlags
from app.rules.plan import LIFETIME, Plan, read, write
from app.rules.token import seal

KEY = bytes(range(32))
AT = datetime(2030, 1, 1, 12, tzinfo=UTC)


def uid(number: int) -> UUID:
    return UUID(int=number)


PLAN = Plan(
    organization_id=uid(1),
    binaries={uid(12): 7, uid(11): 3},
    releases={
        uid(22): ReleaseFlags(required=True, latest=False),
        uid(21): ReleaseFlags(required=False, latest=True),
    },
    expires=AT,
)


def test_a_plan_is_good_for_an_hour() -> None:
    assert timedelta(hours=1) == LIFETIME


def test_a_token_says_which_binaries_and_which_releases_and_no_counts() -> None:
    token = write(PLAN, key=KEY)
    payload = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[:-16]
    assert json.loads(payload) == {
        "organization": str(uid(1)),
        "binaries": [[str(uid(11)), 3], [str(uid(12)), 7]],
        "releases": [[str(uid(21)), False, True], [str(uid(22)), True, False]],
        "expires": "2030-01-01T12:00:00+00:00",
    }


def test_a_plan_has_one_text_whatever_the_order_that_it_was_made_in() -> None:
    turned = Plan(
        PLAN.organization_id,
        dict(reversed(list(PLAN.binaries.items()))),
        dict(reversed(list(PLAN.releases.items()))),
        PLAN.expires,
    )
    assert write(turned, key=KEY) == write(PLAN, key=KEY)


@given(
    binaries=st.dictionaries(st.uuids(), st.integers(1, 2**53), max_size=5),
    releases=st.dictionaries(st.uuids(), st.builds(ReleaseFlags, st.booleans(), st.booleans())),
    expires=st.datetimes(timezones=st.just(UTC)),
)
def test_a_plan_is_read_as_it_was_written(
    binaries: dict[UUID, int], releases: dict[UUID, ReleaseFlags], expires: datetime
) -> None:
    plan = Plan(uid(1), binaries, releases, expires)
    assert read(write(plan, key=KEY), key=KEY) == plan


def test_different_plans_have_different_tokens() -> None:
    other = (
        replace(PLAN, organization_id=uid(2)),
        replace(PLAN, binaries={**PLAN.binaries, uid(12): 8}),
        replace(PLAN, releases={}),
        replace(PLAN, releases={**PLAN.releases, uid(21): ReleaseFlags(True, True)}),
        replace(PLAN, expires=AT + timedelta(microseconds=1)),
    )
    assert len({write(plan, key=KEY) for plan in (PLAN, *other)}) == 6


@pytest.mark.parametrize(
    "token",
    [
        "",
        "plan",
        write(PLAN, key=KEY)[:-1],
        "A" + write(PLAN, key=KEY)[1:],
        write(PLAN, key=KEY[::-1]),
        seal("cursor", b"{}", key=KEY),
    ],
)
def test_what_is_no_plan_of_this_server_is_refused(token: str) -> None:
    with pytest.raises(ValueError):
        read(token, key=KEY)
