"""Whose word counts on where a request comes from."""

from __future__ import annotations

import ipaddress

import pytest

from app.http.proxies import see_through
from app.settings import Settings, SettingsError

TRUSTED = tuple(ipaddress.ip_network(one) for one in ("10.0.0.0/8", "2001:db8::/32"))


def seen(peer: str | None, *headers: tuple[str, str], kind: str = "http") -> tuple[str | None, str]:
    """The address and the scheme of a request that `peer` sent with these headers."""
    scope = {
        "type": kind,
        "scheme": "http" if kind == "http" else "ws",
        "client": None if peer is None else (peer, 1234),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    see_through(scope, TRUSTED)
    client = scope["client"]
    return (client[0] if isinstance(client, tuple) else None), str(scope["scheme"])


def forwarded(value: str) -> tuple[str, str]:
    return "x-forwarded-for", value


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:8080", "192.0.2.1"),
        ("2001:0dc8::1", "2001:dc8::1"),
        ("[2001:dc8::1]:8080", "2001:dc8::1"),
        # What stands left of the client, it may have written itself.
        ("127.0.0.1, 192.0.2.1", "192.0.2.1"),
        ("127.0.0.1, 192.0.2.1, 10.0.0.7", "192.0.2.1"),
        ("192.0.2.1, 2001:db8::7, 10.0.0.7", "192.0.2.1"),
        # Nobody outside: the farthest proxy is who asks.
        ("10.0.0.8, 10.0.0.7", "10.0.0.8"),
        ("nonsense, 10.0.0.7", "10.0.0.7"),
        ("nonsense", "10.1.1.1"),
        ("", "10.1.1.1"),
        (" , ", "10.1.1.1"),
    ],
)
def test_a_trusted_proxy_tells_the_client(told: str, address: str) -> None:
    assert seen("10.1.1.1", forwarded(told)) == (address, "http")


def test_a_list_in_several_headers_is_one_list() -> None:
    assert seen("10.1.1.1", forwarded("192.0.2.1"), forwarded("10.0.0.7"))[0] == "192.0.2.1"


def test_an_address_of_version_four_in_six_is_one_of_four() -> None:
    assert seen("::ffff:10.1.1.1", forwarded("192.0.2.1"))[0] == "192.0.2.1"


@pytest.mark.parametrize("peer", ["192.0.2.9", "127.0.0.1", "not-an-address", None])
def test_nobody_else_does(peer: str | None) -> None:
    told = [forwarded("203.0.113.1"), ("x-forwarded-proto", "https")]
    assert seen(peer, *told) == (peer, "http")


def test_a_trusted_proxy_tells_the_scheme() -> None:
    assert seen("10.1.1.1", ("x-forwarded-proto", "HTTPS"))[1] == "https"
    assert seen("10.1.1.1", ("x-forwarded-proto", "http, https"))[1] == "https"
    assert seen("10.1.1.1", ("x-forwarded-proto", "https"), kind="websocket")[1] == "wss"
    assert seen("10.1.1.1", ("x-forwarded-proto", "gopher"))[1] == "http"


def test_networks_are_read_from_the_settings() -> None:
    assert Settings(trusted_proxies=" 10.0.0.0/8,2001:db8::/32 ").proxies == TRUSTED
    assert Settings().proxies == ()


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.example", "10.0.0.0/8;10.1.0.0/16", "*"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="BINDERY_TRUSTED_PROXIES"):
        _ = Settings(trusted_proxies=text).proxies


@pytest.mark.parametrize(
    "text", ["console.example", "https://a.example/", "https://", "*", "https://a:b", "null"]
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="BINDERY_ALLOWED_ORIGINS"):
        _ = Settings(allowed_origins=text).origins
