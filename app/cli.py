"""The command line: `bindery serve | worker | migrate | key | demo | fsck | backup | restore`.

Every refusal is one line on standard error, and status 1; a mistyped command is status 2,
and so is an fsck that could not look, and a backup that is not made or restored. What a client
does (`push | pull | impact | resolve`) is in `app.client`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import socket
import sys
import urllib.parse
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from starlette.applications import Starlette

from app import check, database, demo, log, tracing
from app.actions import access
from app.actions.unit import Actor
from app.backup import commands as backup
from app.client import commands as client
from app.console import Stop, alone, named, told, usable
from app.http import explorer
from app.listening import Listening, allow_connections, bound, on_end, spare_what_stays
from app.main import create_app, running, watched
from app.rules import text
from app.rules.access import Role
from app.rules.errors import BadUserInput
from app.rules.refusal import BinderyError
from app.server import Server
from app.settings import Settings, SettingsError, load

_INTERRUPTED = 130
_TELLING = (check.run, backup.run_backup, backup.run_restore)
"""Those whose status 1 says that they found damage."""
_SCHEMES = ("sqlite", "postgresql", "postgres")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; gives its exit status."""
    chosen = _parser().parse_args(arguments)
    try:
        settings = load(**{name: getattr(chosen, name, None) for name in ("data", "database")})
        _check_database(settings.database_url)
        status: int = chosen.run(chosen, settings)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (Stop, SettingsError, BinderyError) as refusal:
        print(f"bindery: {' '.join(str(refusal).split())}", file=sys.stderr)
        return 2 if chosen.run in _TELLING else 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bindery", description="Keeps the binaries that a fleet of devices runs."
    )
    parser.add_argument(
        "--version", action="version", version=f"bindery {metadata.version('bindery')}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    _add_listening(commands)
    _command(commands, "migrate", _migrate, "bring the database to this version")
    _command(commands, "demo", _demo, "load the demo data set, and print a key for it")

    check.add_options(
        _command(commands, "fsck", check.run, "say where records and content disagree")
    )

    backup.add_backup_options(
        _command(commands, "backup", backup.run_backup, "copy records and content, beside servers")
    )
    backup.add_restore_options(
        _command(commands, "restore", backup.run_restore, "put a backup where nothing is yet")
    )

    _add_keys(commands)
    client.add(commands)
    return parser


def _add_listening(commands: client.Commands) -> None:
    serve = _command(commands, "serve", _serve, "serve GraphQL, uploads and downloads")
    serve.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    serve.add_argument(
        "--port", type=_port, default=8000, help="where to listen (%(default)s); 0: a free one"
    )
    serve.add_argument(
        "--demo", action="store_true", help="load the demo data set first, and print a key for it"
    )
    worker = _command(
        commands, "worker", _work, "verify and erase content, beside servers on PostgreSQL"
    )
    worker.add_argument("--host", default="127.0.0.1", help="where to tell it (%(default)s)")
    worker.add_argument(
        "--port", type=_port, help="where to tell /metrics and /health; without it: nowhere"
    )


def _add_keys(commands: client.Commands) -> None:
    key = commands.add_parser("key", help="API keys", description="API keys").add_subparsers(
        required=True, metavar="COMMAND"
    )
    create = _command(key, "create", _create_key, "make an API key, and print it alone")
    create.add_argument("--organization", type=_name, required=True, help="made if it is new")
    create.add_argument(
        "--role",
        default="ADMIN",
        choices=["READ", "WRITE", "ADMIN"],
        help="what the key may do (%(default)s); a device's key is made by createApiKey",
    )
    create.add_argument(
        "--name", type=_name, default="command line", help="what to call the key (%(default)s)"
    )


def _command(
    commands: client.Commands,
    name: str,
    run: Callable[[argparse.Namespace, Settings], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--data", type=Path, help="the data directory (BINDERY_DATA)")
    parser.add_argument("--database", help="the database's URL (BINDERY_DATABASE)")
    parser.set_defaults(run=run)
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text} is no port, it must be 0 to 65535")
    return int(text)


def _name(value: str) -> str:
    try:
        return text.name(value, field="", max_length=128, path=("it",))
    except BadUserInput as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _serve(chosen: argparse.Namespace, settings: Settings) -> int:
    one = alone(settings, "Stop that one first.")
    with one, contextlib.closing(bound(chosen.host, chosen.port)) as listener:
        app = _app(settings)
        allow_connections()
        listening = Listening(app)
        server = app.state.server
        with (
            log.writing(settings, lost=server.metrics.line_lost),
            tracing.started(settings),
            asyncio.Runner(loop_factory=listening.config.get_loop_factory()) as runner,
        ):
            runner.run(_serving(listening, server, listener, chosen))
    return 0


async def _serving(
    listening: Listening, server: Server, listener: socket.socket, chosen: argparse.Namespace
) -> None:
    address = _address(chosen, listener)
    with told(server.settings):
        async with running(server):
            listening.news = f"Bindery serves on {address}/graphql"
            if chosen.demo:
                secret = await demo.load(server) or await demo.new_key()
                listening.news += _demo_news(secret, address)
            spare_what_stays()
            await listening.serve(sockets=[listener])


def _address(chosen: argparse.Namespace, listener: socket.socket) -> str:
    host = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
    return f"http://{host}:{listener.getsockname()[1]}"


def _demo_news(secret: str, address: str) -> str:
    explore = f"\nExplore it: {address}/#key={secret}" if explorer.BUILT.is_dir() else ""
    return (
        f"\nDemo key (ADMIN): {secret}\n"
        f"Try it: curl {address}/graphql"
        f" -H 'Authorization: Bearer {secret}' -H 'Content-Type: application/json'"
        """ -d '{"query":"{ binaries { nodes { id target state } } }"}'"""
        f"{explore}"
    )


def _work(chosen: argparse.Namespace, settings: Settings) -> int:
    settings = dataclasses.replace(settings, worker=True)
    with (
        alone(settings, "It does this work itself, unless BINDERY_WORKER is false."),
        contextlib.ExitStack() as stack,
    ):
        listener = None
        if chosen.port is not None:
            listener = stack.enter_context(contextlib.closing(bound(chosen.host, chosen.port)))
        server = _app(settings).state.server
        stack.enter_context(log.writing(settings, lost=server.metrics.line_lost))
        asyncio.run(_working(server, listener, chosen))
    return 0


async def _working(
    server: Server, listener: socket.socket | None, chosen: argparse.Namespace
) -> None:
    news = f"Bindery works for {named(server.settings)}"
    with told(server.settings):
        async with running(server):
            if listener is None:
                told_to_end = asyncio.Event()
                on_end(lambda _: told_to_end.set())
                print(news, flush=True)
                await told_to_end.wait()
            else:
                listening = Listening(watched(server))
                listening.news = f"{news} and tells of it on {_address(chosen, listener)}/metrics"
                await listening.serve(sockets=[listener])


def _migrate(_chosen: argparse.Namespace, settings: Settings) -> int:
    async def run() -> list[str]:
        with told(settings):
            async with database.opened(settings.database_url, pool=2):
                return await database.migrate()

    with alone(settings, "It migrated when it started; stop it to do so with another version."):
        applied = asyncio.run(run())
    print("\n".join(applied) or "The database is at this version.")
    return 0


def _create_key(chosen: argparse.Namespace, settings: Settings) -> int:
    async def run() -> str:
        with told(settings):
            async with database.opened(settings.database_url, pool=2):
                await database.migrate()
                organization = await access.ensure_organization(chosen.organization)
                actor = Actor(organization_id=organization.id, role=Role.ADMIN)
                _, secret = await access.create_api_key(
                    actor, name=chosen.name, role=Role(chosen.role)
                )
                assert secret is not None  # Only a repeated request gets none.
                return secret

    with alone(settings, "Ask it for the mutation `createApiKey`, or stop it first."):
        print(asyncio.run(run()))
    return 0


def _demo(_chosen: argparse.Namespace, settings: Settings) -> int:
    async def run(server: Server) -> str:
        with told(settings):
            async with running(server):
                return await demo.load(server) or await demo.new_key()

    with alone(settings, "Stop it, and start it again with `--demo`."):
        print(asyncio.run(run(_app(settings).state.server)))
    return 0


def _app(settings: Settings) -> Starlette:
    """The application. Raises Stop or SettingsError where its folder or secret is not usable."""
    with usable(settings.data):
        return create_app(settings)


def _check_database(url: str) -> None:
    """Refuses a URL that names no database. Raises Stop."""
    try:
        parts = urllib.parse.urlsplit(url)
        known = parts.scheme in _SCHEMES and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known or not url.partition("://")[2]:
        raise Stop(
            "The database's URL (--database, BINDERY_DATABASE) must be like"
            " postgresql://user:password@host:5432/name or sqlite:///path/to/file."
        )


if __name__ == "__main__":
    sys.exit(main())
