"""What a real server says of what went wrong, and that it serves on when nobody listens."""

from __future__ import annotations

import fcntl
import json
import re
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.api import Api
from tests.journeys.server import Place, Running
from tests.processes.served import PATIENCE, command, environment, said

CONTENT = b"x" * 1000
REQUESTS = 100
PAGE = 4096


async def failed_upload(place: Place) -> str:
    """Has an upload fail, since its folder is gone; the id that the answer tells."""
    async with httpx.AsyncClient(base_url=place.url, trust_env=False) as http:
        api = Api(http, place.key)
        binary = await api.binary(await api.version(), CONTENT)
        assert place.data is not None
        (place.data / "blobs").rename(place.data / "elsewhere")
        answer = await http.put(binary["parts"][0]["uploadUrl"], content=CONTENT)
        (place.data / "elsewhere").rename(place.data / "blobs")
    assert answer.status_code >= 500
    id: str = answer.json()["errors"][0]["extensions"]["requestId"]
    assert answer.headers["x-request-id"] == id
    return id


@pytest.mark.parametrize("form", ["json", "console"])
async def test_a_failure_is_told_with_its_request(tmp_path: Path, form: str) -> None:
    settings = {"BINDERY_LOG_FORMAT": form, "BINDERY_ACCESS_LOG": str(form == "console")}
    running = Running(tmp_path, settings=settings, fork=True)
    with running.started(running.create_key()) as place:
        id = await failed_upload(place)
        assert running.process is not None
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(PATIENCE) == 0
        _, *lines = running.log.splitlines()
    assert place.key not in running.log
    assert "signature" not in running.log
    if form == "json":
        (told,) = (one for one in map(json.loads, lines) if one.get("requestId") == id)
        assert (told["level"], told["logger"]) == ("WARNING", "app.http.refusal")
        assert "FileNotFoundError" in told["message"]
    else:
        (told,) = (one for one in lines if "app.http.refusal" in one)
        assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]{12}Z WARNING app\.http\.refusal: ", told)
        assert told.endswith(f"[request {id}]")
        assert any(
            re.search(r"bindery\.access: 127\.0\.0\.1 PUT /\S+ 5\d\d, ", one) for one in lines
        )


def test_a_server_whose_log_nobody_reads_serves_on_and_ends(tmp_path: Path) -> None:
    status, key = said("key", "create", "--organization", "acme", data=tmp_path)
    assert status == 0
    process = subprocess.Popen(
        command("serve", "--port", "0", data=tmp_path),
        stdout=subprocess.PIPE,
        text=True,
        env=environment(access_log=True),
    )
    try:
        assert process.stdout is not None
        (url,) = re.findall(r"http://[\d.:]+", process.stdout.readline())
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, PAGE)
        with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE) as http:
            # Each is a line of 400 characters: ten fill the pipe.
            for _ in range(REQUESTS):
                assert http.get(f"/no-such-path/{'x' * 200}").status_code == 404
            sent = {"authorization": f"Bearer {key}"}
            answer = http.post("/graphql", headers=sent, json={"query": "{ viewer { role } }"})
            assert answer.json()["data"] == {"viewer": {"role": "ADMIN"}}
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert time.monotonic() - begun < 15
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
