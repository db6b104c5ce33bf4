"""How a mutation is declared: one input, one action, one payload of its own.

The payload has what the action gives, and `errors`: whatever a caller can act on is there, and
not among the top-level errors (api, section 1).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry.types.field import StrawberryField

from app.actions.idempotency import Attempt
from app.graphql.context import Info
from app.graphql.errors import Refusal, UserError
from app.rules.errors import BadUserInput
from app.rules.facts import camel
from app.rules.refusal import BinderyError
from app.rules.text import name


@dataclass(frozen=True)
class Warned:
    """A result, and what the caller has to know of it."""

    result: Any
    warning: BinderyError


@strawberry.input(description="What every mutation takes.")
class MutationInput:
    """The base of every input."""

    idempotency_key: str | None = strawberry.field(
        default=None,
        description="A text of your choice, at most 255 characters. The same mutation with the"
        " same key and input is done once; kept for 24 hours.",
    )


def _attempt(mutation: str, input: MutationInput) -> Attempt | None:
    """The idempotency key of an input, with a hash of the rest. Raises BadUserInput."""
    key = input.idempotency_key
    if key is None:
        return None
    name(key, field="idempotencyKey", max_length=255)
    rest = {field: value for field, value in vars(input).items() if field != "idempotency_key"}
    # Not by orjson: it refuses what a text or a number may be before an action has judged it.
    written = json.dumps(rest, default=_written, sort_keys=True)
    return Attempt(mutation, key, hashlib.sha256(written.encode()).hexdigest())


def _written(value: Any) -> Any:
    """A value that JSON does not know. In a patch, to give null is not to give nothing."""
    if isinstance(value, strawberry.Some):
        return [value.value]
    return value.isoformat() if isinstance(value, datetime) else vars(value)


def _refuse_nulls(input: Any) -> None:
    """Refuses null where a patch's field has to keep a value. Raises BadUserInput."""
    for field in input.__strawberry_definition__.fields:
        given = getattr(input, field.python_name)
        if field.metadata.get("keeps") and given is not None and given.value is None:
            spelled = camel(field.python_name)
            raise BadUserInput(
                f"`{spelled}` can't be null; leave it out to keep it.", path=("input", spelled)
            )


def given(description: str, **options: Any) -> Any:
    """An input's field."""
    return strawberry.field(description=description, **options)


def optional(description: str) -> Any:
    """An input's field that may be left out, or null."""
    return strawberry.field(description=description, default=None)


def maybe(description: str) -> Any:
    """A patch's field that can't be null: left out, it keeps what there is."""
    return strawberry.field(description=description, default=None, metadata={"keeps": True})


def mutation(
    description: str, *, wakes: bool = False, **results: tuple[Any, str]
) -> Callable[[Callable[[Info, Any], Awaitable[Any]]], StrawberryField]:
    """Makes a mutation of a function from an input to the payload's results, in their order.

    `results` maps each field of the payload to its type and description. `wakes` says that the
    worker may have something to do afterwards.
    """

    def decorate(act: Callable[[Info, Any], Awaitable[Any]]) -> StrawberryField:
        payload = _payload(act.__name__, results)

        async def run(info: Info, input: Any) -> Any:
            info.context.renew()
            try:
                info.context.attempt = _attempt(act.__name__, input)
                _refuse_nulls(input)
                found = await act(info, input)
            except BinderyError as refusal:
                info.context.server.metrics.error("graphql", refusal.code)
                return payload(errors=[Refusal(refusal)])
            if wakes:
                info.context.server.work.set()
            warning = found.warning if isinstance(found, Warned) else None
            found = found.result if isinstance(found, Warned) else found
            values = found if len(results) > 1 else (found,)
            told = [] if warning is None else [Refusal(warning)]
            return payload(**dict(zip(results, values, strict=True)), errors=told)

        run.__name__ = act.__name__
        run.__module__ = act.__module__
        described = strawberry.argument(description="What to do it with.")
        run.__annotations__ = {
            "info": Info,
            "input": Annotated[act.__annotations__["input"], described],
            # Null where the server failed: what the request's other mutations did is told then.
            "return": payload | None,
        }
        field: StrawberryField = strawberry.mutation(resolver=run, description=description)
        return field

    return decorate


def _payload(mutation: str, results: dict[str, tuple[Any, str]]) -> Any:
    title = "".join(word.capitalize() for word in mutation.split("_"))
    namespace: dict[str, Any] = {
        "__annotations__": {
            **{field: type_ | None for field, (type_, _) in results.items()},
            "errors": list[UserError],
        },
        "errors": strawberry.field(description="Why nothing was done; empty where it was."),
    }
    for field, (_, text) in results.items():
        namespace[field] = strawberry.field(
            description=f"{text} Null where there are errors.", default=None
        )
    cls = type(f"{title}Payload", (), namespace)
    return strawberry.type(cls, description=f"What `{camel(mutation)}` did.")
