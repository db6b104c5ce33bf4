from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import pytest

from app.rules.address import Target, check, closed, target
from app.rules.errors import WebhookUrlRefused

HOSTILE = [
    line.split(" ", 1)
    for line in (Path(__file__).parents[2] / "fixtures" / "hostile-urls.txt")
    .read_text(encoding="utf-8")
    .splitlines()
    if not line.startswith("#")
]
LOOPBACK = [ip_network("127.0.0.0/8")]


def judge(url: str, addresses: list[str]) -> None:
    where = target(url)
    found = [where.address] if where.address else [ip_address(one) for one in addresses]
    check(where, found, allowed=())


def refusal(url: str, addresses: list[str] | None = None) -> str:
    with pytest.raises(WebhookUrlRefused) as refused:
        judge(url, addresses or [])
    assert refused.value.path == ("input", "url")
    return refused.value.message.removeprefix("A webhook can't be sent to this URL: ")


def test_there_are_forty_hostile_urls() -> None:
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize("url", [url for _, url in HOSTILE])
def test_a_hostile_url_is_refused(url: str) -> None:
    # What a name resolves to, if it resolves to anything, is a private address.
    assert refusal(url.format(port=8443), ["93.184.215.14", "10.0.0.1"])


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("https://hooks.example.com/a?b=c", Target(True, "hooks.example.com", 443, None)),
        ("https://hooks.example.com:8443", Target(True, "hooks.example.com", 8443, None)),
        ("https://HOOKS.example.com/A", Target(True, "hooks.example.com", 443, None)),
        ("https://xn--bcher-kva.example", Target(True, "xn--bcher-kva.example", 443, None)),
        ("https://a_b.example/@", Target(True, "a_b.example", 443, None)),
        ("http://8.8.8.8", Target(False, "8.8.8.8", 80, IPv4Address("8.8.8.8"))),
        (
            "https://[2606:4700::1111]:1/",
            Target(True, "2606:4700::1111", 1, IPv6Address("2606:4700::1111")),
        ),
    ],
)
def test_a_url_says_where_it_points(url: str, meant: Target) -> None:
    assert target(url) == meant


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "it must be 1 to 2048 printable ASCII characters, without a backslash."),
        ("https://" + "a" * 2_048, "it must be 1 to 2048 printable ASCII characters, without a"),
        ("https://a.example/ b", "it must be 1 to 2048 printable ASCII characters, without a"),
        ("https://a.example/\n", "it must be 1 to 2048 printable ASCII characters, without a"),
        ("https://a.example:x", "its host is no name, such as hooks.example.com."),
        ("https://a.example:123456", "its host is no name, such as hooks.example.com."),
        ("https://a.example:70000", "its port is not one from 1 to 65535."),
        ("https://a.example:0", "its port is not one from 1 to 65535."),
        ("https://[::1", "its host is no name, such as hooks.example.com."),
        ("hooks.example.com", "it must begin with https://."),
        ("HTTPS://hooks.example.com", "it must begin with https://."),
        ("https://a@b.example", "it must hold no user, no password and no fragment."),
        ("https://a.example/#b", "it must hold no user, no password and no fragment."),
        ("https://[::1%25eth0]/", "its host is no name, such as hooks.example.com."),
        ("https://[1.2]/", "its host is no IPv6 address."),
        ("https://a[::1]/", "its host is no name, such as hooks.example.com."),
        ("https://[::1]a/", "its host is no name, such as hooks.example.com."),
        ("https://1.2.3/", "an address is written as four numbers, such as 192.0.2.7."),
        ("https://", "its host is no name, such as hooks.example.com."),
        ("https://-a.example", "its host is no name, such as hooks.example.com."),
        ("https://a..example", "its host is no name, such as hooks.example.com."),
        ("https://" + "a." * 126 + "example", "its host is no name, such as hooks.example.com."),
    ],
)
def test_a_url_of_another_form_is_refused(url: str, why: str) -> None:
    assert refusal(url).startswith(why)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("93.184.215.14", None),
        ("100.63.255.255", None),
        ("100.64.0.0", "shared by a carrier's customers"),
        ("169.254.169.254", "link-local, where clouds keep their metadata"),
        ("172.32.0.0", None),
        ("198.20.0.0", None),
        ("223.255.255.255", None),
        ("240.0.0.1", "reserved"),
        ("2606:4700::1111", None),
        ("::ffff:8.8.8.8", "not one of the public internet"),
        ("64:ff9b::808:808", "not one of the public internet"),
        ("2001:200::1", None),
        ("2001:1ff::1", "reserved for protocols, Teredo's tunnels among them"),
        ("2002:808:808::", "a tunnel of 6to4"),
        ("3fff::1", "for documentation"),
        ("4000::1", "not one of the public internet"),
    ],
)
def test_what_is_closed(address: str, why: str | None) -> None:
    assert closed(ip_address(address)) == why


def test_one_closed_address_is_enough() -> None:
    where = target("https://hooks.example.com")
    open_, shut = ip_address("93.184.215.14"), ip_address("192.168.0.1")
    check(where, [open_], allowed=())
    with pytest.raises(WebhookUrlRefused):
        check(where, [open_, shut], allowed=())


def test_an_allowed_network_is_open_to_both_schemes() -> None:
    here = ip_address("127.0.0.1")
    check(target("https://hook.test"), [here], allowed=LOOPBACK)
    check(target("http://hook.test"), [here], allowed=LOOPBACK)
    with pytest.raises(WebhookUrlRefused, match="it must begin with https://"):
        check(target("http://hook.test"), [here, ip_address("8.8.8.8")], allowed=LOOPBACK)
    with pytest.raises(WebhookUrlRefused):
        check(target("https://hook.test"), [ip_address("::ffff:127.0.0.1")], allowed=LOOPBACK)


def test_a_name_without_an_address_is_judged_by_itself() -> None:
    check(target("https://soon.example.com"), [], allowed=())
    assert refusal("http://soon.example.com") == "it must begin with https://."
    assert refusal("https://printer.local") == "its host is a name of this network."
