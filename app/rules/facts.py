"""How facts are told to clients: names in camel case, ids as resource names, times in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from app.rules.prn import Kind, format_prn


def camel(name: str) -> str:
    """A Python name as clients spell it."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def told(facts: Mapping[str, Any], *, organization_id: UUID) -> dict[str, Any]:
    """Facts as a JSON object. A uuid's kind is read from its name, such as `next_release_id`."""
    return {camel(name): _value(name, value, organization_id) for name, value in facts.items()}


def _value(name: str, value: Any, organization_id: UUID) -> Any:
    if isinstance(value, UUID):
        return format_prn(_kind(name), organization_id, str(value))
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, list | tuple):
        return [_value(name, item, organization_id) for item in value]
    return value.value if isinstance(value, Enum) else value


def _kind(name: str) -> Kind:
    stem = name.removesuffix("s").removesuffix("_id")
    return max((kind for kind in Kind if stem.endswith(kind)), key=len)
