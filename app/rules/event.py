"""The kinds of events: what the audit record says was done, and what webhooks can ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.rules.errors import BadUserInput
from app.rules.text import label

TEST: Final = "webhook.test"
"""The one kind that a webhook gets because somebody asked for it, whatever its kinds are."""

KINDS: Final = (
    "api_key.create",
    "api_key.delete",
    "api_key.revoke",
    "artifact.create",
    "artifact.update",
    "artifact_version.create",
    "artifact_version.update",
    "binary.content_erased",
    "binary.content_health",
    "binary.create",
    "binary.delete",
    "binary.destroy",
    "binary.finish_upload",
    "binary.impact_accepted",
    "binary.part_lost",
    "binary.pass_verification",
    "binary.repair",
    "binary.reset",
    "binary.sign",
    "binary.start_hashing",
    "binary.update",
    "binary.upload_abandoned",
    "binary.verification_failed",
    "binary.verification_retrying",
    "binary_signature.create",
    "binary_signature.delete",
    "bundle.create",
    "cohort.create",
    "cohort.update",
    "device.claim",
    "device.create",
    "device.delete",
    "device.install_failed",
    "device.installed",
    "device.pin",
    "device.quarantine",
    "device.release_from_quarantine",
    "device.report",
    "device.unpin",
    "device.update",
    "organization.create",
    "organization.set_quota",
    "product.archive",
    "product.create",
    "product.unarchive",
    "product.update",
    "release.archive",
    "release.claim_lost",
    "release.create",
    "release.update",
    "signing_key.create",
    "signing_key.delete",
    "signing_key.rename",
    "signing_key.retire",
    "webhook.create",
    "webhook.delete",
    "webhook.redeliver",
    "webhook.rotate_secret",
    TEST,
    "webhook.update",
)


def kinds(values: Sequence[str] | None, *, path: Sequence[str]) -> list[str] | None:
    """The kinds that a webhook asks for, each once and in order; None stands for all of them.

    Raises BadUserInput: no kind at all, or one that there is not.
    """
    if values is None:
        return None
    if not values:
        raise BadUserInput(
            f"{label(path)} is empty, so nothing would ever be sent; leave it out for every kind.",
            path=path,
        )
    for place, value in enumerate(values):
        if value not in KINDS:
            where = (*path, str(place))
            raise BadUserInput(
                f"{label(where)} is no kind of event. The kinds are: {', '.join(KINDS)}.",
                path=where,
            )
    return sorted(set(values))
