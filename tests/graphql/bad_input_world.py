"""Where bad inputs are tried: two organizations that hold the same things, by short names."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from app import database
from app.rules.ids import new_id
from app.rules.prn import Kind, format_prn, parse_prn
from app.server import Server
from tests.api import ERRORS
from tests.graphql.bad_input import Mutation, Query, The
from tests.graphql.furnished import Organization

SQLITE_COLUMNS = """
    SELECT m.name AS table_name, c.name AS column_name
    FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY 1, c.cid
"""
POSTGRES_COLUMNS = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'public' ORDER BY 1, ordinal_position
"""
TYPED = [line for line in ERRORS.splitlines() if "... on " in line]
EXAMPLES = {
    Kind.API_KEY: "api_key",
    Kind.ARTIFACT: "artifact",
    Kind.ARTIFACT_VERSION: "version",
    Kind.BINARY: "binary_signed",
    Kind.BINARY_SIGNATURE: "further_signature",
    Kind.BUNDLE: "bundle",
    Kind.COHORT: "cohort",
    Kind.DEVICE: "device",
    Kind.EVENT: "event",
    Kind.PRODUCT: "product",
    Kind.RELEASE: "release_latest",
    Kind.SIGNING_KEY: "signing_key",
    Kind.WEBHOOK: "webhook",
    Kind.WEBHOOK_DELIVERY: "webhook_delivery",
}


@dataclass
class World:
    """A running server with two organizations that hold the same things; `things` by name."""

    http: httpx.AsyncClient
    things: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    statement: str = ""
    seen: dict[str, str | None] | None = None

    def resolved(self, value: Any) -> Any:
        """A value of the table with the things that it names in it."""
        if isinstance(value, The):
            return self.things[value.name]
        if isinstance(value, Mapping):
            return {name: self.resolved(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.resolved(one) for one in value]
        return value

    async def send(
        self, send: Mutation | Query, key: str = "admin", *, facts: Collection[str] = ()
    ) -> httpx.Response:
        """One request, as it is answered; of a payload's error, these facts are asked for."""
        query, variables = "", {}
        if isinstance(send, Mutation):
            kind = send.name[0].upper() + send.name[1:] + "Input"
            query = f"mutation($input: {kind}!) {{ {send.name}(input: $input) {{ ERRORS }} }}"
            variables = {"input": send.input}
        else:
            query, variables = send.text, send.variables
        typed = [line for line in TYPED if any(f" {name} " in line for name in facts)]
        query = query.replace("ERRORS", "".join(["errors { code message path", *typed, "}"]))
        body = json.dumps({"query": query, "variables": self.resolved(variables)})
        headers = {
            "authorization": f"Bearer {self.keys[key]}",
            "content-type": "application/json",
        }
        return await self.http.post("/graphql", content=body, headers=headers)

    async def changes(self) -> list[str]:
        """The tables in which anything differs from what was seen last."""
        self.statement = self.statement or await snapshot_statement()
        rows = await database.query(self.statement)
        now = {row["name"]: row["rows"] for row in rows}
        before, self.seen = self.seen or now, now
        return [table for table in now if now[table] != before[table]]


async def snapshot_statement() -> str:
    """One statement that selects all rows of each table, as text in an order of their own."""
    sqlite = database.dialect(database.reader()) == "sqlite"
    columns: dict[str, list[str]] = {}
    for row in await database.query(SQLITE_COLUMNS if sqlite else POSTGRES_COLUMNS):
        # When a key was last used is noted even where what it asked for was refused; and a process
        # says now and then that it is alive, whatever is asked.
        if row["column_name"] != "last_used_at" and row["table_name"] != "process":
            columns.setdefault(row["table_name"], []).append(row["column_name"])
    selects = []
    for table, names in columns.items():
        values = (
            " || '|' || ".join(f'quote("{name}")' for name in names)
            if sqlite
            else "ROW(" + ", ".join(f'"{name}"' for name in names) + ")::text"
        )
        gathered = "group_concat(r, char(10))" if sqlite else "string_agg(r, chr(10) ORDER BY r)"
        selects.append(
            f"SELECT '{table}' AS name, {gathered} AS rows"
            f' FROM (SELECT {values} AS r FROM "{table}" ORDER BY 1) AS t'
        )
    return " UNION ALL ".join(selects)


async def prepare(world: World, server: Server) -> None:
    """Fills both organizations, and names what is theirs."""
    foreign = await Organization.founded(world.http, server, "other")
    await foreign.fill()
    own = await Organization.founded(world.http, server, "acme")
    await own.fill()
    await own.fill_more()
    world.things = own.things
    world.keys = own.keys
    things = own.things
    for kind, name in EXAMPLES.items():
        things[f"own.{kind}"] = own.things[name]
        things[f"foreign.{kind}"] = foreign.things[name]
        things[f"unknown.{kind}"] = format_prn(kind, own.id, new_id())
        things[f"nowhere.{kind}"] = format_prn(kind, new_id(), new_id())
        # What this organization has, under the name of another one.
        id = parse_prn(own.things[name], path=()).id
        things[f"disguised.{kind}"] = format_prn(kind, foreign.id, id)
    things["unknown_binaries"] = [format_prn(Kind.BINARY, own.id, new_id()) for _ in range(1001)]
    things["cursor_foreign"] = foreign.things["cursor_of_products"]
    things["token_foreign"] = foreign.things["token_of_doomed"]
    for name in ("revoked", "expired"):
        things[f"authorization_{name}"] = f"Bearer {own.keys[name]}"
