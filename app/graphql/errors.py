"""What went wrong, as clients see it: typed in payloads, with a code in top-level errors."""

from __future__ import annotations

import logging
from enum import Enum
from typing import Any, ClassVar

import strawberry
from graphql import GraphQLError

from app import models
from app.graphql import answers
from app.graphql.context import Context, Info
from app.graphql.fields import derived, edge, plain
from app.graphql.node import Node, find_by_name
from app.graphql.rollout import Impact
from app.graphql.scalars import BigInt
from app.graphql.types import Binary, Release
from app.rules import binary as rules
from app.rules import errors, failures
from app.rules.access import Role
from app.rules.facts import camel
from app.rules.prn import Kind
from app.rules.refusal import BinderyError

log = logging.getLogger("bindery.graphql")
LONGEST_MESSAGE = 1_000
"""Characters of a message about a document or a variable."""

REASONS: tuple[type[BinderyError], ...] = tuple(
    found
    for page in (errors, failures)
    for found in vars(page).values()
    if isinstance(found, type) and found.__module__ == page.__name__ and "code" in vars(found)
)
"""Every reason of a refusal that has a code of its own, in the order of the two pages."""

_DESCRIPTIONS = {found.code: (found.__doc__ or "").splitlines()[0] for found in REASONS} | {
    "NOT_FOUND": "No such thing in this organization."
}

_codes: Any = Enum("ErrorCode", {code: code for code in sorted(_DESCRIPTIONS)})  # type: ignore[misc]
ErrorCode: Any = strawberry.enum(_codes, description="Why something was refused.")
for _value in ErrorCode.__strawberry_definition__.values:
    _value.description = _DESCRIPTIONS[_value.name]


class Refusal:
    """A refusal as data: GraphQL raises an exception that stands in an answer."""

    def __init__(self, error: BinderyError) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.error, name)


@strawberry.interface(description="Why a mutation was refused; a type of its own adds its facts.")
class UserError:
    """`refusals` are the exceptions that a type stands for."""

    refusals: ClassVar[tuple[type[BinderyError], ...]] = ()

    message: str = plain("What is wrong, with which thing, and what would be right.")

    @derived("The reason, for programs.")
    def code(self, root: strawberry.Parent[BinderyError]) -> ErrorCode:
        return ErrorCode[root.code]

    @derived("The input field concerned, outermost first.")
    def path(self, root: strawberry.Parent[BinderyError]) -> list[str] | None:
        return list(root.path) or None

    @classmethod
    def is_type_of(cls, source: Any, _info: Any) -> bool:
        return isinstance(source, Refusal) and isinstance(source.error, cls.refusals)


@strawberry.type(description="The present state does not allow this move.")
class InvalidTransitionError(UserError):
    refusals = (errors.InvalidTransition,)

    state: rules.State = plain("The present state.")
    available_transitions: list[rules.Move] = plain("The moves that a caller can cause from it.")


@strawberry.type(description="The race was lost, or the expected revision is not the present one.")
class ConflictError(UserError):
    refusals = (errors.Conflict,)

    state: rules.State = plain("The present state.")
    revision: int = plain("The present revision.")
    available_transitions: list[rules.Move] = plain("The moves that a caller can cause from it.")


@strawberry.type(description="The upload is not complete.")
class PartsIncompleteError(UserError):
    refusals = (errors.PartsIncomplete,)

    missing: list[int] = plain("The first hundred indexes that lack a valid part.")

    @derived("The binary's size, in bytes.")
    def declared_size(self, root: strawberry.Parent[errors.PartsIncomplete]) -> BigInt:
        return BigInt(root.declared_size)

    @derived("The bytes of its valid parts.")
    def stored_size(self, root: strawberry.Parent[errors.PartsIncomplete]) -> BigInt:
        return BigInt(root.stored_size)


@strawberry.type(description="The organization's parts would take more bytes than it may have.")
class QuotaExceededError(UserError):
    refusals = (failures.QuotaExceeded,)

    @derived("The bytes that it may have.")
    def limit(self, root: strawberry.Parent[failures.QuotaExceeded]) -> BigInt:
        return BigInt(root.limit)

    @derived("The bytes that its parts take, stored or not yet.")
    def used(self, root: strawberry.Parent[failures.QuotaExceeded]) -> BigInt:
        return BigInt(root.used)


@strawberry.type(description="A unique value is taken.")
class AlreadyExistsError(UserError):
    refusals = (errors.AlreadyExists,)

    existing_id: strawberry.ID = plain("The id of what has it.")

    @edge("What has it.")
    async def existing(
        self, root: strawberry.Parent[errors.AlreadyExists], info: Info
    ) -> Node | None:
        found: Node | None = await find_by_name(info, root.existing_id, "existingId")
        return found


@strawberry.type(description="The API key's role may not do this.")
class ForbiddenError(UserError):
    refusals = (errors.Forbidden,)

    role: Role = plain("The role that it takes.")


@strawberry.type(description="One artifact version can't be in the bundle.")
class ArtifactVersionRefusedError(UserError):
    refusals = (errors.VersionRefused,)

    index: int = plain("Its place in the list, from 0.")


@strawberry.type(description="The bundle is affected by destroyed binaries.")
class BundleAffectedError(UserError):
    refusals = (errors.BundleAffected,)

    @edge("The destroyed binaries.")
    async def binaries(
        self, root: strawberry.Parent[errors.BundleAffected], info: Info
    ) -> list[Binary]:
        return [await info.context.find(models.Binary, id) for id in root.binary_ids]


@strawberry.type(description="The edit would break the graph of the cohort's releases.")
class ReleaseGraphError(UserError):
    refusals = (errors.ReleaseGraph,)

    rule: str = plain("Which rule it would break.")


@strawberry.type(description="A scheduled or phased release is in the way.")
class ReleaseConstrainedError(UserError):
    refusals = (errors.ReleaseConstrained,)

    rule: str = plain("Which rule it would break.")


@strawberry.type(description="The public key can't be used.")
class BadPublicKeyError(UserError):
    refusals = (errors.BadPublicKey,)

    reason: str = plain("What is wrong with it.")


@strawberry.type(description="Releases would be newly affected, and nobody accepted that.")
class ImpactNotAcceptedError(UserError):
    refusals = (errors.ImpactNotAccepted,)

    @edge("The impact, with the token that accepts it.")
    async def impact(self, root: strawberry.Parent[errors.ImpactNotAccepted], info: Info) -> Impact:
        ids = [info.context.uuid(name, Kind.BINARY) for name in root.binary_ids]
        return await answers.impact_of(info.context, ids)  # type: ignore[return-value]

    @edge("The releases that would be newly affected.")
    async def releases(
        self, root: strawberry.Parent[errors.ImpactNotAccepted], info: Info
    ) -> list[Release]:
        return [await info.context.find(models.Release, id) for id in root.release_ids]


@strawberry.type(description="The impact is no longer the accepted one.")
class ImpactChangedError(UserError):
    refusals = (errors.ImpactChanged,)

    @edge("Releases that were not accepted, or not with their present flags.")
    async def added(
        self, root: strawberry.Parent[errors.ImpactChanged], info: Info
    ) -> list[Release]:
        return [await info.context.find(models.Release, id) for id in root.added]

    @edge("Accepted releases that are affected no longer.")
    async def removed(
        self, root: strawberry.Parent[errors.ImpactChanged], info: Info
    ) -> list[Release]:
        return [await info.context.find(models.Release, id) for id in root.removed]


_TYPED: tuple[type[Any], ...] = (
    InvalidTransitionError,
    ConflictError,
    PartsIncompleteError,
    QuotaExceededError,
    AlreadyExistsError,
    ForbiddenError,
    ArtifactVersionRefusedError,
    BundleAffectedError,
    ReleaseGraphError,
    ReleaseConstrainedError,
    BadPublicKeyError,
    ImpactNotAcceptedError,
    ImpactChangedError,
)


@strawberry.type(description="A refusal whose code, message and path say all there is.")
class InputError(UserError):
    """Stands for every refusal that has no type of its own."""

    @classmethod
    def is_type_of(cls, source: Any, _info: Any) -> bool:
        return isinstance(source, Refusal) and not any(
            isinstance(source.error, typed.refusals) for typed in _TYPED
        )


ERRORS: tuple[type[Any], ...] = (*_TYPED, InputError)


def told(error: GraphQLError, context: Context | None) -> GraphQLError:
    """A top-level error as it leaves the server: a code, a request id, and no secrets."""
    request_id = context.actor.request_id if context is not None else ""
    cause = error.original_error
    if isinstance(cause, BinderyError):
        facts = {camel(name): value for name, value in cause.facts.items()}
        extensions = {"code": cause.code, **facts}
        if cause.path:
            extensions["argument"] = ".".join(cause.path)
        message = cause.message
    elif cause is not None and not isinstance(cause, GraphQLError):
        log.error("request %s failed", request_id, exc_info=cause)
        message, extensions = (
            "The server failed; tell its operator the request id.",
            {"code": "INTERNAL_SERVER_ERROR"},
        )
    else:
        message = error.message
        if len(message) > LONGEST_MESSAGE:
            # It repeats what was sent, which may be all that a request can hold.
            message = f"{message[:LONGEST_MESSAGE]}…"
        default = "GRAPHQL_VALIDATION_FAILED" if error.path is None else "BAD_USER_INPUT"
        if message.startswith("Syntax Error"):
            default = "GRAPHQL_PARSE_FAILED"
        extensions = {"code": default, **(error.extensions or {})}
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions={**extensions, "requestId": request_id},
    )
