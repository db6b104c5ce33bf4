"""Where webhooks are never sent, whoever asks for it. Every connection here is counted."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from app.outbound import names
from app.outbound.sender import Answer, Sender
from app.rules.address import Address, Target
from app.rules.webhook import Failure
from tests.receiver import LOOPBACK, receiving
from tests.rules.test_address import HOSTILE


async def _lookup(where: Target) -> list[Address]:
    """Names that lead to loopback, one of them only beside an address of the internet."""
    found = {"rebind.test": ["127.0.0.1"], "both.test": ["93.184.215.14", "127.0.0.1"]}
    if where.host in found:
        return [ip_address(one) for one in found[where.host]]
    return await _really(where)


_really = names.addresses


async def test_hostile_urls_reach_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.outbound.sender.addresses", _lookup)
    sender = Sender(allowed=(), seconds=2.0)
    async with receiving() as receiver:
        for _, url in HOSTILE:
            answer = await sender.post(url.format(port=receiver.port), b"{}", {})
            assert answer in (
                Answer(None, Failure.ADDRESS_REFUSED),
                Answer(None, Failure.UNRESOLVED),
            ), url
        assert receiver.connections == 0
        # The listener counts what does come.
        open_ = Sender(allowed=[ip_network(LOOPBACK)], seconds=2.0)
        assert await open_.post(receiver.url, b"{}", {}) == Answer(204, None)
        assert receiver.connections == 1


async def test_a_name_that_leads_elsewhere_by_now_is_not_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second answer of a resolver, which is the address of loopback, is never asked for."""
    asked = 0

    async def changing(_where: Target) -> list[Address]:
        nonlocal asked
        asked += 1
        return [ip_address("198.51.101.7" if asked == 1 else "127.0.0.1")]

    monkeypatch.setattr("app.outbound.sender.addresses", changing)
    tried: list[str] = []

    def refuse(_self: object, place: Any) -> Any:
        tried.append(place[4][0])
        raise OSError("no network in this test")

    monkeypatch.setattr("app.outbound.sender._Pinned.socket", refuse)
    async with receiving() as receiver:
        answer = await Sender(allowed=(), seconds=2.0).post(
            f"https://rebind.test:{receiver.port}/", b"{}", {}
        )
        assert (answer, receiver.connections) == (Answer(None, Failure.CONNECTION_FAILED), 0)
    assert (asked, tried) == (1, ["198.51.101.7"])


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as receiver, receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        sender = Sender(allowed=[ip_network(LOOPBACK)], seconds=2.0)
        assert await sender.post(receiver.url, b"{}", {}) == Answer(204, None)
        assert (receiver.connections, proxy.connections) == (1, 0)
