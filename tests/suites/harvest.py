"""All secrets that a server's answers gave, and what is wrong with how they were given."""

from __future__ import annotations

import base64
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import httpx

KEY: Final = re.compile(r"bky_[A-Za-z0-9_-]{43}")
LINK: Final = re.compile(r"(?<=signature=)[0-9a-f]{64}")
TOKEN: Final = re.compile(r'(?<="planToken":")[^"]+')
KEY_BYTES: Final = 32


@dataclass
class Harvest:
    """Watches the answers to a client."""

    keys: Counter[str] = field(default_factory=Counter)
    """API keys, and in how many answers each one was."""
    links: set[str] = field(default_factory=set)
    """The signatures of links."""
    tokens: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)
    """Bodies that tell of an error."""
    answers: int = 0

    async def see(self, response: httpx.Response) -> None:
        """Looks at an answer; a hook of httpx."""
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            return
        self.look(response.status_code, (await response.aread()).decode("latin-1"))

    def look(self, status: int, text: str) -> None:
        """Looks at the text of an answer."""
        self.answers += 1
        self.keys.update(set(KEY.findall(text)))
        self.links.update(LINK.findall(text))
        self.tokens.update(TOKEN.findall(text))
        if status >= 400 or '"errors":[{' in text:
            self.told.append(text)

    @property
    def secrets(self) -> dict[bytes, str]:
        """What must be nowhere, with what it is: as it is sent, and as the bytes behind that."""
        found = {}
        for key in self.keys:
            found[key.encode()] = "an API key"
            found[key[4:24].encode()] = "the beginning of an API key"
            found[key[-20:].encode()] = "the end of an API key"
            raw = _raw(key)
            found[raw] = found[raw.hex().encode()] = "an API key's bytes"
        for link in self.links:
            found[link.encode()] = "a link's signature"
            found[bytes.fromhex(link)] = "a link's signature as bytes"
        for token in self.tokens:
            # Its end is its tag; before that stand ids, which are no secret.
            found[token[-20:].encode()] = "a plan token"
        return found

    def wrong(self) -> list[str]:
        """What is wrong with the secrets that were given."""
        found = [f"a key was shown {times} times" for times in self.keys.values() if times != 1]
        found += [
            f"a key holds {8 * len(_raw(key))} bits"
            for key in self.keys
            if len(_raw(key)) != KEY_BYTES
        ]
        for text in self.told:
            # A payload's errors stand beside what was asked for; here nothing was given.
            if KEY.search(text) or LINK.search(text):
                found.append(f"an error tells a secret: {text[:200]}")
        return found


def _raw(key: str) -> bytes:
    text = key.removeprefix("bky_")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
