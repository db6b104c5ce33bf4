"""The command line: as a process where it must be one, else called."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import httpx
import pytest

from app import cli, lock
from app.http import explorer
from tests.processes.served import BINDERY, started

PATIENCE = 30.0
"""Seconds for what takes one or two on an idle machine."""

INSTEAD = {
    "serve --port 0": "Stop that one first.",
    "worker": "It does this work itself, unless BINDERY_WORKER is false.",
    "migrate": "It migrated when it started; stop it to do so with another version.",
    "key create --organization acme": "Ask it for the mutation `createApiKey`, or stop it first.",
    "demo": "Stop it, and start it again with `--demo`.",
}
"""What each command is refused with while a server holds the data directory."""

DEMO = "{ viewer { name role } binaries { totalCount } }"
DEMO_ANSWER = {"viewer": {"name": "demo", "role": "ADMIN"}, "binaries": {"totalCount": 12}}


@dataclasses.dataclass(frozen=True)
class Served:
    """A server that takes connections, and what it printed by then."""

    process: subprocess.Popen[str]
    printed: list[str]

    @property
    def address(self) -> str:
        """Where GraphQL is."""
        return self.printed[0].removeprefix("Bindery serves on ")

    def ask(self, query: str, key: str) -> dict[str, object]:
        """The answer to a query."""
        answer = httpx.post(
            self.address,
            json={"query": query},
            headers={"authorization": f"Bearer {key}"},
            timeout=PATIENCE,
        )
        found: dict[str, object] = answer.json()
        return found

    def stop(self, how: signal.Signals) -> tuple[int, str]:
        """Its status, and what it wrote on standard error."""
        self.process.send_signal(how)
        _, errors = self.process.communicate(timeout=10)
        return self.process.returncode, errors


@contextlib.contextmanager
def _served(*arguments: str, lines: int = 1) -> Iterator[Served]:
    command = [str(BINDERY), "serve", "--port", "0", *arguments]
    with started(command, errors=subprocess.PIPE) as (process, line):
        assert process.stdout is not None
        rest = [process.stdout.readline().strip() for _ in range(lines - 1)]
        yield Served(process, [line, *rest])


def _refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a command that is refused with status 1."""
    assert cli.main(arguments) == 1
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert out == ""
    assert line.startswith("bindery: ")
    return line.removeprefix("bindery: ")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--help"])
    assert stopped.value.code == 0
    told = capsys.readouterr().out
    for command in ("serve", "worker", "migrate", "key", "demo", "fsck"):
        assert f"\n    {command} " in told


def test_it_says_which_version_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"bindery {metadata.version('bindery')}\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "COMMAND"),
        (("nonsense",), "nonsense"),
        (("key", "create"), "--organization"),
        (("key", "create", "--organization", "acme", "--role", "DEVICE"), "--role"),
        (("key", "create", "--organization", ""), "--organization: it has 0 characters"),
        (("key", "create", "--organization", "acme", "--name", " ci"), "--name: it must not begin"),
        (("serve", "--port", "70000"), "70000 is no port"),
        (("serve", "--port", "http"), "http is no port"),
        (("serve", "--port", "-1"), "-1 is no port"),
    ],
)
def test_a_mistyped_command_is_status_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert complaint in capsys.readouterr().err


def test_migrate_tells_what_it_applied(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["migrate", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("m0001_initial\n")
    assert cli.main(["migrate", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "The database is at this version.\n"


def test_a_server_answers_its_keys_and_ends_when_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = str(tmp_path / "data")
    create = ["key", "create", "--organization", "acme", "--role", "READ", "--data", data]
    assert cli.main(create) == 0
    (reader,) = capsys.readouterr().out.splitlines()

    explored = explorer.BUILT.is_dir()
    with _served("--demo", "--data", data, lines=3 + explored) as served:
        first = served.printed[1].removeprefix("Demo key (ADMIN): ")
        assert f"'Authorization: Bearer {first}'" in served.printed[2]
        page = f"Explore it: {served.address.removesuffix('graphql')}#key={first}"
        assert served.printed[3:] == [page] * explored
        assert served.ask(DEMO, first)["data"] == DEMO_ANSWER
        assert "data" not in served.ask(DEMO, first[:-1])
        for command, instead in INSTEAD.items():
            line = _refusal(capsys, *command.split(), "--data", data)
            assert line == f"The data directory {data} is in use by a running server. {instead}"
        assert served.stop(signal.SIGTERM) == (0, "")

    assert cli.main(["demo", "--data", data]) == 0
    (second,) = capsys.readouterr().out.splitlines()
    assert first != second
    with _served("--data", data) as served:
        for key in (first, second):
            assert served.ask(DEMO, key)["data"] == DEMO_ANSWER
        answer = served.ask("{ organization { name } viewer { role } }", reader)
        assert answer["data"] == {"organization": {"name": "acme"}, "viewer": {"role": "READ"}}
        assert served.stop(signal.SIGINT) == (0, "")
    # What it held, it let go.
    with lock.held(Path(data)):
        pass


def test_a_port_in_use_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = _refusal(capsys, "serve", "--port", str(port), "--data", str(tmp_path / "data"))
    assert line.startswith(f"Can't listen on 127.0.0.1, port {port}: Address already in use.")
    # It found out before it made anything but the lock.
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["lock"]


def test_an_unknown_host_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = _refusal(capsys, "serve", "--host", "no host", "--data", str(tmp_path))
    assert line.startswith("Can't listen on no host, port 8000: ")


def test_a_wrong_setting_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BINDERY_DATABASE_POOL", "many")
    line = _refusal(capsys, "migrate", "--data", str(tmp_path))
    assert line == "BINDERY_DATABASE_POOL is 'many'; it must be a whole number."


@pytest.mark.parametrize(
    "url", ["mysql://host/name", "name", "sqlite:", "postgresql://host:port/name", "sqlite://"]
)
def test_a_url_of_no_database_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, url: str
) -> None:
    line = _refusal(capsys, "migrate", "--data", str(tmp_path), "--database", url)
    assert line.startswith("The database's URL (--database, BINDERY_DATABASE) must be like ")


def test_a_database_that_does_not_answer_is_named_without_its_password(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{unused.getsockname()[1]}/fleet"
        url = f"postgresql://someone:hush@{where}?host="
        line = _refusal(capsys, "migrate", "--data", str(tmp_path), "--database", url)
    assert line.startswith("The database does not answer; ")
    assert line.endswith(f" Database: postgresql://{where} (BINDERY_DATABASE).")
    assert "hush" not in line


def test_a_database_without_such_a_user_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, postgres_server: str
) -> None:
    url = postgres_server.replace("postgres:", "nobody:", 1)
    line = _refusal(capsys, "migrate", "--data", str(tmp_path), "--database", url)
    assert line.startswith('The database refused: role "nobody" does not exist.')


def test_a_file_that_is_no_database_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "bindery.db").write_text("These are notes, and no database at all.")
    line = _refusal(capsys, "migrate", "--data", str(tmp_path))
    assert line.startswith("The database refused: file is not a database.")


def test_a_damaged_database_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["demo", "--data", str(tmp_path)]) == 0
    capsys.readouterr()
    path = tmp_path / "bindery.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'event'"
        ).fetchone()
    # The schema stays, so that the file opens as if nothing were wrong.
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    for command in (["serve", "--port", "0"], ["worker"]):
        line = _refusal(capsys, *command, "--data", str(tmp_path))
        assert line.startswith("The database is damaged (")
        assert line.endswith(
            f"). Restore it from a backup. Database: sqlite://{path} (BINDERY_DATA)."
        )


def test_a_database_of_a_newer_version_is_refused_and_left_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main(["migrate", "--data", str(tmp_path)]) == 0
    capsys.readouterr()
    with contextlib.closing(sqlite3.connect(tmp_path / "bindery.db")) as connection:
        connection.execute(
            "INSERT INTO tortoise_migrations (app, name, applied_at)"
            " VALUES ('bindery', 'm9999_future', '2040-01-01')"
        )
        connection.commit()
    line = _refusal(capsys, "serve", "--port", "0", "--data", str(tmp_path))
    assert line == (
        "A newer version of Bindery changed the database (m9999_future). Start that version, or"
        f" restore the backup from before it. Database: sqlite://{tmp_path / 'bindery.db'}"
        " (BINDERY_DATA)."
    )


def test_a_worker_tells_its_metrics_and_its_health_where_it_is_asked_to(tmp_path: Path) -> None:
    command = [str(BINDERY), "worker", "--port", "0", "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            (address,) = re.findall(r" and tells of it on (http://\S+)/metrics$", line)
            assert httpx.get(f"{address}/health/ready", trust_env=False).status_code == 200
            metrics = httpx.get(f"{address}/metrics", trust_env=False)
            assert "bindery_lease_events_total" in metrics.text
            # It has no other door.
            assert httpx.post(f"{address}/graphql", trust_env=False, json={}).status_code == 404
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_a_worker_works_until_it_is_told_to_end(tmp_path: Path) -> None:
    """That it does its work is shown where two processes share a database."""
    with subprocess.Popen(
        [BINDERY, "worker", "--data", tmp_path], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        expected = f"Bindery works for sqlite://{tmp_path / 'bindery.db'}\n"
        assert process.stdout.readline() == expected
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_secret_that_others_may_read_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    secret = tmp_path / "secret.key"
    secret.write_text("ab" * 32)
    secret.chmod(0o640)
    line = _refusal(capsys, "serve", "--port", "0", "--data", str(tmp_path))
    assert line == f"{secret} can be read by others; run `chmod 600 {secret}`."


def test_a_secret_that_is_none_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.key"
    secret.touch(0o600)
    secret.write_text("not hex")
    line = _refusal(capsys, "demo", "--data", str(tmp_path))
    assert line.startswith(f"{secret} must be 64 hex digits")
    monkeypatch.setenv("BINDERY_SECRET", "xyz")
    line = _refusal(capsys, "demo", "--data", str(tmp_path))
    assert line.startswith("BINDERY_SECRET must be 64 hex digits")


def test_a_data_directory_that_can_not_be_used_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    for command in ("serve", "migrate", "demo"):
        line = _refusal(capsys, command, "--data", str(file))
        assert line.startswith(f"The data directory {file} can't be used: File exists.")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_data_directory_that_is_not_writable_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tmp_path.chmod(0o500)
    line = _refusal(capsys, "migrate", "--data", str(tmp_path))
    assert line.startswith(f"The data directory {tmp_path} can't be used: Permission denied.")
