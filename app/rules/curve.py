"""The arithmetic of edwards25519 that judging a point needs, and no more.

Points are public here (keys and signatures), so nothing needs constant time. Signatures are
verified by libsodium; this only tells which points to refuse, and why. Source of the formulas:
RFC 8032, sections 5.1.3 and 5.1.4.
"""

from __future__ import annotations

from typing import Final, NamedTuple

P: Final = 2**255 - 19
L: Final = 2**252 + 27742317777372353535851937790883648493  # The order of the base point.
D: Final = -121665 * pow(121666, -1, P) % P

_SQRT_MINUS_ONE: Final = pow(2, (P - 1) // 4, P)


class Point(NamedTuple):
    """A point in extended coordinates: its x is x/z, its y is y/z, and t is xy/z."""

    x: int
    y: int
    z: int
    t: int


class NotCanonical(ValueError):
    """The bytes are a second spelling of a point, which RFC 8032 does not allow."""


class NotOnCurve(ValueError):
    """The bytes spell no point of the curve."""


_IDENTITY: Final = Point(0, 1, 1, 0)


def decode(encoded: bytes) -> Point:
    """The point that 32 bytes spell. Raises NotCanonical or NotOnCurve."""
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= P:
        raise NotCanonical
    x = _x_of(y)
    if x == 0 and sign:
        raise NotCanonical
    if x & 1 != sign:
        x = P - x
    return Point(x, y, 1, x * y % P)


def is_small_order(point: Point) -> bool:
    """Whether the point is one of the eight whose order divides 8: they sign anything."""
    return _is_identity(_multiply(8, point))


def is_full_order(point: Point) -> bool:
    """Whether the point has prime order, as every honestly made key has."""
    return not _is_identity(point) and _is_identity(_multiply(L, point))


def _x_of(y: int) -> int:
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    square = u * pow(v, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * _SQRT_MINUS_ONE % P
    if x * x % P != square:
        raise NotOnCurve
    return x


def _is_identity(point: Point) -> bool:
    return point.x == 0 and point.y == point.z


def _add(p: Point, q: Point) -> Point:
    a = (p.y - p.x) * (q.y - q.x) % P
    b = (p.y + p.x) * (q.y + q.x) % P
    c = 2 * D * p.t * q.t % P
    d = 2 * p.z * q.z % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return Point(e * f % P, g * h % P, f * g % P, e * h % P)


def _multiply(factor: int, point: Point) -> Point:
    """The sum of `factor` times the point, by doubling (the addition is complete)."""
    total = _IDENTITY
    while factor:
        if factor & 1:
            total = _add(total, point)
        point = _add(point, point)
        factor >>= 1
    return total
