"""S4: operations that schemathesis generates from the schema, sent by four identities.

No answer is a failure of the server, and each error has a code that is documented.
"""

from __future__ import annotations

import asyncio
import io
import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import httpx
import schemathesis
from graphql import (
    ArgumentNode,
    FieldNode,
    GraphQLID,
    GraphQLSchema,
    IntValueNode,
    Node,
    ObjectFieldNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    TypeInfo,
    TypeInfoVisitor,
    build_schema,
    get_named_type,
    parse,
    print_ast,
    visit,
)
from graphql.language import Visitor
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as some
from hypothesis_graphql import nodes
from schemathesis.specs.graphql.schemas import GraphQLSchema as Generator

from app.graphql.schema import sdl
from app.rules.access import Role
from tests.api import Api
from tests.conftest import new_api
from tests.graphql.world import ROWS, name
from tests.soak.turn import Turn
from tests.suites.answers import inside_told, wrong_errors, wrong_status
from tests.suites.stage import DATABASES, postgres, staged
from tests.suites.tenants import Tenant, tenant

BLOCK: Final = 250
"""Cases on one organization; then comes a fresh one, on the other database."""
DRAWN: Final = 50
"""Operations that are generated in one go: what a case is hangs on its number alone."""
KNOWN: Final = 0.7
"""How many of the ids are replaced by such as there are; few get far with the generated ones."""
REVOKED: Final = "revoked"

_TOLD: Final = parse("{ told: errors { code message path } }").definitions[0]
_DIGITS: Final = "0123456789abcdef"


def play(turn: Turn) -> None:
    """Plays the turn's cases, block by block."""
    with postgres() as address:
        while not turn.over:
            block = turn.next // BLOCK
            kind = DATABASES[block % len(DATABASES)]
            asyncio.run(_block(turn, kind, address))


async def _block(turn: Turn, kind: str, address: Any) -> None:
    async with staged(kind, address) as stage:
        asking = await _asking(stage.http)
        for number in turn.cases(BLOCK - turn.next % BLOCK):
            drawn = operations(f"{turn.seed} {number // DRAWN}")
            query = asking.with_ids(drawn[number % DRAWN % len(drawn)], turn.random(number))
            for who, api in asking.identities.items():
                for problem in await _problems(api, query):
                    turn.find(number, f"{kind}, {who}: {problem}\n{query}")


async def _problems(api: Api, query: str) -> list[str]:
    """What is wrong with the answer to one operation."""
    answer = await api.post(query)
    found = (
        wrong_status(answer.status_code),
        wrong_errors(answer.text),
        inside_told(answer.text, query),
    )
    return [problem for problem in found if problem]


@dataclass
class Asking:
    """Who asks, the most powerful one last, and what ids there are."""

    identities: dict[str, Api]
    ids: dict[str, list[str]]

    def with_ids(self, query: str, chance: random.Random) -> str:
        """An operation with ids of its organization, and the errors of its payloads asked for."""
        types = TypeInfo(_executed())
        known = TypeInfoVisitor(types, _Ids(types, self.ids, chance))
        return print_ast(visit(visit(parse(query), known), _Telling()))


async def _asking(http: httpx.AsyncClient) -> Asking:
    found: Tenant = await tenant(http, "acme")
    admin = found.keys[Role.ADMIN]
    revoked = await new_api(http, "acme", Role.ADMIN)
    listed = await revoked.ask("{ viewer { id } }")
    await admin.do("revokeApiKey", "apiKey { id }", apiKeyId=listed["viewer"]["id"])
    ids = {kind: [name(row) for row in found.world.all(kind)] for kind in ROWS}
    # The first key is the one that asks: nobody could go on without it.
    ids["ApiKey"] = ids["ApiKey"][1:]
    identities = {
        REVOKED: revoked,
        **{role.name: found.keys[role] for role in (Role.DEVICE, Role.READ, Role.ADMIN)},
    }
    return Asking(identities, ids)


class _Ids(Visitor):
    """Puts ids that there are in the place of most generated ones."""

    def __init__(self, types: TypeInfo, ids: dict[str, list[str]], chance: random.Random) -> None:
        super().__init__()
        self._types, self._ids, self._chance = types, ids, chance
        self._place = ""

    def enter_argument(self, node: ArgumentNode, *_: Any) -> None:
        """Remembers what the value is for."""
        self._place = node.name.value

    def enter_object_field(self, node: ObjectFieldNode, *_: Any) -> None:
        """Remembers what the value is for."""
        self._place = node.name.value

    def enter_string_value(self, node: StringValueNode, *_: Any) -> StringValueNode | None:
        """Replaces an id."""
        return self._instead()

    def enter_int_value(self, node: IntValueNode, *_: Any) -> StringValueNode | None:
        """Replaces an id."""
        return self._instead()

    def _instead(self) -> StringValueNode | None:
        kind = self._types.get_input_type()
        if kind is None or get_named_type(kind) is not GraphQLID or self._chance.random() > KNOWN:
            return None
        word = self._place.removesuffix("s").removesuffix("Id")
        like = [one for one in self._ids if word.lower().endswith(one.lower())]
        field = self._types.get_field_def()
        if not like and field is not None:
            like = [one for one in self._ids if one == get_named_type(field.type).name]
        known = self._ids[self._chance.choice(like or sorted(self._ids))]
        return StringValueNode(value=self._chance.choice(known), block=False)


class _Telling(Visitor):
    """Lets every payload tell its errors."""

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> Node:
        """Adds `told` to each mutation."""
        if node.operation.value != "mutation":
            return node
        assert isinstance(_TOLD, OperationDefinitionNode)
        (told,) = _TOLD.selection_set.selections
        payloads = []
        for payload in node.selection_set.selections:
            assert isinstance(payload, FieldNode)
            asked = payload.selection_set.selections if payload.selection_set else ()
            payloads.append(
                FieldNode(
                    alias=payload.alias,
                    name=payload.name,
                    arguments=payload.arguments,
                    directives=payload.directives,
                    selection_set=SelectionSetNode(selections=(*asked, told)),
                )
            )
        return OperationDefinitionNode(
            operation=node.operation,
            name=node.name,
            variable_definitions=node.variable_definitions,
            directives=node.directives,
            selection_set=SelectionSetNode(selections=tuple(payloads)),
        )


@lru_cache(1)
def _executed() -> GraphQLSchema:
    return build_schema(sdl())


@lru_cache(1)
def _generator() -> Generator:
    times = some.sampled_from(["2026-01-02T03:04:05Z", "2036-01-02T03:04:05.678+09:00", "soon", ""])
    sha256 = some.text(_DIGITS, min_size=63, max_size=64)
    schemathesis.graphql.scalar("BigInt", some.integers().map(nodes.Int))
    schemathesis.graphql.scalar("DateTime", times.map(nodes.String))
    schemathesis.graphql.scalar("JSON", some.text().map(nodes.String))
    schemathesis.graphql.scalar("Sha256", sha256.map(nodes.String))
    found = schemathesis.graphql.from_file(io.StringIO(sdl()))
    assert isinstance(found, Generator)
    return found


@lru_cache(4)
def operations(salt: str) -> tuple[str, ...]:
    """Operations that are valid by the schema, always the same ones for the same salt."""
    drawn: list[str] = []

    @seed(salt)
    @settings(
        max_examples=DRAWN,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(_generator().as_strategy())
    def draw(case: Any) -> None:
        drawn.append(str(case.body))

    draw()
    return tuple(drawn)
