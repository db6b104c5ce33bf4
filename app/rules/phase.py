"""Whom a release is open to while it is rolled out: a share or number of devices, or tags.

Source of the rules: the domain, section 7, third and last bullet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from app.rules import text
from app.rules.errors import BadUserInput
from app.rules.text import label

MAX_PHASE_DEVICES: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Phase:
    """Whom a release is open to: a share or number of devices, or those with a tag, or all.

    At most one of `value` and `tags` is set; with neither the release has no phase.
    """

    value: Decimal | None = None
    tags: frozenset[str] = frozenset()

    @property
    def limits(self) -> bool:
        """Whether it may leave a device out. A value of 1 is everyone."""
        return bool(self.tags) or (self.value is not None and self.value != 1)


def parse_phase(
    *, value: float | Decimal | None = None, with_tags: Sequence[str] | None = None
) -> Phase:
    """The phase that a value or tags make (section 7, third bullet).

    A value is a fraction from 0.0 to 1.0, or a whole number of devices from 2 on; a float counts
    as the decimal number that it is written as. Tags are 1 to 32. Raises BadUserInput, for neither
    too: a client that lost the value must not open a release to everyone.
    """
    path: tuple[str, ...] = ("input", "phase")
    if value is not None and with_tags is not None:
        raise BadUserInput(f"{label(path)} takes a value or tags, not both.", path=path)
    if value is not None:
        return Phase(_phase_value(value, path=(*path, "value")))
    if with_tags is None:
        raise BadUserInput(
            f"{label(path)} takes a value or tags, and has neither; leave it out or send null for "
            "everyone.",
            path=path,
        )
    path = ("input", "phase", "tags")
    if not with_tags:
        raise BadUserInput(f"{label(path)} must hold 1 to 32 tags, such as 'beta'.", path=path)
    return Phase(tags=frozenset(text.tags(with_tags, path=path)))


def phase_limit(value: Decimal, devices: int) -> int | None:
    """How many devices of a cohort of this size a phase's value lets in; None is everyone.

    A fraction is ⌊value × devices⌋ in exact arithmetic, at least 1 when it is above 0.
    """
    if value == 1:
        return None
    if value > 1:
        return int(value)
    numerator, denominator = value.as_integer_ratio()
    return max(numerator * devices // denominator, 1 if value else 0)


def check_halt_after(halt_after: int | None) -> None:
    """Promise that a phase may halt after so many failures: 1 or more, or never (None)."""
    if halt_after is not None and halt_after < 1:
        path = ("input", "haltAfter")
        raise BadUserInput(f"{label(path)} must be 1 or more failures, or null.", path=path)


def _phase_value(value: float | Decimal, *, path: Sequence[str]) -> Decimal:
    number = Decimal(str(value))
    fits = number.is_finite() and (
        0 <= number <= 1 or (2 <= number <= MAX_PHASE_DEVICES and number == int(number))
    )
    if not fits:
        raise BadUserInput(
            f"{label(path)} must be a fraction from 0.0 to 1.0, such as 0.25, or a whole number of "
            f"devices from 2 to {MAX_PHASE_DEVICES}, such as 50.",
            path=path,
        )
    return number
