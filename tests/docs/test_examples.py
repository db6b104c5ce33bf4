"""The examples say what this version understands: commands, settings, and the words of systemd."""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.cli import _parser
from app.settings import Settings, load
from tests.docs.pages import ROOT
from tests.processes.served import BINDERY, PATIENCE, command, environment

EXAMPLES = ROOT / "examples"
UNITS = sorted((EXAMPLES / "systemd").glob("*.service"))
COMPOSE: dict[str, Any] = yaml.safe_load((EXAMPLES / "compose" / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SETTINGS = {f"BINDERY_{one.name.upper()}" for one in fields(Settings)}
INSTALLED = "/opt/bindery/venv/bin/bindery"
MOST_EXPOSED = 15
"""Tenths of systemd's ten that a unit may be exposed by; a plain one has 96."""
_DENY_WRITE_EXECUTE = 65
"""The `prctl` that stands for `MemoryDenyWriteExecute=`."""


def command_of(unit: Path) -> list[str]:
    """The command that a unit starts."""
    (line,) = re.findall(r"^ExecStart=(.+)$", unit.read_text(), re.MULTILINE)
    return shlex.split(line)


@pytest.mark.parametrize("unit", UNITS, ids=lambda one: one.name)
def test_a_unit_starts_a_command_that_there_is(unit: Path) -> None:
    program, *arguments = command_of(unit)
    assert program == INSTALLED
    chosen = _parser().parse_args(arguments)
    (state,) = re.findall(r"^StateDirectory=(\S+)$", unit.read_text(), re.MULTILINE)
    assert chosen.data == Path("/var/lib") / state


@pytest.fixture(scope="module")
def verifiable(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The units with a program that is there, so that systemd has nothing to say against it."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here: 2 units not verified")
    folder = tmp_path_factory.mktemp("units")
    for unit in UNITS:
        (folder / unit.name).write_text(unit.read_text().replace(INSTALLED, str(BINDERY)))
    return sorted(folder.iterdir())


def test_systemd_understands_the_units(verifiable: list[Path]) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *verifiable],
        capture_output=True,
        text=True,
        check=False,
    )
    # Of other units of the machine it may complain as well.
    said = [line for line in done.stderr.splitlines() if "bindery" in line]
    assert (done.returncode, said) == (0, [])


def test_the_units_expose_little(verifiable: list[Path]) -> None:
    for unit in verifiable:
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", unit],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_a_server_runs_without_memory_that_is_written_and_executed(tmp_path: Path) -> None:
    libc = ctypes.CDLL(None)

    def deny() -> None:
        if libc.prctl(_DENY_WRITE_EXECUTE, 1, 0, 0, 0):
            os._exit(99)

    probe = subprocess.run(["true"], preexec_fn=deny, check=False)
    if probe.returncode == 99:
        pytest.skip("this kernel can't deny it: 1 server not started")
    with subprocess.Popen(
        command("serve", "--port", "0", data=tmp_path),
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=deny,
    ) as process:
        try:
            assert process.stdout is not None
            (url,) = re.findall(r"http://[\d.:]+", process.stdout.readline())
            assert httpx.get(f"{url}/health/ready", trust_env=False).status_code == 200
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    "path",
    [*(EXAMPLES / "systemd").glob("*.env"), EXAMPLES / "compose" / "env.example"],
    ids=lambda one: one.name,
)
def test_every_setting_of_a_file_is_one(path: Path) -> None:
    lines = re.findall(r"^#?([A-Z_]+)=(.*)$", path.read_text(), re.MULTILINE)
    given = {name: value for name, value in lines if name.startswith("BINDERY_")}
    assert given.keys() <= SETTINGS
    assert given
    settings = load({name: value for name, value in given.items() if value})
    assert settings.public_url.startswith("http")
    assert len(settings.proxies) == (2 if path.name == "bindery.env" else 0)


@pytest.mark.parametrize("name", [name for name, one in SERVICES.items() if "build" in one])
def test_compose_starts_commands_with_settings_that_there_are(name: str) -> None:
    service = SERVICES[name]
    program, *arguments = service["command"]
    assert program == "bindery"
    _parser().parse_args(arguments)
    own = {key for key in service["environment"] if not key.startswith("AWS_")}
    assert own <= SETTINGS
    load({key: _filled(value) for key, value in service["environment"].items() if key in SETTINGS})
    assert (EXAMPLES / "compose" / service["build"] / "Dockerfile").resolve().exists()


def _filled(value: str) -> str:
    """A value with what `env.example` gives in the place of its variables."""
    text = (EXAMPLES / "compose" / "env.example").read_text()
    given = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    return re.sub(r"\$\{(\w+)[^}]*\}", lambda found: given[found[1]], value)


def test_server_and_worker_share_what_they_must() -> None:
    server, worker = (SERVICES[name]["environment"] for name in ("server", "worker"))
    for name in ("BINDERY_DATABASE", "BINDERY_CONTENT", "BINDERY_S3_ENDPOINT", "BINDERY_SECRET"):
        assert server[name] == worker[name]
    assert server["BINDERY_WORKER"] == "false"


def test_compose_refers_to_what_there_is() -> None:
    text = (EXAMPLES / "compose" / "compose.yaml").read_text()
    given = re.findall(r"^(\w+)=", (EXAMPLES / "compose" / "env.example").read_text(), re.MULTILINE)
    assert set(re.findall(r"(?<!\$)\$\{(\w+)", text)) == set(given)
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= SERVICES.keys()
        mounted = {one.partition(":")[0] for one in service.get("volumes", ())}
        assert mounted <= COMPOSE["volumes"].keys()
        # A tag that moves would start another version tomorrow.
        assert "build" in service or re.search(r":.*\d", service["image"])


def test_a_server_in_compose_is_asked_where_it_listens() -> None:
    command, ports = SERVICES["server"]["command"], SERVICES["server"]["ports"]
    port = command[command.index("--port") + 1]
    assert [one.split(":")[-1] for one in ports] == [port]
    worker = SERVICES["worker"]["command"]
    assert worker[worker.index("--port") + 1] == port
    health = (ROOT / "docker" / "healthcheck.py").read_text()
    assert f"PORT = {port}\n" in health


def test_what_is_waited_for_has_a_health() -> None:
    for service in SERVICES.values():
        needed = service.get("depends_on", {})
        for name in needed if isinstance(needed, dict) else ():
            if needed[name]["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[name] or "build" in SERVICES[name]
