import pytest

from app.rules.access import Role, allows, hash_secret, looks_like_secret, new_secret, require
from app.rules.errors import Forbidden

ALLOWED = {
    Role.READ: {Role.READ},
    Role.WRITE: {Role.READ, Role.WRITE},
    Role.ADMIN: {Role.READ, Role.WRITE, Role.ADMIN},
    Role.DEVICE: {Role.DEVICE},
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("needed", Role)
def test_who_may_do_what(role: Role, needed: Role) -> None:
    assert allows(role, needed) is (needed in ALLOWED[role])


def test_a_role_that_is_enough_passes() -> None:
    require(Role.ADMIN, Role.WRITE)
    require(Role.DEVICE, Role.WRITE, Role.DEVICE)
    require(Role.WRITE, Role.WRITE, Role.DEVICE)


def test_a_role_that_is_too_low_is_refused_with_both_roles() -> None:
    with pytest.raises(Forbidden) as refused:
        require(Role.READ, Role.WRITE)
    assert refused.value.message == "This needs the role WRITE; the API key has READ."
    assert refused.value.facts == {"role": "WRITE"}


def test_a_refusal_names_every_role_that_would_do() -> None:
    with pytest.raises(Forbidden) as refused:
        require(Role.READ, Role.WRITE, Role.DEVICE)
    assert refused.value.message == "This needs the role WRITE or DEVICE; the API key has READ."
    assert refused.value.facts == {"role": "WRITE"}


def test_a_secret_holds_256_bits_in_a_known_form() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(len(secret) == 47 and secret.startswith("bky_") for secret in secrets)
    assert all(looks_like_secret(secret) for secret in secrets)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bky_",
        "bky_" + "a" * 42,
        "bky_" + "a" * 44,
        "BKY_" + "a" * 43,
        "bky-" + "a" * 43,
        "bky_" + "a" * 42 + "+",
        "bky_" + "a" * 42 + "é",
        "bky_" + "a" * 43 + "\n",
        " bky_" + "a" * 43,
    ],
)
def test_other_text_does_not_look_like_a_secret(text: str) -> None:
    assert not looks_like_secret(text)


def test_a_secret_is_stored_as_its_sha_256() -> None:
    assert (
        hash_secret("bky_" + "a" * 43)
        == "856f90f2e3c8ba6e6a75663ab0761707fda6a5765846a421dc98cd6816c14986"
    )
    assert len(hash_secret("\ud800")) == 64
