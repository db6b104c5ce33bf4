"""Writes about devices by operators: what they are, where they belong, what holds them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.actions.product import open_product
from app.actions.unit import Unit, action, prn
from app.models import ApiKey, Cohort, Device, Product, Release, ReleaseClaim
from app.rules import text
from app.rules.access import Role
from app.rules.errors import BadUserInput

MAX_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDevice:
    """A device as it was sent."""

    identifier: str
    cohort_id: UUID | None = None
    tags: Sequence[str] = ()


@action(Role.WRITE)
async def create_devices(
    unit: Unit, product_id: UUID, *, devices: Sequence[NewDevice], several: bool = True
) -> list[Device]:
    """Creates up to 1,000 devices of a product, all or none.

    Raises BadUserInput, AlreadyExists, NotFound, ProductArchived; with `several`, their paths
    name the device's place in the list.
    """
    if not 1 <= len(devices) <= MAX_AT_ONCE:
        raise BadUserInput(f"Send 1 to {MAX_AT_ONCE} devices.", path=("input", "devices"))
    product = await open_product(unit, product_id)
    rows = []
    for index, new in enumerate(devices):
        path = ("input", "devices", str(index)) if several else ("input",)
        rows.append(await _new_device(unit, product, new, path=path))
    await _refuse_known(unit, rows, several=several)
    # Cohorts count their devices: in one order, so that no two callers wait for each other.
    in_order = sorted(rows, key=lambda row: str(row.cohort_id))
    await Device.bulk_create(in_order, using_db=unit.connection)
    for device in rows:
        await unit.record(
            "device.create",
            device,
            after={
                "identifier": device.identifier,
                "product": prn(product),
                "cohort_id": device.cohort_id,
                "tags": device.tags,
            },
        )
    return rows


async def _new_device(
    unit: Unit, product: Product, new: NewDevice, *, path: tuple[str, ...]
) -> Device:
    if new.cohort_id is not None:
        await _check_cohort(unit, product.id, new.cohort_id, path=(*path, "cohortId"))
    return Device(
        organization_id=unit.organization_id,
        product_id=product.id,
        cohort_id=new.cohort_id,
        identifier=text.identifier(new.identifier, path=(*path, "identifier")),
        tags=text.tags(new.tags, path=(*path, "tags")),
        pinned_release_id=None,
        reported_release_id=None,
        reported_bundle_id=None,
    )


async def _check_cohort(
    unit: Unit, product_id: UUID, cohort_id: UUID, *, path: tuple[str, ...]
) -> None:
    cohort = await unit.find(Cohort, cohort_id, path=path)
    if cohort.product_id != product_id:
        raise BadUserInput(
            "The cohort is of another product; name one of the device's own product.", path=path
        )


async def _refuse_known(unit: Unit, rows: Sequence[Device], *, several: bool) -> None:
    places: dict[str, int] = {}
    for index, device in enumerate(rows):
        if places.setdefault(device.identifier, index) != index:
            raise BadUserInput(
                "The identifier is in the list twice.",
                path=("input", "devices", str(index), "identifier"),
            )
    taken = await Device.filter(
        organization_id=unit.organization_id, identifier__in=list(places)
    ).first()
    if taken is not None:
        place = ("devices", str(places[taken.identifier])) if several else ()
        await unit.refuse_taken(
            Device,
            path=("input", *place, "identifier"),
            what="a device with this identifier",
            id=taken.id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChange:
    """What to change of a device; a field that is not in `given` stays as it is."""

    given: frozenset[str]
    cohort_id: UUID | None = None
    tags: Sequence[str] = ()


@action(Role.WRITE)
async def update_device(unit: Unit, device_id: UUID, *, change: DeviceChange) -> Device:
    """Changes a device's tags, or its cohort; leaving a cohort ends its claims and its pin."""
    device = await held_device(unit, device_id)
    values: dict[str, Any] = {}
    if "tags" in change.given:
        values["tags"] = text.tags(change.tags)
    if "cohort_id" in change.given and change.cohort_id != device.cohort_id:
        if change.cohort_id is not None:
            await _check_cohort(
                unit, device.product_id, change.cohort_id, path=("input", "cohortId")
            )
        await _end_claims(unit, device_id)
        values |= {"cohort_id": change.cohort_id, "pinned_release_id": None}
    await unit.change("device.update", device, **values)
    return device


@action(Role.WRITE)
async def delete_device(unit: Unit, device_id: UUID) -> Device:
    """Deletes a device with its claims and its own API keys. Gives it as it was."""
    device = await held_device(unit, device_id)
    await _end_claims(unit, device_id)
    await _delete_keys(unit, device_id)
    facts = {
        "identifier": device.identifier,
        "product": device.product_id,
        "cohort_id": device.cohort_id,
    }
    await unit.record("device.delete", device, before=facts)
    await Device.filter(organization_id=unit.organization_id, id=device_id).delete()
    return device


@action(Role.WRITE)
async def quarantine_device(unit: Unit, device_id: UUID) -> Device:
    """Quarantines a device: it gets no update and is told so."""
    device = await held_device(unit, device_id)
    await unit.change("device.quarantine", device, quarantined=True)
    return device


@action(Role.WRITE)
async def release_device_from_quarantine(unit: Unit, device_id: UUID) -> Device:
    """Ends a device's quarantine."""
    device = await held_device(unit, device_id)
    await unit.change("device.release_from_quarantine", device, quarantined=False)
    return device


@action(Role.WRITE)
async def pin_device(unit: Unit, device_id: UUID, release_id: UUID) -> Device:
    """Pins a device to a release of its cohort: it gets that one and nothing else."""
    device = await held_device(unit, device_id)
    release = await unit.find(Release, release_id, path=("input", "releaseId"))
    if release.cohort_id != device.cohort_id:
        raise BadUserInput(
            "The release is of another cohort; pin a release of the device's own cohort.",
            path=("input", "releaseId"),
        )
    await unit.change("device.pin", device, pinned_release_id=release_id)
    return device


@action(Role.WRITE)
async def unpin_device(unit: Unit, device_id: UUID) -> Device:
    """Takes a device's pin away."""
    device = await held_device(unit, device_id)
    await unit.change("device.unpin", device, pinned_release_id=None)
    return device


async def held_device(unit: Unit, device_id: UUID) -> Device:
    """A device of this organization, locked. Raises NotFound."""
    return await unit.held(Device, device_id, path=("input", "deviceId"))


async def _end_claims(unit: Unit, device_id: UUID) -> None:
    await ReleaseClaim.filter(organization_id=unit.organization_id, device_id=device_id).delete()


async def _delete_keys(unit: Unit, device_id: UUID) -> None:
    """Deletes the API keys of a device; each had Events of its own, and this is its last."""
    own = ApiKey.filter(organization_id=unit.organization_id, device_id=device_id)
    keys = await own.order_by("id")
    await own.delete()
    # After the rows, so that whoever revokes one meanwhile is told of before.
    for key in keys:
        await unit.record("api_key.delete", key, before={"name": key.name, "role": key.role})
