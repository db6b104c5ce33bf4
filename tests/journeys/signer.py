"""The signing side, as a user has it: openssl and nothing else."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.journeys.checks import Failed

_PUBLIC_KEY: Final = 32
"""Bytes of an Ed25519 public key: the last ones of its DER form."""


class Signer:
    """An Ed25519 key pair made by openssl in `folder`; the private key stays there."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("openssl")
        if program is None:
            raise Failed("openssl is not there; install it (3.0 or newer), it signs the binaries.")
        self._program = program
        self._folder = folder
        self._key = folder / "signer.pem"
        self._run("genpkey", "-algorithm", "ed25519", "-out", str(self._key))

    def public_key(self) -> str:
        """The public key as PEM."""
        return self._run("pkey", "-in", str(self._key), "-pubout").decode()

    def fingerprint(self) -> str:
        """The SHA-256 of the 32 bytes of the public key, in lowercase hex."""
        der = self._run("pkey", "-in", str(self._key), "-pubout", "-outform", "DER")
        return hashlib.sha256(der[-_PUBLIC_KEY:]).hexdigest()

    def signature(self, digest: str) -> str:
        """The signature over the characters of a digest in lowercase hex, itself as hex."""
        message = self._folder / "digest.txt"
        message.write_text(digest)
        arguments = ("-sign", "-rawin", "-inkey", str(self._key), "-in", str(message))
        return self._run("pkeyutl", *arguments).hex()

    def _run(self, *arguments: str) -> bytes:
        done = subprocess.run([self._program, *arguments], capture_output=True, check=False)
        if done.returncode:
            reason = done.stderr.decode(errors="replace").strip()
            raise Failed(f"`openssl {arguments[0]}` failed: {reason}")
        return done.stdout
