"""What is sent: values for the variables of an operation, one of them swapped."""

from __future__ import annotations

import random
import re
from typing import Any

from graphql import GraphQLInputObjectType, get_nullable_type, is_list_type

from app.rules.ids import new_id
from app.rules.prn import Kind, format_prn
from tests.api import Json
from tests.graphql.questions import ID_KINDS, Inputs
from tests.graphql.world import ROWS, World, name
from tests.suites.places import SEALED, TEXTS, Operation, Place
from tests.suites.tenants import Tenant

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_IMPACT = ("Binary", "ArtifactVersion", "Bundle", "SigningKey")
FRESH = re.compile(r"fresh\d+x\d+")


def kind_of(operation: Operation, word: str) -> str | None:
    """The type of node that an argument or input field names; None where it may be any."""
    if word == "own":
        return operation.name.split(".")[0]
    if word in ("id", "ids"):
        called = re.search(rf"(\w+)\((?:[^)]* )?{word}: [$]{word}\b", operation.text)
        word = called[1].removesuffix("Changed") if called else word
    word = re.sub("Ids?$", "", word)
    found = ID_KINDS.get(word, word[:1].upper() + word[1:])
    return found if found in ROWS else None


class Values(Inputs):
    """Values with ids of rows of one's own, chosen at random, and texts that are new each time."""

    def __init__(self, tenant: Tenant, chance: random.Random, fresh: str) -> None:
        super().__init__(tenant.world)
        self.held = tenant.held
        self.chance = chance
        self.fresh = fresh
        self.operation: Operation | None = None

    def id(self, field: str) -> str:
        """The id of a row of the kind that a field's name says."""
        assert self.operation is not None
        kind = kind_of(self.operation, field) or self.chance.choice(_IMPACT)
        if "estroy" in self.operation.name:
            return self.chance.choice(self.held)
        return name(self.chance.choice(self.world.all(kind)))

    def value(self, field: str, told: Any) -> Any:
        """A value that is taken for an argument or an input's field."""
        found = super().value(field, told)
        if found != "text":
            return found
        known = {"version": f"1.0.0-{self.fresh}", "signature": "0" * 128}
        return known.get(field, self.fresh)

    def variables(self, operation: Operation) -> Json:
        """Those that the operation has to have."""
        self.operation = operation
        return {
            name: self.value(name, type_)
            for name, type_ in operation.variables.items()
            if get_nullable_type(type_) is not type_
        }

    def swapped(self, place: Place, value: str) -> Json:
        """The variables with the value at a place."""
        variables = self.variables(place.operation)
        type_ = place.operation.variables[str(place.path[0])]
        name, *rest = place.path
        variables[str(name)] = self._put(variables.get(str(name)), type_, rest, value)
        return variables

    def _put(self, held: Any, type_: Any, path: list[Any], value: str) -> Any:
        if not path:
            return value
        bare = get_nullable_type(type_)
        step, *rest = path
        if is_list_type(bare):
            return [self._put(None, bare.of_type, rest, value), *(held or [])[:1]]
        assert isinstance(bare, GraphQLInputObjectType)
        # The members of a one-of input exclude each other.
        kept = {} if bare.is_one_of else held or self.value(str(step), bare)
        swapped = self._put(kept.get(step), bare.fields[step].type, rest, value)
        return {**kept, step: swapped}


def theirs(place: Place, own: Tenant, other: Tenant, chance: random.Random) -> list[str]:
    """What of the other organization may stand at a place, in a random order."""
    if place.sort == "id":
        kind = kind_of(place.operation, place.word)
        kinds = [kind] if kind else [chance.choice(list(ROWS))]
        found = [name(row) for one in kinds for row in other.world.all(one)]
    elif place.sort in SEALED:
        found = list(getattr(other, SEALED[place.sort]))
    else:
        column = TEXTS[place.sort]
        found = sorted(_texts(other.world, column) - _texts(own.world, column))
    chance.shuffle(found)
    return found


def nobodys(
    place: Place, value: str, own: Tenant, other: Tenant, chance: random.Random
) -> list[str]:
    """Two values of the same form that name nothing at all, or nothing for this."""
    if place.sort == "id":
        *_, word, _ = value.split(":")
        if word == "1":
            return [f"prn:1:{new_id()}", f"prn:1:{new_id()}"]
        homes = (other.organization, own.organization)
        return [format_prn(Kind(word), home, new_id()) for home in homes]
    if place.sort == "planToken":
        return own.tokens[:1] * 2
    if place.sort in ("after", "before"):
        return [_garbled(value, chance), _garbled(own.cursors[0], chance)]
    if place.sort in ("hash", "fingerprint"):
        return ["".join(chance.choices("0123456789abcdef", k=64)) for _ in range(2)]
    return [re.sub("[A-Za-z]", lambda _: chance.choice(_LETTERS), value) for _ in range(2)]


def _garbled(text: str, chance: random.Random) -> str:
    place = chance.randrange(len(text) - 1)
    letter = chance.choice([one for one in _LETTERS if one != text[place]])
    return text[:place] + letter + text[place + 1 :]


def _texts(world: World, column: str) -> set[str]:
    return {
        str(getattr(row, column))
        for kind in ROWS
        for row in world.all(kind)
        if getattr(row, column, None)
    }
