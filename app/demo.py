"""Loads the demo data set: a description in JSON, and every row of it made by an action.

Each step first looks whether an earlier load that was cut off has made the row already, so that
loading again goes on from there. The key comes last: an organization that has it is complete.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import aiofiles
from nacl.signing import SigningKey as PrivateKey

from app.actions import (
    access,
    artifact,
    binary,
    bundle,
    content,
    destruction,
    device,
    part,
    poll,
    product,
    release,
    signature,
)
from app.actions.unit import Actor, prn
from app.models import (
    ApiKey,
    Artifact,
    ArtifactVersion,
    Binary,
    BinaryPart,
    BinarySignature,
    Bundle,
    Cohort,
    Device,
    Organization,
    Owned,
    Product,
    Release,
    SigningKey,
)
from app.rules.access import Role
from app.rules.binary import State, VerificationStatus
from app.rules.errors import InUse
from app.rules.failures import StorageDegraded
from app.rules.part import MIN_PART_SIZE, PartState
from app.rules.rollout import NewPhase, NewRelease
from app.server import Server
from app.worker.worker import Worker

ORGANIZATION: Final = "Demo"
KEY_NAME: Final = "demo"
_LOOK_AGAIN_SECONDS: Final = 0.02

Told = dict[str, Any]
Row = TypeVar("Row", bound=Owned)


async def load(server: Server) -> str | None:
    """Loads the demo data set, or what is missing of it; None if it was there.

    Gives the secret of a fresh ADMIN key. The server is running; where it has no worker, one
    works for as long as this takes. Raises what the actions raise, StorageDegraded included
    where content can't be read back; then loading again goes on.
    """
    organization = await access.ensure_organization(ORGANIZATION)
    marker = ApiKey.filter(organization_id=organization.id, name=KEY_NAME, role=Role.ADMIN)
    if await marker.exists():
        return None
    folder = _folder()
    async with _verifying(server):
        await _Load(server, organization, folder).all(_read(folder / "demo.json"))
    return await new_key()


async def new_key() -> str:
    """The secret of a further ADMIN key of the demo: a secret is shown once, and gets lost."""
    organization = await access.ensure_organization(ORGANIZATION)
    _, secret = await access.create_api_key(_actor(organization), name=KEY_NAME, role=Role.ADMIN)
    assert secret is not None  # Only a repeated request gets none.
    return secret


def _actor(organization: Organization) -> Actor:
    return Actor(organization_id=organization.id, role=Role.ADMIN)


def _folder() -> Path:
    """Where the data set is: in the package that was installed, or else in the checkout."""
    packed = Path(__file__).with_name("demo_data")
    return packed if packed.is_dir() else Path(__file__).parents[1] / "fixtures" / "demo"


def _read(path: Path) -> Told:
    told: Told = json.loads(path.read_text(encoding="utf-8"))
    return told


async def _bytes(folder: Path, told: Told) -> bytes:
    """The bytes of a content: those of a file, or as many as wanted that follow from a seed."""
    if "file" in told:
        async with aiofiles.open(folder / told["file"], "rb") as file:
            content: bytes = await file.read()
            return content
    seed: str = told["seed"]
    return hashlib.shake_256(seed.encode()).digest(told["size"])


@contextlib.asynccontextmanager
async def _verifying(server: Server) -> AsyncIterator[None]:
    """Has a worker, the server's own or another, verify what is queued in this block."""
    if server.settings.worker:
        yield
        return
    worker = Worker(server)
    working = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await working


class _Load:
    """One load: what it has made or found so far, by the names that the description uses."""

    def __init__(self, server: Server, organization: Organization, folder: Path) -> None:
        self._server = server
        self._actor = _actor(organization)
        self._folder = folder
        self._signers: dict[str, tuple[UUID, PrivateKey]] = {}
        self._versions: dict[str, UUID] = {}
        self._bundles: dict[str, Bundle] = {}
        self._doomed: list[UUID] = []

    async def all(self, told: Told) -> None:
        """Everything but the key. What is to be destroyed was in use first, so that comes last."""
        for one in told["artifacts"]:
            await self._artifact(one)
        for one in told["bundles"]:
            await self._bundle(one)
        for one in told["products"]:
            await self._product(one)
        for binary_id in self._doomed:
            await self._destroy(binary_id)

    async def _found(self, model: type[Row], **values: Any) -> Row | None:
        """The newest row of the organization with these values."""
        rows = model.filter(organization_id=self._actor.organization_id, **values)
        return await rows.order_by("-id").first()

    async def _artifact(self, told: Told) -> None:
        name = told["name"]
        made = await self._found(Artifact, name=name) or await artifact.create_artifact(
            self._actor, name=name, description=told["description"]
        )
        for one in told["versions"]:
            await self._version(made, one)

    async def _version(self, of: Artifact, told: Told) -> None:
        made = await self._found(
            ArtifactVersion, artifact_id=of.id, version=told["version"]
        ) or await artifact.create_artifact_version(
            self._actor, of.id, version=told["version"], description=told["description"]
        )
        self._versions[f"{of.name} {made.version}"] = made.id
        for one in told["binaries"]:
            await self._binary(made.id, one)

    async def _binary(self, version_id: UUID, told: Told) -> None:
        """Brings a binary from the state that it is in to the one that it is to have."""
        data = await _bytes(self._folder, told["content"])
        row = await self._found(
            Binary, artifact_version_id=version_id, target=told["target"]
        ) or await self._new_binary(version_id, told, data)
        goal = State(told["state"])
        if row.state is State.UPLOADABLE:
            await self._upload(row, data, parts=told.get("parts_uploaded"))
            if goal is not State.UPLOADABLE:
                row = await binary.finish_binary_upload(
                    self._actor, row.id, start_hashing=goal is not State.HASHABLE
                )
        if row.state is State.HASHING:
            row = await self._verified(row)
        if row.state is not State.DESTROYED:
            for name in told.get("signed_by", ()):
                await self._sign(row, name)
        if goal is State.DESTROYED:
            self._doomed.append(row.id)

    async def _new_binary(self, version_id: UUID, told: Told, data: bytes) -> Binary:
        declared = await _bytes(self._folder, told["hash_of"]) if "hash_of" in told else data
        pieces = [data[at : at + MIN_PART_SIZE] for at in range(0, len(data), MIN_PART_SIZE)]
        return await binary.create_binary(
            self._actor,
            version_id,
            target_=told["target"],
            hash=hashlib.sha256(declared).hexdigest(),
            size=len(data),
            description=told["description"],
            custom_metadata=told.get("custom_metadata"),
            parts=[
                part.NewPart(index, len(piece), hashlib.sha256(piece).hexdigest())
                for index, piece in enumerate(pieces, start=1)
            ],
        )

    async def _upload(self, row: Binary, data: bytes, *, parts: int | None) -> None:
        """Stores the first parts of an upload (None: all) that are not stored yet."""
        registered = BinaryPart.filter(organization_id=row.organization_id, binary_id=row.id)
        for one in (await registered.order_by("index"))[:parts]:
            if one.state is not PartState.VALID:
                start = (one.index - 1) * MIN_PART_SIZE
                registration = part.Registration(row.organization_id, row.id, one.id, row.epoch)
                await part.receive(
                    self._server.store, registration, _chunk(data[start : start + one.size])
                )

    async def _verified(self, row: Binary) -> Binary:
        """Waits for the end of a verification, good or bad. Raises StorageDegraded."""
        self._server.work.set()
        while row.state is State.HASHING:
            if row.verification_status is VerificationStatus.FAILED:
                return row
            if row.verification_status is VerificationStatus.RETRYING:
                raise StorageDegraded(
                    f"The demo's content can't be read back. {row.verification_error}"
                )
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            row = await Binary.get(organization_id=row.organization_id, id=row.id)
        return row

    async def _sign(self, row: Binary, name: str) -> None:
        signed = await self._found(BinarySignature, binary_id=row.id, signing_key__name=name)
        if signed is None:
            key_id, key = await self._signer(name)
            await signature.sign_binary(
                self._actor, row.id, key_id, signature_=key.sign(row.hash.encode()).signature.hex()
            )

    async def _signer(self, name: str) -> tuple[UUID, PrivateKey]:
        """A signing key whose private half is in this process alone, and is gone with the load."""
        if name not in self._signers:
            await self._retire(name)
            key = PrivateKey.generate()
            public = base64.b64encode(bytes(key.verify_key)).decode()
            made = await signature.create_signing_key(self._actor, name=name, public_key=public)
            self._signers[name] = made.id, key
        return self._signers[name]

    async def _retire(self, name: str) -> None:
        """Retires the key of a load that was cut off: nobody can sign with it any more."""
        left = await self._found(SigningKey, name=name, retired=False)
        if left is not None:
            try:
                await signature.delete_signing_key(self._actor, left.id)
            except InUse:
                await signature.retire_signing_key(self._actor, left.id)

    async def _bundle(self, told: Told) -> None:
        name = told["name"]
        self._bundles[name] = await self._found(Bundle, name=name) or await bundle.create_bundle(
            self._actor,
            name=name,
            artifact_version_ids=[self._versions[one] for one in told["versions"]],
        )

    async def _product(self, told: Told) -> None:
        name = told["name"]
        made = await self._found(Product, name=name) or await product.create_product(
            self._actor, name=name, target_=told["target"]
        )
        cohorts: dict[str | None, UUID] = {}
        releases: dict[str, Release] = {}
        for one in told["cohorts"]:
            cohort = await self._found(
                Cohort, product_id=made.id, name=one["name"]
            ) or await product.create_cohort(
                self._actor, made.id, name=one["name"], description=one["description"]
            )
            cohorts[one["name"]] = cohort.id
            releases |= await self._releases(cohort, one["releases"])
        await self._devices(made, told["devices"], cohorts)
        for one in told["devices"]:
            await self._device(one, releases)

    async def _releases(self, cohort: Cohort, told: list[Told]) -> dict[str, Release]:
        made: dict[str, Release] = {}
        for one in told:
            name = one["name"]
            made[name] = await self._found(
                Release, cohort_id=cohort.id, name=name
            ) or await release.create_release(
                self._actor,
                cohort.id,
                self._bundles[one["bundle"]].id,
                name=name,
                description=one["description"],
                new=_new_release(one, following=made.get(one.get("next", ""))),
            )
        past = [made[one["name"]].id for one in told if one.get("archived")]
        if past:
            await release.archive_releases(self._actor, past)
        return made

    async def _devices(
        self, of: Product, told: list[Told], cohorts: dict[str | None, UUID]
    ) -> None:
        # All of a product's devices or none are made at once, so one of them tells.
        if await self._found(Device, product_id=of.id) is None:
            new = [
                device.NewDevice(
                    identifier=one["identifier"],
                    cohort_id=cohorts.get(one.get("cohort")),
                    tags=one["tags"],
                )
                for one in told
            ]
            await device.create_devices(self._actor, of.id, devices=new)

    async def _device(self, told: Told, releases: dict[str, Release]) -> None:
        """Has a device report what it runs, and puts it where it is held back."""
        row = await self._found(Device, identifier=told["identifier"])
        assert row is not None
        if row.last_seen_at is None and "reports" in told:
            reported = self._reported(told["reports"], releases)
            if told.get("polls"):
                await poll.claim_update(self._actor, row.id, reported=reported)
            else:
                await poll.report_device_state(self._actor, row.id, reported=reported)
        if told.get("quarantined"):
            await device.quarantine_device(self._actor, row.id)
        if "pinned" in told:
            await device.pin_device(self._actor, row.id, releases[told["pinned"]].id)

    def _reported(self, told: Told, releases: dict[str, Release]) -> poll.Reported:
        return poll.Reported(
            release_id=prn(releases[told["release"]]) if "release" in told else None,
            bundle_id=prn(self._bundles[told["bundle"]]) if "bundle" in told else None,
            version=told.get("version"),
        )

    async def _destroy(self, binary_id: UUID) -> None:
        row = await self._found(Binary, id=binary_id)
        if row is not None and row.state is not State.DESTROYED:
            await destruction.destroy_binaries(self._actor, [binary_id], key=self._server.secret)
        await content.erase_garbage(self._server.store, binary_id=binary_id)


def _new_release(told: Told, *, following: Release | None) -> NewRelease:
    return NewRelease(
        next_release_id=following.id if following else None,
        required=told.get("required", False),
        disabled=told.get("disabled", False),
        phase=NewPhase(value=told["phase"]) if "phase" in told else None,
        halt_after=told.get("halt_after"),
        version=told["version"],
        version_requirement=told.get("version_requirement"),
    )


async def _chunk(data: bytes) -> AsyncIterator[bytes]:
    yield data
