"""The command line: `bindery serve | migrate | key | demo`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn

from app import database, demo, lock
from app.actions import access
from app.actions.unit import Actor
from app.main import create_app, running
from app.rules.access import Role
from app.rules.errors import BinderyError
from app.server import Server
from app.settings import Settings, SettingsError, load


class Stop(Exception):
    """Ends a command with one line for the operator."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; gives its exit status. Every refusal is one line."""
    chosen = _parser().parse_args(arguments)
    try:
        settings = load(data=chosen.data, database=chosen.database)
        status: int = chosen.run(chosen, settings)
    except (Stop, SettingsError, BinderyError) as refusal:
        print(f"bindery: {refusal}", file=sys.stderr)
        return 1
    except lock.InUseElsewhere as refusal:
        print(
            f"bindery: {refusal} is in use by a running server. Stop it first; to make a key,"
            " ask it for the mutation `createApiKey`.",
            file=sys.stderr,
        )
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bindery", description="Keeps the binaries that a fleet of devices runs."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = _command(commands, "serve", _serve, "serve GraphQL, uploads and downloads")
    serve.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    serve.add_argument("--port", type=int, default=8000, help="where to listen (%(default)s)")
    serve.add_argument("--demo", action="store_true", help="load the demo data set first")

    _command(commands, "migrate", _migrate, "bring the database to this version")
    _command(commands, "demo", _demo, "load the demo data set, and print a key for it")

    key = commands.add_parser("key", help="API keys").add_subparsers(
        required=True, metavar="COMMAND"
    )
    create = _command(key, "create", _create_key, "make an API key, and print it alone")
    create.add_argument("--organization", required=True, help="made if it is new")
    create.add_argument("--role", default="ADMIN", choices=["READ", "WRITE", "ADMIN"])
    create.add_argument("--name", default="command line", help="what to call the key")
    return parser


def _command(
    commands: argparse._SubParsersAction, name: str, run: object, text: str
) -> argparse.ArgumentParser:  # type: ignore[type-arg]
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--data", type=Path, help="the data directory (BINDERY_DATA)")
    parser.add_argument("--database", help="the database's URL (BINDERY_DATABASE)")
    parser.set_defaults(run=run)
    return parser


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Holds the data directory where the database is embedded; PostgreSQL is shared."""
    if database.is_embedded(settings.database_url):
        with lock.held(settings.data):
            yield
    else:
        yield


def _serve(chosen: argparse.Namespace, settings: Settings) -> int:
    with _alone(settings):
        if chosen.demo:
            _print_demo(asyncio.run(_load_demo(settings)), chosen)
        app = create_app(settings)
        config = uvicorn.Config(
            app,
            host=chosen.host,
            port=chosen.port,
            http="httptools",
            access_log=False,
            log_level="warning",
            server_header=False,
        )
        print(f"Bindery serves on http://{chosen.host}:{chosen.port}/graphql", flush=True)
        server = uvicorn.Server(config)
        server.run()
    return 0 if server.started else 1


def _migrate(_chosen: argparse.Namespace, settings: Settings) -> int:
    async def run() -> list[str]:
        async with database.opened(settings.database_url, pool=2):
            return await database.migrate()

    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(settings):
        applied = asyncio.run(run())
    print("\n".join(applied) or "The database is at this version.")
    return 0


def _create_key(chosen: argparse.Namespace, settings: Settings) -> int:
    async def run() -> str:
        async with database.opened(settings.database_url, pool=2):
            await database.migrate()
            organization = await access.ensure_organization(chosen.organization)
            actor = Actor(organization_id=organization.id, role=Role.ADMIN)
            _, secret = await access.create_api_key(actor, name=chosen.name, role=Role(chosen.role))
            return secret

    with _alone(settings):
        print(asyncio.run(run()))
    return 0


def _demo(_chosen: argparse.Namespace, settings: Settings) -> int:
    with _alone(settings):
        print(asyncio.run(_load_demo(settings)) or "The demo data set is there already.")
    return 0


async def _load_demo(settings: Settings) -> str | None:
    server: Server = create_app(settings).state.server
    async with running(server):
        return await demo.load(server)


def _print_demo(secret: str | None, chosen: argparse.Namespace) -> None:
    if secret is None:
        print("The demo data set is there already; its key was printed when it was loaded.")
        return
    print(
        f"Demo key (ADMIN): {secret}\n"
        f"Try it: curl http://{chosen.host}:{chosen.port}/graphql"
        f" -H 'Authorization: Bearer {secret}' -H 'Content-Type: application/json'"
        """ -d '{"query":"{ binaries { nodes { id target state } } }"}'"""
    )
