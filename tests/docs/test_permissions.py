"""Every place has a line in the table of permissions, the page is the table's, the rules hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.main import create_app
from app.settings import Settings
from tests.docs.permissions_page import PAGE, page
from tests.graphql.bad_input import ADMIN_ONLY, OWN_DEVICE
from tests.suites.permissions import OK, UNREACHED, Identity, listed, read

TABLE = read()
AT_THE_ROOT = {
    "createApiKey",
    "createArtifact",
    "createProduct",
    "createSigningKey",
    "createWebhook",
    "setQuota",
}
"""Mutations that name nothing, so that everybody makes what is their own."""
FIELDS = {place: row for place, row in TABLE.items() if " " not in place}
MUTATIONS = {
    place.split(".")[1]: row for place, row in TABLE.items() if place.startswith("Mutation.")
}


def test_every_field_and_route_is_listed(tmp_path: Path) -> None:
    app = create_app(Settings(data=tmp_path / "data"))
    assert list(TABLE) == list(listed(app)), (
        "Run `python -m tests.suites.matrix`, and read what it has written."
    )


def test_the_page_is_what_is_printed() -> None:
    told = "Run `python -m tests.docs.permissions_page`."
    assert PAGE.read_text(encoding="utf-8") == page(), told


def test_nothing_is_given_without_a_key() -> None:
    for place, row in FIELDS.items():
        told = row[Identity.ANONYMOUS], row[Identity.REVOKED]
        assert told == ("UNAUTHENTICATED", "KEY_REVOKED"), place


def test_every_type_is_come_to_by_somebody() -> None:
    for place, row in FIELDS.items():
        assert OK in row.values(), place


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_open_to_its_roles_alone(name: str) -> None:
    row = MUTATIONS[name]
    assert row[Identity.ADMIN] == OK
    assert row[Identity.WRITE] == ("FORBIDDEN" if name in ADMIN_ONLY else OK)
    assert row[Identity.READ] == "FORBIDDEN"
    assert row[Identity.DEVICE] == (OK if name in OWN_DEVICE else "FORBIDDEN")
    assert row[Identity.OTHER_DEVICE] == "FORBIDDEN"
    assert row[Identity.OTHER_ORGANIZATION] == (OK if name in AT_THE_ROOT else "NOT_FOUND")


def test_a_role_is_given_all_that_a_lower_one_is() -> None:
    for place, row in FIELDS.items():
        if not place.startswith("ForbiddenError."):
            assert row[Identity.WRITE] == OK or row[Identity.READ] != OK, place
            assert row[Identity.ADMIN] == OK or row[Identity.WRITE] != OK, place


def test_another_device_gets_nothing_of_the_first_one() -> None:
    for place, row in FIELDS.items():
        type_ = place.split(".")[0]
        if not type_.endswith(("Payload", "Error")):
            assert row[Identity.OTHER_DEVICE] in ("FORBIDDEN", UNREACHED), place
