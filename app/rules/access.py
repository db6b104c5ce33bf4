"""Who may do what: roles, and the text form of API keys. Source: the domain, section 9.

Making a secret is the one thing here that is not a function of its arguments: nobody else should
choose the randomness of a key.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from enum import StrEnum
from typing import Final

from app.rules.errors import Forbidden

KEY_PREFIX: Final = "bky_"

_SECRET_BYTES: Final = 32
_SECRET: Final = re.compile(f"{KEY_PREFIX}[A-Za-z0-9_-]{{43}}")


class Role(StrEnum):
    """What an API key is for. READ, WRITE and ADMIN each include the former; DEVICE is apart."""

    READ = "READ"
    WRITE = "WRITE"
    ADMIN = "ADMIN"
    DEVICE = "DEVICE"


_RANKS: Final = {Role.READ: 1, Role.WRITE: 2, Role.ADMIN: 3}


def allows(role: Role, needed: Role) -> bool:
    """Whether a key of `role` may do what needs `needed`; DEVICE stands for itself alone."""
    if Role.DEVICE in (role, needed):
        return role is needed
    return _RANKS[role] >= _RANKS[needed]


def require(role: Role, *needed: Role) -> None:
    """Check that `role` allows at least one of the roles `needed`.

    Raises Forbidden; its fact `role` is the first of those needed, its message names all of them
    and the role that the key has.
    """
    if not any(allows(role, one) for one in needed):
        wanted = " or ".join(needed)
        raise Forbidden(f"This needs the role {wanted}; the API key has {role}.", role=needed[0])


def new_secret() -> str:
    """A new API key: `bky_` and 43 url-safe characters that hold 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def hash_secret(secret: str) -> str:
    """What is stored of an API key: its SHA-256 as 64 lowercase hex digits.

    A plain hash is enough, since 256 random bits can't be guessed. Any text may be hashed.
    """
    return hashlib.sha256(secret.encode("utf-8", errors="surrogatepass")).hexdigest()


def looks_like_secret(text: str) -> bool:
    """Whether the text has the form of an API key, be it one or not."""
    return _SECRET.fullmatch(text) is not None
