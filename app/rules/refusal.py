"""The base of every refusal: a class is one reason and one code.

A class states its facts as keyword-only fields, so that a client decides without reading text.
Rules and actions raise; the doors translate. `http_status` is what the byte routes answer.
The classes are on two pages: `errors` (what the rules forbid) and `failures` (what goes wrong with
what they allow).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar


@dataclass(eq=False)
class BinderyError(Exception):
    """The base of every refusal. `path` names the input field concerned, outermost first."""

    code: ClassVar[str] = "INTERNAL_SERVER_ERROR"
    http_status: ClassVar[int] = 400

    message: str
    path: Sequence[str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        super().__init__(self.message)

    @property
    def facts(self) -> dict[str, Any]:
        """The machine-readable facts of this refusal: every field but the message and the path."""
        basics = {"message", "path"}
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in basics}
