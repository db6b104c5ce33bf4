"""The commands that talk to a server: what they take, print, and end with."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

from app.client import names, questions, source
from app.client.outcome import Ended, Status, Usage
from app.client.progress import Progress, in_bytes
from app.client.pull import Pull
from app.client.push import Push
from app.client.service import Json, Service, connected
from app.client.table import facts, table
from app.client.upload import Upload
from app.settings import Settings

PARALLEL: Final = 4
TIMEOUT: Final = 3600.0

Work = Callable[[Service, argparse.Namespace, Progress], Awaitable[Json]]
Told = Callable[[Json], Iterator[str]]
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What a command is added to."""


def add(commands: Commands) -> None:
    """Adds `push`, `pull`, `impact` and `resolve`."""
    push = _command(commands, "push", "bring a file to a server, and go on where it was", _push)
    push.add_argument("file", type=Path, metavar="FILE", help="what to bring")
    _named(push, target="what it is built for, such as aarch64-unknown-linux-musl; or portable")
    push.add_argument("--sign", type=Path, metavar="KEY.pem", help="sign with this Ed25519 key")
    push.add_argument("--key-name", help="what to call a new key (the name of its file)")
    push.add_argument("--wait", action="store_true", help="until the binary is signed")
    push.add_argument(
        "--timeout", type=_seconds, default=TIMEOUT, help="seconds to wait in all (%(default).0f)"
    )
    push.add_argument(
        "--parallel", type=_positive, default=PARALLEL, help="parts sent at once (%(default)s)"
    )

    pull = _command(commands, "pull", "fetch the content of a binary, and check it", _pull)
    _named(pull, target="what it is to run on; a portable binary stands in where it has to")
    pull.add_argument(
        "--output", type=Path, metavar="FILE", help="a file, or the folder for ARTIFACT-VERSION"
    )

    impact = _command(commands, "impact", "say what destroying would do to releases", _impact)
    impact.add_argument(
        "ids", nargs="*", metavar="ID", help="of a binary, artifact version, bundle, signing key"
    )
    for name, text in (
        ("artifact", "instead of an id: what is built, its name or its id"),
        ("version", "and what was built of it"),
        ("target", "and its one binary that is meant; without it: all of them"),
    ):
        impact.add_argument(f"--{name}", help=text)

    resolve = _command(commands, "resolve", "say what a device would install", _resolve)
    resolve.add_argument("--device", required=True, help="its identifier, or its id")


def _command(
    commands: Commands,
    name: str,
    text: str,
    work: Work,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog="The server is that of BINDERY_URL, the API key that of BINDERY_KEY.",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def run(chosen: argparse.Namespace, settings: Settings) -> int:
        return _run(chosen, settings, work, _TABLES[name])

    parser.set_defaults(run=run)
    return parser


def _named(parser: argparse.ArgumentParser, *, target: str) -> None:
    parser.add_argument("--artifact", required=True, help="what is built: its name, or its id")
    parser.add_argument("--version", required=True, help="what was built of it, such as 1.4.0")
    parser.add_argument("--target", required=True, help=target)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1 on")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    # Neither "nan" nor "inf" ever passes.
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return seconds


def _run(chosen: argparse.Namespace, settings: Settings, work: Work, told: Told) -> int:
    progress = Progress(sys.stderr, quiet=chosen.json)

    async def run() -> Json:
        task = asyncio.current_task()
        assert task is not None
        # A handler of the loop wakes it. Without, a signal that comes just before it begins to wait
        # is seen when something else wakes it, and a large file takes minutes to read.
        if threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
        async with connected(settings.url, settings.key, note=progress.note) as service:
            return await work(service, chosen, progress)

    try:
        result = asyncio.run(run())
    except (KeyboardInterrupt, asyncio.CancelledError):
        progress.end()
        progress.note("Interrupted; the same command goes on where it was.")
        return Status.INTERRUPTED
    except Ended as ended:
        progress.end()
        _tell_end(ended, as_json=chosen.json)
        return ended.status
    if chosen.json:
        print(json.dumps(result))
    else:
        print("\n".join(told(result)))
    return Status.DONE


def _tell_end(ended: Ended, *, as_json: bool) -> None:
    message = " ".join(str(ended).split())
    print(f"bindery: {message}", file=sys.stderr)
    if as_json:
        # A program that reads standard output alone learns it too.
        print(json.dumps({"error": message, "status": ended.status}))


async def _push(service: Service, chosen: argparse.Namespace, progress: Progress) -> Json:
    key = None if chosen.sign is None else source.signer(chosen.sign)
    read = await source.read(chosen.file)
    upload = Upload(service=service, source=read, parallel=chosen.parallel, progress=progress)
    push = Push(
        service=service,
        source=read,
        artifact=chosen.artifact,
        version=chosen.version,
        target=chosen.target,
        key=key,
        key_name=chosen.key_name or ("" if chosen.sign is None else chosen.sign.stem),
        wait=chosen.wait,
        timeout=chosen.timeout,
        upload=upload,
        progress=progress,
    )
    binary = await push.run()
    return {
        "binary": binary["id"],
        "state": binary["state"],
        "artifactVersion": binary["artifactVersion"]["id"],
        "target": binary["target"],
        "hash": binary["hash"],
        "size": int(binary["size"]),
        "parts": len(read.parts),
        "partsKept": upload.kept,
        "bytesSent": upload.sent,
    }


async def _pull(service: Service, chosen: argparse.Namespace, progress: Progress) -> Json:
    # An artifact's name is a user's text: without --output it never leads elsewhere.
    usual = f"{chosen.artifact}-{chosen.version}".replace("/", "_")
    path = chosen.output or Path(usual)
    if path.is_dir():
        path = path / usual
    pull = Pull(
        service=service,
        artifact=chosen.artifact,
        version=chosen.version,
        target=chosen.target,
        path=path,
        progress=progress,
    )
    binary = await pull.run()
    return {
        "binary": binary["id"],
        "file": str(path),
        "state": binary["state"],
        "target": binary["target"],
        "hash": binary["hash"],
        "size": int(binary["size"]),
    }


async def _impact(service: Service, chosen: argparse.Namespace, _progress: Progress) -> Json:
    named = (chosen.artifact, chosen.version)
    if bool(chosen.ids) == all(named) or (chosen.ids and any((*named, chosen.target))):
        raise Usage("Name one thing or several by their ids, or one by --artifact and --version.")
    return await questions.impact(service, chosen.ids or [await _meant(service, chosen)])


async def _meant(service: Service, chosen: argparse.Namespace) -> str:
    """The id of the version that is named, or of its binary for the very target. Raises Ended."""
    if chosen.target is None:
        return await names.version_id(service, chosen.artifact, chosen.version)
    binary = await names.binary(service, chosen.artifact, chosen.version, chosen.target)
    if binary["target"] != chosen.target:
        raise Ended(
            f"Version {chosen.version} of {chosen.artifact} has no binary of its own for"
            f" {chosen.target}; the one for {binary['target']} stands in."
        )
    return str(binary["id"])


async def _resolve(service: Service, chosen: argparse.Namespace, _progress: Progress) -> Json:
    return await questions.resolve(service, await names.device_id(service, chosen.device))


def _facts_told(result: Json) -> Iterator[str]:
    shown: list[tuple[str, Any]] = []
    for name, value in result.items():
        text = in_bytes(value) if name in ("size", "bytesSent") else value
        shown.append((name, text))
    return facts(shown)


def _impact_told(result: Json) -> Iterator[str]:
    head = ("RELEASE", "COHORT", "EFFECT", "REASONS")
    rows = [
        (
            one["release"]["name"],
            one["release"]["cohort"]["name"],
            one["effect"],
            ", ".join(one["reasons"]),
        )
        for one in result["releases"]
    ]
    yield from table([head, *rows])
    if not rows:
        yield "No release is affected."
    yield f"Devices that would lose an update: {result['devicesLosingUpdate']}."
    yield f"Devices that would be stuck: {result['devicesStuck']}."
    if result["planTokenRequired"]:
        yield f"To accept that, destroy with planToken {result['planToken']}"


def _resolve_told(result: Json) -> Iterator[str]:
    yield f"{result['status']}: {(result['release'] or {}).get('name', 'nothing to install')}"
    rows = [
        (
            entry["artifact"]["name"],
            entry["artifactVersion"]["version"],
            entry["binary"]["target"],
            in_bytes(int(entry["size"])),
            entry["hash"],
        )
        for entry in result["manifest"]
    ]
    yield from table([("ARTIFACT", "VERSION", "TARGET", "SIZE", "SHA-256"), *rows])
    for step in result["trace"]:
        release = (step["release"] or {}).get("name")
        yield f"  {release + ': ' if release else ''}{step['detail']}"


_TABLES: Final[dict[str, Told]] = {
    "push": _facts_told,
    "pull": _facts_told,
    "impact": _impact_told,
    "resolve": _resolve_told,
}
