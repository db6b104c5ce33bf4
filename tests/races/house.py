"""Many clients at once: how they start together, and what must hold of all their answers."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from nacl.signing import SigningKey

from app.actions import verification
from app.rules.binary import Move, State, after, available
from app.server import Server
from app.worker.hashing import Hashing
from tests.api import Api, Json

T = TypeVar("T")

CLIENTS: Final = 64
HALF: Final = CLIENTS // 2
ROUNDS: Final = int(os.environ.get("BINDERY_ROUNDS", "5"))
FEW: Final = max(1, ROUNDS // 2)
"""Rounds of what is near to another race."""
CONTENT: Final = b"content"
LOST: Final = {"CONFLICT", "INVALID_TRANSITION"}
"""What the losers of a race between moves are told."""
MUTATIONS: Final = {
    Move.FINISH_UPLOAD: "finishBinaryUpload",
    Move.START_HASHING: "startBinaryHashing",
    Move.SIGN: "signBinary",
    Move.DESTROY: "destroyBinary",
    Move.RESET: "resetBinary",
}
_ERRORS: Final = """errors {
  code
  ... on InvalidTransitionError { state availableTransitions }
  ... on ConflictError { state availableTransitions }
  ... on AlreadyExistsError { existingId }
}"""
# As little as tells who won: most of a small mutation's time is the reading of its document.
_MOVE_KINDS: Final = {f"binary.{move.lower()}": move for move in Move}


async def at_once(starts: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Has each one begin when all are there, in an order of its own, and gives their results."""
    barrier = asyncio.Barrier(len(starts))

    async def client(start: Callable[[], Awaitable[T]]) -> T:
        await barrier.wait()
        return await start()

    places = random.sample(range(len(starts)), len(starts))
    results = await asyncio.gather(*(client(starts[place]) for place in places))
    return [result for _, result in sorted(zip(places, results, strict=True), key=lambda x: x[0])]


def half(one: Sequence[T], other: Sequence[T]) -> list[T]:
    """Both in turn: the one at the even places, the other at the odd ones."""
    return [client for pair in zip(one, other, strict=True) for client in pair]


@dataclass(frozen=True)
class Signer:
    """A signing key that the server knows."""

    id: str
    key: SigningKey

    def signature(self, digest: str) -> str:
        """Its signature of a content's SHA-256."""
        return self.key.sign(digest.encode()).signature.hex()


@dataclass(frozen=True)
class Answer:
    """What one client was told: the move that it asked for, and the mutation's payload."""

    move: Move | None
    payload: Json

    @property
    def won(self) -> bool:
        """Whether it was done."""
        return not self.payload["errors"]

    @property
    def error(self) -> Json:
        """The one error of a client that lost."""
        (error,) = self.payload["errors"]
        found: Json = error
        return found


@dataclass
class House:
    """An organization with an artifact version, on a server without a worker."""

    api: Api
    server: Server
    version: str
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def binary(self, state: State) -> str:
        """The id of a new binary in a state; an uploadable one has all its bytes."""
        api = self.api
        id = await api.uploaded(self.version, CONTENT, f"target-{next(self._numbers)}")
        if state is State.UPLOADABLE:
            return id
        started = state is not State.HASHABLE
        await api.do("finishBinaryUpload", "binary { id }", binaryId=id, startHashing=started)
        if state in (State.SIGNABLE, State.SIGNED):
            await self.verify()
        if state is State.SIGNED:
            await api.sign(id, CONTENT)
        return id

    async def verify(self) -> None:
        """Does the worker's part for the one binary in hashing."""
        claimed = await verification.claim(lease_seconds=60)
        assert claimed is not None
        await Hashing(self.server.store, claimed, lease_seconds=60).run()

    async def signers(self, count: int) -> list[Signer]:
        """New signing keys."""
        return [await self._signer() for _ in range(count)]

    async def _signer(self) -> Signer:
        key = SigningKey.generate()
        made = await self.api.do(
            "createSigningKey",
            "signingKey { id }",
            name="signer",
            publicKey=base64.b64encode(bytes(key.verify_key)).decode(),
        )
        return Signer(made["id"], key)

    def asks(self, move: Move, id: str, /, **more: Any) -> Callable[[], Awaitable[Answer]]:
        """A client that asks for a move."""
        return self.asks_for(
            MUTATIONS[move], "binary { state revision }", move, binaryId=id, **more
        )

    def asks_for(
        self, mutation: str, selection: str, move: Move | None = None, /, **input: Any
    ) -> Callable[[], Awaitable[Answer]]:
        """A client that sends a mutation; `move` is the one that it makes, if it is one."""
        kind = mutation[0].upper() + mutation[1:] + "Input"
        query = f"mutation($i: {kind}!) {{ {mutation}(input: $i) {{ {selection} {_ERRORS} }} }}"

        async def ask() -> Answer:
            response = await self.api.post(query, {"i": input})
            assert response.status_code == 200, response.text
            body: Json = response.json()
            assert "errors" not in body, body["errors"]
            return Answer(move, body["data"][mutation])

        return ask

    def signs(self, id: str, signer: Signer, digest: str) -> Callable[[], Awaitable[Answer]]:
        """A client that signs a binary with this key."""
        return self.asks(Move.SIGN, id, signingKeyId=signer.id, signature=signer.signature(digest))

    async def told(self, id: str) -> Json:
        """A binary as the API tells it, with its Events from the oldest on."""
        found = await self.api.ask(
            """query($id: ID!) { binary(id: $id) {
                state revision hash bytesUploaded destroyed parts { state } signatures { id }
                events(first: 100, orderBy: {field: CREATED_AT, direction: ASC}) {
                    nodes { kind before after } } } }""",
            id=id,
        )
        told: Json = found["binary"]
        return told


async def check_moves(
    house: House, id: str, before: Json, answers: Sequence[Answer], *, also: Collection[str] = ()
) -> Counter[Move]:
    """Checks everything that holds of racing moves, and counts those that were made.

    `also` are further codes that losers may be told.
    """
    told = await house.told(id)
    made = _replayed(before, told)
    for answer in answers:
        if not answer.won:
            check_lost(answer.error, also=also)
        elif answer.move is not None and answer.move is not Move.SIGN:
            assert State(answer.payload["binary"]["state"]) in _targets(answer.move)
    winners = Counter(answer.move for answer in answers if answer.won and answer.move)
    for move in winners.keys() | made.keys():
        # Of several signatures the first one moved, the others were added.
        if move is Move.SIGN:
            assert made[move] <= winners[move]
        elif move is not Move.PASS_VERIFICATION:
            assert made[move] == winners[move]
    return made


def _targets(move: Move) -> set[State]:
    return {target for state in State if (target := after(state, move)) is not None}


def _replayed(before: Json, told: Json) -> Counter[Move]:
    """The moves among a binary's new Events, each a legal one after the last."""
    state, revision = State(before["state"]), before["revision"]
    made: Counter[Move] = Counter()
    for event in told["events"]["nodes"][len(before["events"]["nodes"]) :]:
        if event["kind"] == "binary.update":
            revision += 1
        if (move := _MOVE_KINDS.get(event["kind"])) is None:
            continue
        following = after(state, move)
        assert following is not None, (state, move)
        assert event["before"] == {"state": state, "revision": revision}
        state, revision = following, revision + 1
        assert event["after"] == {"state": state, "revision": revision}
        made[move] += 1
    assert (told["state"], told["revision"]) == (state, revision)
    return made


def check_lost(error: Json, *, also: Collection[str] = ()) -> None:
    """Checks that a client was told that it lost, and what is possible from the present state."""
    assert error["code"] in {*LOST, *also}, error
    if error["code"] in LOST:
        assert error["availableTransitions"] == list(available(State(error["state"])))
