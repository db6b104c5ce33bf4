"""S3: ids, cursors, tokens, keys, names and links swapped between two organizations.

Every place that takes one is sent the other organization's, and then such as nobody has. The
answers have to be the same, tell nothing of the other organization, and change nothing in it.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from app.rules.access import Role
from tests.soak.turn import Turn
from tests.suites.answers import inside_told, wrong_status
from tests.suites.links import LINK_PLACES, LinkPlace
from tests.suites.places import TEXTS, Place, places
from tests.suites.stage import DATABASES, postgres, staged
from tests.suites.tenants import Tenant, tenant
from tests.suites.values import Values, nobodys, theirs

BLOCK: Final = 250
"""Cases on one pair of organizations; then come fresh ones, on the other database."""
ROLES: Final = (Role.ADMIN, Role.ADMIN, Role.WRITE, Role.READ, Role.DEVICE)
_ALL: Final[tuple[Place | LinkPlace, ...]] = (*places(), *LINK_PLACES)
# What differs from request to request, whatever was asked.
_PASSING: Final = (
    (re.compile(r'"requestId": ?"[0-9a-f]*"'), '"requestId"'),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"expires=\d+&signature=[0-9a-f]{64}"), "SIGNED"),
    (re.compile(r'"planToken": ?"[^"]*"'), '"planToken"'),
)
# And what differs where something new is made.
_MADE: Final = (
    (re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UUID"),
    (re.compile("bky_[A-Za-z0-9_-]{43}"), "SECRET"),
    (re.compile(r"fresh\d+x\d+"), "FRESH"),
)


def play(turn: Turn) -> None:
    """Plays the turn's cases, block by block."""
    with postgres() as address:
        while not turn.over:
            block = turn.next // BLOCK
            kind = DATABASES[block % len(DATABASES)]
            asyncio.run(_block(turn, block, kind, address))


async def _block(turn: Turn, block: int, kind: str, address: Any) -> None:
    async with staged(kind, address) as stage:
        first, second = await tenant(stage.http, "acme"), await tenant(stage.http, "umbra")
        own, other = (first, second) if block // 2 % 2 else (second, first)
        swaps = Swaps(stage.http, own, other, kind)
        before = await other.facts()
        first_number = turn.next
        for number in turn.cases(BLOCK - first_number % BLOCK):
            for finding in await swaps.case(number, turn.random(number)):
                turn.find(number, f"{kind}: {finding}")
        after = await other.facts()
        for table, rows in before.items():
            if after[table] != rows:
                turn.find(first_number, f"{kind}: rows of {table} changed in a block from here")


@dataclass
class Swaps:
    """One organization asks about what another one has."""

    http: httpx.AsyncClient
    own: Tenant
    other: Tenant
    kind: str
    used: set[str] = field(default_factory=set)
    """The other's names and keys that something was made with: from then on they are one's own."""
    tally: Counter[str] = field(default_factory=Counter)
    """How many places of each sort were swapped, and how often an id was told to be unknown."""

    async def case(self, number: int, chance: random.Random) -> list[str]:
        """What is wrong with the answers of a case; nothing, where all is right."""
        for step in range(len(_ALL)):
            place = _ALL[(number * 7919 + step) % len(_ALL)]
            if isinstance(place, LinkPlace):
                self.tally["link"] += 1
                return await self._link(place, chance)
            value = self._value(place, chance)
            if value is not None:
                self.tally[place.sort] += 1
                return await self._swap(place, value, number, chance)
        raise AssertionError("there is no place to swap")

    def _value(self, place: Place, chance: random.Random) -> str | None:
        for value in theirs(place, self.own, self.other, chance):
            if place.sort not in TEXTS and place.sort != "idempotencyKey":
                return value
            if any(value in one for one in self.used):
                continue
            if place.operation.creates:
                self.used.add(value)
            return value
        return None

    async def _swap(
        self, place: Place, value: str, number: int, chance: random.Random
    ) -> list[str]:
        role = chance.choice(ROLES)
        seed = chance.random()
        sent = [value, *nobodys(place, value, self.own, self.other, chance)]
        told = []
        for turn, one in enumerate(sent):
            values = Values(self.own, random.Random(seed), f"fresh{number}x{turn}")
            response = await self._ask(place, values.swapped(place, one), role)
            text = response.text.replace(one, "SENT")
            for name in self.used:
                text = text.replace(name, "TAKEN")
            if turn == 0 and (seen := self.other.seen_in(text)):
                return [f"{role} {place}: tells {seen}"]
            wrong = wrong_status(response.status_code) or inside_told(text, place.operation.text)
            if wrong or "INTERNAL_SERVER_ERROR" in text:
                return [f"{role} {place}: {wrong} {text[:200]}"]
            told.append(f"{response.status_code} {_told(text, place.operation.kind)}")
        if not told[0] == told[1] == told[2]:
            return [f"{role} {place}: {_difference(told)}"]
        self.tally["NOT_FOUND"] += '"NOT_FOUND"' in told[0]
        if refusal := _not_refused(place, told[0]):
            return [f"{role} {place}: {refusal}"]
        return []

    async def _ask(self, place: Place, variables: dict[str, Any], role: Role) -> httpx.Response:
        api = self.own.keys[role]
        headers = {"authorization": f"Bearer {api.key}"}
        if place.operation.kind == "subscription":
            headers["accept"] = "text/event-stream"
        body = {"query": place.operation.text, "variables": variables}
        return await self.http.post("/graphql", json=body, headers=headers)

    async def _link(self, place: LinkPlace, chance: random.Random) -> list[str]:
        told = []
        for url in place.urls(self.own, self.other, chance):
            response = await self.http.request(place.method, url, content=b"content")
            if seen := self.other.seen_in(f"{response.text} {response.headers}"):
                return [f"{place}: tells {seen}"]
            told.append(f"{response.status_code} {_told(response.text, 'link')}")
        if len(set(told)) > 1 or not told[0].startswith("403"):
            return [f"{place}: {_difference(told)}"]
        return []


def _told(text: str, kind: str) -> str:
    for pattern, instead in (*_PASSING, *(_MADE if kind == "mutation" else ())):
        text = pattern.sub(instead, text)
    return text


def _not_refused(place: Place, told: str) -> str:
    """What is wrong where another's id went through; queries may answer nothing instead."""
    if place.sort != "id" or place.operation.kind == "query" or "reported" in place.path:
        # A device may report what there is no longer; it is answered by its other facts.
        return ""
    return "" if '"code"' in told else f"is not refused: {told[:300]}"


def _difference(told: list[str]) -> str:
    """The first place where answers differ, with what stands around it."""
    other = next((one for one in told[1:] if one != told[0]), told[0])
    pairs = enumerate(zip(told[0], other, strict=False))
    at = next((place for place, (one, two) in pairs if one != two), min(len(told[0]), len(other)))
    begin = max(0, at - 60)
    return f"answers …{told[0][begin : at + 120]}…, to nobody's …{other[begin : at + 120]}…"
