"""The suite of secrets knows one when it sees it, wherever it is, and lets none be shown twice."""

from __future__ import annotations

import base64
from pathlib import Path

from app.rules.access import new_secret
from tests.suites.harvest import Harvest
from tests.suites.leaks import Traces, _in

LINK = "/content/x?organization=y&epoch=1&expires=1&signature=" + "ab" * 32


def harvested(*texts: str) -> Harvest:
    harvest = Harvest()
    for text in texts:
        harvest.look(200, text)
    return harvest


def test_keys_links_and_tokens_are_known(tmp_path: Path) -> None:
    key, token = new_secret(), "x" * 40
    secrets = harvested(f'{{"secret":"{key}"}}', LINK, f'"planToken":"{token}"').secrets
    raw = base64.urlsafe_b64decode(key.removeprefix("bky_") + "=")
    assert len(raw) == 32
    assert {key.encode(), raw, b"ab" * 32, bytes.fromhex("ab" * 32)} < secrets.keys()
    (tmp_path / "wal").write_bytes(b"\0\1" + raw + b"\2")
    (tmp_path / "log").write_text(f"request by ...{key[-20:]}")
    (tmp_path / "secret.key").write_text(key)
    found = {where: _in(content, secrets) for where, content in Traces([tmp_path], b"rows").each()}
    assert found["wal"] == ["an API key's bytes, after b'\\x00\\x01'"]
    assert found["log"] == ["the end of an API key, after b'request by ...'"]
    assert found["rows"] == []
    assert "secret.key" not in found


def test_a_key_that_is_shown_twice_or_too_short_is_wrong() -> None:
    key = new_secret()
    assert harvested(key).wrong() == []
    assert harvested(key, key).wrong() == ["a key was shown 2 times"]


def test_an_error_that_tells_a_secret_is_wrong() -> None:
    harvest = harvested(LINK)
    assert harvest.wrong() == []
    harvest.look(403, f"not good: {LINK}")
    (told,) = harvest.wrong()
    assert told.startswith("an error tells a secret: not good")


def test_keys_are_made_of_256_bits_each() -> None:
    keys = [new_secret() for _ in range(1_000)]
    assert len(set(keys)) == 1_000
    raw = [base64.urlsafe_b64decode(key.removeprefix("bky_") + "=") for key in keys]
    assert {len(one) for one in raw} == {32}
    # Each bit is set in about half of them: beyond eight deviations there is something wrong.
    for place in range(256):
        count = sum(one[place // 8] >> place % 8 & 1 for one in raw)
        assert 374 < count < 626, place
