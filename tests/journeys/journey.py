"""What the steps of one journey share: the server's address, the content, and what was made."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Final

from tests.journeys.client import Api, Json
from tests.journeys.observed import Bucket, Disk, Memory, Usage
from tests.journeys.sample import MIB, Sample
from tests.journeys.server import Place
from tests.journeys.signer import Signer

OWN_TARGET: Final = "x86_64-unknown-linux-gnu"
OTHER_TARGET: Final = "aarch64-unknown-linux-musl"
PORTABLE: Final = "portable"
NOT_SEEN: Final = "not looked at: the server was not started here"


@dataclass
class Line:
    """A product of one target, with a cohort and a device in it, and the release for them."""

    target: str
    product: str = ""
    cohort: str = ""
    device: str = ""
    release: str = ""


@dataclass
class Stored:
    """A binary, and the file that it was made from."""

    sample: Sample
    target: str
    metadata: Json
    id: str = ""
    url: str = ""
    signatures: list[str] = field(default_factory=list)


@dataclass
class Journey:
    """One run. `own` has a binary of its own target, `other` gets along with the portable one."""

    place: Place
    api: Api
    signer: Signer
    specific: Stored
    portable: Stored
    tag: str = field(default_factory=lambda: secrets.token_hex(4))
    """Makes names unique, for a server that has seen journeys before."""
    own: Line = field(default_factory=lambda: Line(OWN_TARGET))
    other: Line = field(default_factory=lambda: Line(OTHER_TARGET))
    artifact: str = ""
    version: str = ""
    signing_key: str = ""
    bundle: str = ""
    plan_token: str = ""
    device_key: str = ""
    attempts: int = 0
    """How often the hashing was begun."""
    memory: Memory | None = None
    windows: list[bytes] = field(default_factory=list)
    before: Usage | None = None
    rates: dict[str, tuple[int, float]] = field(default_factory=dict)
    """By what was done: bytes and seconds."""

    @property
    def lines(self) -> tuple[Line, Line]:
        """Both products."""
        return self.own, self.other

    @property
    def disk(self) -> Disk | Bucket | None:
        """Where content is kept, if that is known."""
        disk = None if self.place.data is None else Disk(self.place.data)
        return self.place.bucket or disk

    def name(self, text: str) -> str:
        """A name that this journey alone gives."""
        return f"{text} {self.tag}"

    def took(self, what: str, size: int, begun: float) -> str:
        """Notes a rate, for bytes that began to move at a time of `time.perf_counter`."""
        seconds = time.perf_counter() - begun
        self.rates[what] = size, seconds
        return rate(size, seconds)


def rate(size: int, seconds: float) -> str:
    """Bytes per time, in words."""
    return f"{size / MIB / seconds:.0f} MiB/s"
