"""64 clients ask for one move, or for two that exclude each other: one of them wins."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from app.rules.binary import Move, State
from tests.races.house import (
    CLIENTS,
    CONTENT,
    FEW,
    HALF,
    ROUNDS,
    House,
    at_once,
    check_lost,
    check_moves,
    half,
)

DIGEST = hashlib.sha256(CONTENT).hexdigest()
ORIGINS = {
    Move.FINISH_UPLOAD: (State.UPLOADABLE,),
    Move.START_HASHING: (State.HASHABLE,),
    Move.RESET: (State.HASHABLE, State.HASHING, State.SIGNABLE),
    Move.DESTROY: (State.SIGNED,),
}


@pytest.mark.parametrize("move", ORIGINS)
async def test_one_of_64_makes_a_move(house: House, move: Move) -> None:
    for number in range(ROUNDS):
        origins = ORIGINS[move]
        id = await house.binary(origins[number % len(origins)])
        before = await house.told(id)
        answers = await at_once([house.asks(move, id)] * CLIENTS)
        assert await check_moves(house, id, before, answers) == {move: 1}
        await _forget(house, id)


async def test_of_64_different_keys_one_signs_and_the_others_add(house: House) -> None:
    signers = await house.signers(CLIENTS)
    for _ in range(ROUNDS):
        id = await house.binary(State.SIGNABLE)
        before = await house.told(id)
        answers = await at_once([house.signs(id, signer, DIGEST) for signer in signers])
        assert [answer.error for answer in answers if not answer.won] == []
        assert await check_moves(house, id, before, answers) == {Move.SIGN: 1}
        told = await house.told(id)
        assert len(told["signatures"]) == CLIENTS
        revisions = {answer.payload["binary"]["revision"] for answer in answers}
        assert revisions == {before["revision"] + 1}


@pytest.mark.parametrize("origin", [State.SIGNABLE, State.SIGNED])
async def test_of_64_signatures_by_one_key_one_is_kept(house: House, origin: State) -> None:
    (signer,) = await house.signers(1)
    for _ in range(ROUNDS if origin is State.SIGNABLE else 1):
        id = await house.binary(origin)
        before = await house.told(id)
        answers = await at_once([house.signs(id, signer, DIGEST)] * CLIENTS)
        lost = [answer.error for answer in answers if not answer.won]
        assert Counter(error["code"] for error in lost) == {"ALREADY_EXISTS": CLIENTS - 1}
        told = await house.told(id)
        (new,) = {one["id"] for one in told["signatures"]} - {
            one["id"] for one in before["signatures"]
        }
        assert {error["existingId"] for error in lost} == {new}
        made = await check_moves(house, id, before, answers, also={"ALREADY_EXISTS"})
        assert made == ({Move.SIGN: 1} if origin is State.SIGNABLE else {})


@pytest.mark.parametrize(
    ("origin", "one", "other"),
    [
        (State.UPLOADABLE, Move.FINISH_UPLOAD, Move.RESET),
        (State.HASHABLE, Move.START_HASHING, Move.RESET),
    ],
)
async def test_two_moves_are_made_one_after_the_other_or_not(
    house: House, origin: State, one: Move, other: Move
) -> None:
    for number in range(ROUNDS):
        id = await house.binary(origin)
        before = await house.told(id)
        # Every second time all clients name the revision that they saw: then one move is made.
        guard = {"expectedRevision": before["revision"]} if number % 2 else {}
        clients = half(
            [house.asks(one, id, **guard)] * HALF, [house.asks(other, id, **guard)] * HALF
        )
        answers = await at_once(clients)
        # A finish after a reset finds no parts.
        made = await check_moves(house, id, before, answers, also={"PARTS_INCOMPLETE"})
        assert max(made.values()) == 1
        assert not guard or made.total() == 1
        assert made[one] == 1 or made[other] == 1
        await _forget(house, id)


async def test_signing_and_resetting_exclude_each_other(house: House) -> None:
    signers = await house.signers(HALF)
    for _ in range(ROUNDS):
        id = await house.binary(State.SIGNABLE)
        before = await house.told(id)
        clients = half(
            [house.signs(id, signer, DIGEST) for signer in signers],
            [house.asks(Move.RESET, id)] * HALF,
        )
        answers = await at_once(clients)
        made = await check_moves(house, id, before, answers)
        assert made in ({Move.SIGN: 1}, {Move.RESET: 1})
        told = await house.told(id)
        signed = sum(answer.won for answer in answers[::2])
        assert (len(told["signatures"]), len(told["parts"])) == (
            (HALF, 1) if made[Move.SIGN] else (0, 0)
        )
        assert signed == len(told["signatures"])


async def test_no_signature_follows_a_destroy(house: House) -> None:
    signers = await house.signers(HALF)
    for _ in range(FEW):
        id = await house.binary(State.SIGNED)
        before = await house.told(id)
        clients = half(
            [house.signs(id, signer, DIGEST) for signer in signers],
            [house.asks(Move.DESTROY, id)] * HALF,
        )
        answers = await at_once(clients)
        assert await check_moves(house, id, before, answers) == {Move.DESTROY: 1}
        told = await house.told(id)
        assert len(told["signatures"]) == 1 + sum(answer.won for answer in answers[::2])


async def test_one_binary_is_destroyed_once_alone_or_among_others(house: House) -> None:
    for _ in range(ROUNDS):
        ids = [await house.binary(State.SIGNED) for _ in range(2)]
        before = [await house.told(id) for id in ids]
        clients = half(
            [house.asks(Move.DESTROY, id) for id in ids] * (HALF // 2),
            # In both orders, which would be a deadlock if they were locked as they are named.
            [
                house.asks_for(
                    "destroyBinaries", "binaries { state revision }", binaryIds=ids[::order]
                )
                for order in (1, -1)
            ]
            * (HALF // 2),
        )
        answers = await at_once(clients)
        for answer in answers:
            if not answer.won:
                check_lost(answer.error)
        several = any(answer.won for answer in answers[1::2])
        for id, told in zip(ids, before, strict=True):
            after = await house.told(id)
            assert (after["state"], after["revision"]) == ("DESTROYED", told["revision"] + 1)
            kinds = Counter(event["kind"] for event in after["events"]["nodes"])
            assert kinds["binary.destroy"] == 1
        assert sum(answer.won for answer in answers) == (1 if several else 2)


async def test_a_binary_is_deleted_once(house: House) -> None:
    for _ in range(FEW):
        id = await house.binary(State.HASHABLE)
        clients = half(
            [house.asks_for("deleteBinary", "deletedBinaryId", binaryId=id)] * HALF,
            [house.asks(Move.START_HASHING, id)] * HALF,
        )
        answers = await at_once(clients)
        assert sum(answer.won for answer in answers[::2]) == 1
        assert sum(answer.won for answer in answers[1::2]) in (0, 1)
        for answer in answers:
            if not answer.won:
                check_lost(answer.error, also={"NOT_FOUND"})
        left = await house.api.ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[id])
        assert left["nodes"] == [None]


async def test_a_hash_changes_or_the_upload_is_finished(house: House) -> None:
    for _ in range(FEW):
        id = await house.binary(State.UPLOADABLE)
        before = await house.told(id)
        clients = half(
            [
                house.asks_for(
                    "updateBinary", "binary { revision }", binaryId=id, hash=f"{place:064x}"
                )
                for place in range(HALF)
            ],
            [house.asks(Move.FINISH_UPLOAD, id)] * HALF,
        )
        answers = await at_once(clients)
        made = await check_moves(house, id, before, answers, also={"PARTS_INCOMPLETE"})
        told = await house.told(id)
        changed = sum(answer.won for answer in answers[::2])
        assert changed == (0 if made[Move.FINISH_UPLOAD] else HALF)
        assert told["revision"] == before["revision"] + (changed or 1)
        assert (told["hash"] == DIGEST) is (told["state"] == "HASHABLE") is bool(told["parts"])
        await _forget(house, id)


async def test_a_signed_binary_keeps_one_signature(house: House) -> None:
    signers = await house.signers(7)
    for _ in range(FEW):
        id = await house.binary(State.SIGNED)
        for signer in signers:
            assert (await house.signs(id, signer, DIGEST)()).won
        signatures = [one["id"] for one in (await house.told(id))["signatures"]]
        answers = await at_once(
            [
                house.asks_for(
                    "deleteBinarySignature",
                    "binary { id }",
                    binarySignatureId=signatures[place % len(signatures)],
                )
                for place in range(CLIENTS)
            ]
        )
        codes = Counter("" if answer.won else answer.error["code"] for answer in answers)
        assert codes[""] == len(signatures) - 1
        assert codes.keys() <= {"", "NOT_FOUND", "LAST_SIGNATURE"}
        assert len((await house.told(id))["signatures"]) == 1


async def _forget(house: House, id: str) -> None:
    """Deletes a binary that would be in the way of the next round's verification."""
    await house.api.mutate("deleteBinary", "deletedBinaryId", binaryId=id)
