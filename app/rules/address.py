"""Where a webhook may point: the form of its URL, and the addresses that may be connected to.

Whoever sets a URL has the server connect for them, from inside the operator's network. So a URL has
one plain form, and an address is allowed only where the public internet is, or where the operator
said so. A name is judged by what it resolves to, each time, and the connection goes to the very
address that was judged (`app.outbound`). Source of the networks: IANA's registries of special
addresses for IPv4 and IPv6, and the clouds' own documents on their metadata services.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.rules.errors import WebhookUrlRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL: Final = 2_048

_PRINTABLE: Final = re.compile(r"[!-~]+")
# Read here alone: readers of libraries see the host of `https://a[::1]/` in different places.
_PLACE: Final = re.compile(
    r"(?:\[(?P<inner>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?"
)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")
_HERE: Final = ("localhost", "local", "internal", "localdomain", "home", "lan")
"""Last labels of names that mean this machine, or this network, wherever they are asked for."""

_CLOSED_4: Final = tuple(
    (ipaddress.IPv4Network(network), why)
    for network, why in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a carrier's customers"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "a cloud's own services"),
        ("169.254.0.0/16", "link-local, where clouds keep their metadata"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "a relay to IPv6"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
# Of IPv6, only what is given out for the public internet is open. So loopback, link-local, unique
# local and multicast addresses are closed, and so are those that carry one of IPv4: mapped ones and
# NAT64, on whose other side could be any of the above.
_GLOBAL_6: Final = ipaddress.IPv6Network("2000::/3")
_CLOSED_6: Final = tuple(
    (ipaddress.IPv6Network(network), why)
    for network, why in (
        ("2001::/23", "reserved for protocols, Teredo's tunnels among them"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "a tunnel of 6to4"),
        ("3fff::/20", "for documentation"),
    )
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL points. `address` is set where its host is an address and not a name."""

    secure: bool
    host: str
    port: int
    address: Address | None


def target(url: str, *, path: Sequence[str] = ("input", "url")) -> Target:
    """Where a webhook's URL points, from its form alone. Raises WebhookUrlRefused.

    The form is narrow, since two readers of one URL that see two hosts are a way in: printable
    ASCII, `https` or `http`, a name of plain labels or an address in its one usual form, no
    credentials, no fragment, no backslash.
    """
    if not 1 <= len(url) <= MAX_URL or not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise _refused(
            f"it must be 1 to {MAX_URL} printable ASCII characters, without a backslash", path
        )
    scheme, _, rest = url.partition("://")
    if scheme not in ("https", "http"):
        raise _refused("it must begin with https://", path)
    place = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in place or "#" in url:
        raise _refused("it must hold no user, no password and no fragment", path)
    found = _PLACE.fullmatch(place)
    if found is None:
        raise _refused("its host is no name, such as hooks.example.com", path)
    secure = scheme == "https"
    port = int(found["port"] or (443 if secure else 80))
    if not 0 < port < 65_536:
        raise _refused("its port is not one from 1 to 65535", path)
    if found["inner"] is not None:
        return Target(secure, found["inner"], port, _ipv6(found["inner"], path))
    host = found["name"].lower()
    return Target(secure, host, port, _ipv4(host, path))


def _ipv6(host: str, path: Sequence[str]) -> Address:
    try:
        return ipaddress.IPv6Address(host)
    except ValueError:
        raise _refused("its host is no IPv6 address", path) from None


def _ipv4(host: str, path: Sequence[str]) -> Address | None:
    """The address that a host is; None for a name. Raises WebhookUrlRefused for neither."""
    labels = host.split(".")
    # What ends in a number is an address to those who connect: 127.1, 0x7f000001, 2130706433.
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return ipaddress.IPv4Address(host)
        except ValueError:
            raise _refused(
                "an address is written as four numbers, such as 192.0.2.7", path
            ) from None
    if len(host) > 253 or not all(_LABEL.fullmatch(one) for one in labels):
        raise _refused("its host is no name, such as hooks.example.com", path)
    return None


def check(
    where: Target,
    addresses: Sequence[Address],
    *,
    allowed: Sequence[Network],
    path: Sequence[str] = ("input", "url"),
) -> None:
    """Makes sure that every address of a target may be connected to. Raises WebhookUrlRefused.

    `allowed` are the operator's own networks: they are open, and there `http` will do. One closed
    address is enough to refuse, so that nobody is let in by luck. A name without an address, which
    may get one later, is judged by itself.
    """
    for address in addresses:
        if any(address in network for network in allowed):
            continue
        if not where.secure:
            raise _refused("it must begin with https://", path)
        if why := closed(address):
            raise _refused(f"its host has an address that is {why}", path)
    if not addresses and not where.secure:
        raise _refused("it must begin with https://", path)
    if not addresses and where.host.rpartition(".")[2] in _HERE:
        raise _refused("its host is a name of this network", path)


def closed(address: Address) -> str | None:
    """Why an address is not of the public internet; None where it is."""
    if isinstance(address, ipaddress.IPv4Address):
        return next((why for network, why in _CLOSED_4 if address in network), None)
    if address not in _GLOBAL_6:
        return "not one of the public internet"
    return next((why for network, why in _CLOSED_6 if address in network), None)


def _refused(why: str, path: Sequence[str]) -> WebhookUrlRefused:
    return WebhookUrlRefused(f"A webhook can't be sent to this URL: {why}.", path=path)
