"""Spans: one for each request, below it one for each batch of SQL, and nothing secret in any."""

from __future__ import annotations

import gzip
import importlib
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from app import cli
from app.rules.access import new_secret
from app.settings import Settings
from app.spans import summary
from tests.api import Api
from tests.journeys.server import Running
from tests.spans import PARENT, TRACE, attributes, below, exporter, http, operations

__all__ = ["exporter"]

SECRET_NAME = "zebra 9931"


async def post(api: Api, query: str, headers: dict[str, str]) -> httpx.Response:
    """An operation with headers of its own."""
    sent = {"authorization": f"Bearer {api.key}", **headers}
    return await api.http.post("/graphql", json={"query": query}, headers=sent)


async def test_a_query_is_a_span_with_its_statements_below(
    api: Api, exporter: InMemorySpanExporter
) -> None:
    answer = await post(api, "{ artifacts { nodes { name } } }", PARENT | {"x-request-id": "r" * 8})
    assert "errors" not in answer.json()
    (span,) = operations(exporter)
    assert span.name == "query artifacts"
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.attributes is not None
    assert span.attributes["bindery.request_id"] == "r" * 8
    names = below(exporter, span)
    assert "SELECT api_key" in names
    assert "SELECT artifact" in names
    assert span.status.status_code is StatusCode.UNSET
    executed = {"graphql.operation.type": "query", "bindery.field": "artifacts"}
    assert attributes(span) == http("/graphql") | executed
    (statement,) = [one for one in exporter.get_finished_spans() if one.name == "SELECT artifact"]
    assert attributes(statement) == {
        "db.system.name": "sqlite",
        "db.operation.name": "SELECT",
        "db.collection.name": "artifact",
    }


async def test_a_mutation_has_its_transaction_below(
    api: Api, exporter: InMemorySpanExporter
) -> None:
    mutation = 'mutation { createArtifact(input: { name: "%s" }) { artifact { name } } }'
    answer = await post(api, mutation % SECRET_NAME, {})
    assert answer.json()["data"]["createArtifact"]["artifact"] == {"name": SECRET_NAME}
    (span,) = operations(exporter)
    assert span.name == "mutation createArtifact"
    assert span.parent is None
    assert "transaction" in below(exporter, span)


@pytest.mark.parametrize("sent", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
async def test_a_malformed_parent_is_none(
    api: Api, exporter: InMemorySpanExporter, sent: str
) -> None:
    assert (await post(api, "{ viewer { role } }", {"traceparent": sent})).status_code == 200
    assert [span.parent for span in operations(exporter)] == [None]


async def test_an_error_is_told_by_its_code_alone(api: Api, exporter: InMemorySpanExporter) -> None:
    await post(api, f'{{ binary(id: "{SECRET_NAME}") {{ id }} }}', {})
    stranger = Api(api.http, new_secret())
    await post(stranger, "{ viewer { role } }", {})
    known, unknown = operations(exporter)
    failed = {"bindery.error_codes": ("BAD_USER_INPUT",), "error.type": "BAD_USER_INPUT"}
    executed = {"graphql.operation.type": "query", "bindery.field": "binary"}
    assert attributes(known) == http("/graphql") | executed | failed
    assert known.status.status_code is StatusCode.ERROR
    # What a caller did wrong is no failure of the server, by the conventions of HTTP.
    assert unknown.name == "POST /graphql"
    refused = {"bindery.error_codes": ("UNAUTHENTICATED",)}
    assert attributes(unknown) == http("/graphql", status=401) | refused
    assert unknown.status.status_code is StatusCode.UNSET


async def test_bytes_are_spans_with_their_statements_below(
    api: Api, exporter: InMemorySpanExporter
) -> None:
    binary = await api.reach("HASHABLE", await api.version(), b"x" * 1_000)
    answer = await api.ask("query($id: ID!) { binary(id: $id) { downloadUrl } }", id=binary)
    url = answer["binary"]["downloadUrl"]
    exporter.clear()
    assert (await api.http.get(url, headers=PARENT)).content == b"x" * 1_000
    (span,) = operations(exporter)
    assert span.name == "GET /content/{binary}"
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert attributes(span) == http("/content/{binary}", method="GET", path="/content/REDACTED")
    assert below(exporter, span) == ["SELECT binary_record", "SELECT binary_part"]


async def test_content_that_is_lost_is_a_failure_of_the_server(
    api: Api, settings: Settings, exporter: InMemorySpanExporter
) -> None:
    binary = await api.reach("HASHABLE", await api.version(), b"x" * 1_000)
    answer = await api.ask("query($id: ID!) { binary(id: $id) { downloadUrl } }", id=binary)
    for blob in (settings.data / "blobs").rglob("*"):
        if blob.is_file():
            blob.unlink()
    exporter.clear()
    assert (await api.http.get(answer["binary"]["downloadUrl"])).status_code == 500
    (span,) = operations(exporter)
    told = http("/content/{binary}", method="GET", status=500, path="/content/REDACTED")
    failed = {"bindery.error_codes": ("CONTENT_CORRUPT",), "error.type": "500"}
    assert attributes(span) == told | failed
    assert span.status.status_code is StatusCode.ERROR


async def test_an_upload_is_a_span_that_tells_how_it_was_refused(
    api: Api, exporter: InMemorySpanExporter
) -> None:
    (part,) = (await api.binary(await api.version(), b"x" * 1_000))["parts"]
    exporter.clear()
    assert (await api.http.put(part["uploadUrl"], content=b"y" * 1_000)).status_code == 400
    assert (await api.http.put(part["uploadUrl"], content=b"x" * 1_000)).status_code == 200
    assert (await api.http.request("ZEBRA", part["uploadUrl"])).status_code == 405
    refused, stored, strange = operations(exporter)
    told = http("/upload/{binary}/{part}", method="PUT", path="/upload/REDACTED/REDACTED")
    assert refused.name == stored.name == "PUT /upload/{binary}/{part}"
    assert attributes(stored) == told
    assert "transaction" in below(exporter, stored)
    code = {"http.response.status_code": 400, "bindery.error_codes": ("INVALID_HASH",)}
    assert attributes(refused) == told | code
    assert refused.status.status_code is StatusCode.UNSET
    assert strange.name == "HTTP /upload/{binary}/{part}"
    assert attributes(strange)["http.request.method"] == "_OTHER"


async def test_no_span_tells_a_value_or_a_secret(api: Api, exporter: InMemorySpanExporter) -> None:
    version = await api.version()
    binary = await api.reach("SIGNED", version, b"x" * 1_000)
    await api.ask("{ artifacts(first: 7) { nodes { name } } }")
    await post(api, f'{{ binary(id: "{SECRET_NAME}") {{ nonsense }} }}', {})
    assert len(operations(exporter)) > 5
    answer = await api.ask("query($id: ID!) { binary(id: $id) { downloadUrl } }", id=binary)
    url = answer["binary"]["downloadUrl"]
    assert (await api.http.get(url)).status_code == 200
    told = "".join(span.to_json() for span in exporter.get_finished_spans())
    ids = (binary, binary.rpartition(":")[2], version, url.partition("signature=")[2])
    for secret in (api.key, api.key[4:], SECRET_NAME, *ids, "firmware", "LIMIT", "$1"):
        assert secret not in told


def test_a_summary_is_a_verb_and_a_table() -> None:
    assert summary("SELECT a FROM binary_record WHERE b = 'c'") == ("SELECT", "binary_record")
    assert summary('UPDATE "device" SET "x"=1') == ("UPDATE", "device")
    assert summary("WITH x AS (SELECT 1 FROM release) SELECT * FROM x") == ("SELECT", "release")
    assert summary("PRAGMA x") == ("SQL", "")


def test_a_server_without_traces_loads_nothing_of_them() -> None:
    code = "import sys, app.cli; print([m for m in sys.modules if 'opentelemetry' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_missing_extra_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name}", name="opentelemetry")

    monkeypatch.setattr(importlib, "import_module", missing)
    monkeypatch.setenv("BINDERY_TRACES", "http://127.0.0.1:4318/v1/traces")
    assert cli.main(["serve", "--port", "0", "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        "bindery: BINDERY_TRACES needs the extra of OpenTelemetry (opentelemetry is missing):"
        " install bindery[otel], or leave the setting empty.\n"
    )


def test_an_address_of_no_collector_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BINDERY_TRACES", "collector:4317")
    assert cli.main(["serve", "--port", "0", "--data", str(tmp_path)]) == 1
    line = capsys.readouterr().err
    assert line.startswith("bindery: BINDERY_TRACES is 'collector:4317'; it must be like http://")


class Collector(ThreadingHTTPServer):
    """Takes what a server sends by OTLP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.names: list[str] = []


class _Taking(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        sent = ExportTraceServiceRequest.FromString(body)
        assert isinstance(self.server, Collector)
        self.server.names += [
            span.name
            for resource in sent.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.mark.parametrize("away", [False, True])
async def test_a_real_server_sends_its_spans_and_ends_without_a_collector(
    tmp_path: Path, away: bool
) -> None:
    with Collector() as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{1 if away else collector.server_port}/v1/traces"
        running = Running(tmp_path, settings={"BINDERY_TRACES": address})
        with running.started(running.create_key()) as place:
            async with httpx.AsyncClient(base_url=place.url, trust_env=False) as http:
                assert await Api(http, place.key).ask("{ viewer { role } }")
            assert running.process is not None
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(15) == 0
        collector.shutdown()
    assert ("query viewer" in collector.names) is not away
