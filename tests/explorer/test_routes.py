"""What `/` answers, built and not built, and that nothing else of the disk is behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from app.http import explorer
from app.main import create_app
from app.settings import Settings

POLICY = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "worker-src": ["'self'"],
    "connect-src": ["'self'"],
    "font-src": ["'self'", "data:"],
    "img-src": ["'self'", "data:"],
    "base-uri": ["'none'"],
    "form-action": ["'none'"],
    "frame-ancestors": ["'none'"],
}


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for what `make explorer` makes, with a file beside it."""
    folder = tmp_path / "dist"
    (folder / "explorer").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>built</title>")
    (folder / "explorer" / "index-B7x_1.js").write_text("let built")
    (folder / "explorer" / "index-B7x_1.css").write_text("p {}")
    (folder / "explorer" / "editor.worker-B7x.js").write_text("let worker")
    (folder / "explorer" / "letters-B7x.ttf").write_text("letters")
    (folder / "explorer" / "icon-B7x.svg").write_text("<svg/>")
    (folder / "explorer" / "deeper.js").mkdir()
    (tmp_path / "secret.key").write_text("secret")
    (folder / "secret.js").write_text("secret")
    monkeypatch.setattr(explorer, "BUILT", folder)
    return folder


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the explorer's routes alone."""
    transport = httpx.ASGITransport(Starlette(routes=explorer.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://bindery") as client:
        yield client


def _check_headers(answer: httpx.Response, *, caching: str) -> None:
    policy = answer.headers["content-security-policy"].split("; ")
    assert {name: values for name, *values in map(str.split, policy)} == POLICY
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == caching


async def test_the_page_is_asked_for_each_time(built: Path, http: httpx.AsyncClient) -> None:
    answer = await http.get("/")
    assert answer.status_code == 200
    assert answer.text == "<!doctype html><title>built</title>"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    _check_headers(answer, caching="no-cache")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("index-B7x_1.js", "text/javascript; charset=utf-8"),
        ("index-B7x_1.css", "text/css; charset=utf-8"),
        ("editor.worker-B7x.js", "text/javascript; charset=utf-8"),
        ("letters-B7x.ttf", "font/ttf"),
        ("icon-B7x.svg", "image/svg+xml"),
    ],
)
async def test_a_part_is_kept_for_good(
    built: Path, http: httpx.AsyncClient, name: str, media_type: str
) -> None:
    answer = await http.get(f"/explorer/{name}")
    assert answer.status_code == 200
    assert answer.content == (built / "explorer" / name).read_bytes()
    assert answer.headers["content-type"] == media_type
    _check_headers(answer, caching="public, max-age=31536000, immutable")


@pytest.mark.parametrize("path", ["/", "/explorer/index-B7x_1.js"])
async def test_head_has_the_headers_alone(built: Path, http: httpx.AsyncClient, path: str) -> None:
    told, got = await http.head(path), await http.get(path)
    assert (told.status_code, told.content) == (200, b"")
    assert told.headers == got.headers


@pytest.mark.parametrize("path", ["/", "/explorer/index-B7x_1.js"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_refused(
    built: Path, http: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await http.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert answer.json()["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    "name",
    [
        "other-B7x.js",
        "deeper.js",
        "index.html",
        "..%2fsecret.js",
        "..%2f..%2fsecret.key",
        "%2e%2e%2fsecret.js",
        "%2e%2e",
        "...",
        "..\\secret.js",
        "..%5csecret.js",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "index-B7x_1.js%00",
        "index-B7x_1.js%0a",
        ".js",
        "x" * 5000 + ".js",
        "",
    ],
)
async def test_nothing_else_is_a_part(built: Path, http: httpx.AsyncClient, name: str) -> None:
    # Given as raw bytes, since a client that is kind would tidy the dots away.
    url = httpx.URL("http://bindery").copy_with(raw_path=b"/explorer/" + name.encode())
    answer = await http.get(url)
    assert answer.status_code == 404
    assert "secret" not in answer.text
    assert "root:" not in answer.text
    assert str(built) not in answer.text


async def test_a_missing_part_is_not_kept(built: Path, http: httpx.AsyncClient) -> None:
    answer = await http.get("/explorer/other-B7x.js")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_where_it_is_not_built_the_page_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, http: httpx.AsyncClient
) -> None:
    monkeypatch.setattr(explorer, "BUILT", tmp_path / "dist")
    answer = await http.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    _check_headers(answer, caching="no-cache")
    for told in (
        "make explorer",
        "curl http://bindery/graphql",
        "Authorization: Bearer $KEY",
        "binaries",
    ):
        assert told in answer.text
    assert "<script" not in answer.text
    answer = await http.get("/", headers={"host": "<script>"})
    assert "<script" not in answer.text
    assert (await http.get("/explorer/index-B7x_1.js")).status_code == 404


async def test_the_server_has_it(built: Path, tmp_path: Path) -> None:
    app = create_app(Settings(data=tmp_path / "data"))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://bindery"
    ) as client:
        answer = await client.get("/")
    assert answer.text == "<!doctype html><title>built</title>"
    _check_headers(answer, caching="no-cache")
