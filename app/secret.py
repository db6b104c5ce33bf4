"""The secret that signs URLs, cursors and plan tokens."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path

from app.settings import Settings, SettingsError

_FORM = re.compile("[0-9a-fA-F]{64}")


def read_secret(settings: Settings) -> bytes:
    """The 32 bytes of the setting, or of a file that is made at the first start.

    Raises SettingsError: of the wrong form, or a file that others may read.
    """
    if settings.secret:
        return _parsed(settings.secret, "BINDERY_SECRET")
    path = settings.data / "secret.key"
    if not path.exists():
        _make(path)
    if path.stat().st_mode & 0o077:
        raise SettingsError(f"{path} can be read by others; run `chmod 600 {path}`.")
    return _parsed(path.read_text(encoding="ascii", errors="replace").strip(), str(path))


def _parsed(text: str, where: str) -> bytes:
    if not _FORM.fullmatch(text):
        raise SettingsError(f"{where} must be 64 hex digits; `openssl rand -hex 32` makes them.")
    return bytes.fromhex(text)


def _make(path: Path) -> None:
    """Makes the file whole or not at all; the first of several processes wins."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
