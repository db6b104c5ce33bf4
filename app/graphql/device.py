"""Mutations of devices: those of operators, and the device's own poll and report."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import strawberry

from app.actions import device as actions
from app.actions import poll
from app.graphql.answers import UpdateTold, update_of
from app.graphql.context import Info
from app.graphql.mutation import MutationInput, given, maybe, mutation, optional
from app.graphql.rollout import DeviceUpdate
from app.graphql.types import Device
from app.rules.prn import Kind


def _id(info: Info, name: str) -> UUID:
    return info.context.uuid(name, Kind.DEVICE, "input", "deviceId")


def _cohort(info: Info, name: str | None, *path: str) -> UUID | None:
    return None if name is None else info.context.uuid(name, Kind.COHORT, *path)


@strawberry.input(description="A device to create.")
class CreateDeviceInput(MutationInput):
    """What `createDevice` takes."""

    product_id: strawberry.ID = given("The kind of device that it is.")
    identifier: str = given("Unique in the organization; 1 to 128 characters.")
    cohort_id: strawberry.ID | None = optional("Its cohort, one of its product's.")
    tags: list[str] | None = optional("At most 32 tags of at most 64 characters.")


@mutation("Creates a device.", device=(Device, "The device."))
async def create_device(info: Info, input: CreateDeviceInput) -> Any:
    new = actions.NewDevice(
        identifier=input.identifier,
        cohort_id=_cohort(info, input.cohort_id, "input", "cohortId"),
        tags=input.tags or (),
    )
    product_id = info.context.uuid(input.product_id, Kind.PRODUCT, "input", "productId")
    created = await actions.create_devices(
        info.context.actor, product_id, devices=[new], several=False
    )
    return created[0]


@strawberry.input(description="One of several devices to create.")
class NewDeviceInput:
    """A device in `createDevices`."""

    identifier: str = given("Unique in the organization; 1 to 128 characters.")
    cohort_id: strawberry.ID | None = optional("Its cohort, one of the product's.")
    tags: list[str] | None = optional("At most 32 tags of at most 64 characters.")


@strawberry.input(description="Devices to create, all or none.")
class CreateDevicesInput(MutationInput):
    """What `createDevices` takes."""

    product_id: strawberry.ID = given("The kind of device that they are.")
    devices: list[NewDeviceInput] = given("At most 1,000.")


@mutation("Creates devices of one product, all or none.", devices=(list[Device], "The devices."))
async def create_devices(info: Info, input: CreateDevicesInput) -> Any:
    devices = [
        actions.NewDevice(
            identifier=new.identifier,
            cohort_id=_cohort(info, new.cohort_id, "input", "devices", str(index), "cohortId"),
            tags=new.tags or (),
        )
        for index, new in enumerate(input.devices)
    ]
    product_id = info.context.uuid(input.product_id, Kind.PRODUCT, "input", "productId")
    return await actions.create_devices(info.context.actor, product_id, devices=devices)


@strawberry.input(description="A change of a device.")
class UpdateDeviceInput(MutationInput):
    """What `updateDevice` takes."""

    device_id: strawberry.ID = given("Which device.")
    cohort_id: strawberry.Maybe[strawberry.ID | None] = optional(
        "Its new cohort; null takes it out. Leaving a cohort ends its claims and its pin."
    )
    tags: strawberry.Maybe[list[str] | None] = maybe("Its new tags.")


@mutation("Changes a device.", device=(Device, "The device."))
async def update_device(info: Info, input: UpdateDeviceInput) -> Any:
    fields: dict[str, Any] = {}
    if input.cohort_id is not None:
        fields["cohort_id"] = _cohort(info, input.cohort_id.value, "input", "cohortId")
    if input.tags is not None:
        fields["tags"] = input.tags.value
    return await actions.update_device(
        info.context.actor,
        _id(info, input.device_id),
        change=actions.DeviceChange(given=frozenset(fields), **fields),
    )


@strawberry.input(description="A device to delete.")
class DeleteDeviceInput(MutationInput):
    """What `deleteDevice` takes."""

    device_id: strawberry.ID = given("Which device.")


@mutation(
    "Deletes a device, its claims and its own API keys.",
    deleted_device_id=(strawberry.ID, "The id that is no more."),
)
async def delete_device(info: Info, input: DeleteDeviceInput) -> Any:
    await actions.delete_device(info.context.actor, _id(info, input.device_id))
    return input.device_id


@strawberry.input(description="A device to quarantine.")
class QuarantineDeviceInput(MutationInput):
    """What `quarantineDevice` takes."""

    device_id: strawberry.ID = given("Which device.")


@mutation("Quarantines a device: it gets no update.", device=(Device, "The device."))
async def quarantine_device(info: Info, input: QuarantineDeviceInput) -> Any:
    return await actions.quarantine_device(info.context.actor, _id(info, input.device_id))


@strawberry.input(description="A device to release from quarantine.")
class ReleaseDeviceFromQuarantineInput(MutationInput):
    """What `releaseDeviceFromQuarantine` takes."""

    device_id: strawberry.ID = given("Which device.")


@mutation("Ends a device's quarantine.", device=(Device, "The device."))
async def release_device_from_quarantine(
    info: Info, input: ReleaseDeviceFromQuarantineInput
) -> Any:
    return await actions.release_device_from_quarantine(
        info.context.actor, _id(info, input.device_id)
    )


@strawberry.input(description="A device to pin.")
class PinDeviceInput(MutationInput):
    """What `pinDevice` takes."""

    device_id: strawberry.ID = given("Which device.")
    release_id: strawberry.ID = given("The one release that it may get, of its cohort.")


@mutation("Pins a device to one release of its cohort.", device=(Device, "The device."))
async def pin_device(info: Info, input: PinDeviceInput) -> Any:
    release_id = info.context.uuid(input.release_id, Kind.RELEASE, "input", "releaseId")
    return await actions.pin_device(info.context.actor, _id(info, input.device_id), release_id)


@strawberry.input(description="A device to unpin.")
class UnpinDeviceInput(MutationInput):
    """What `unpinDevice` takes."""

    device_id: strawberry.ID = given("Which device.")


@mutation("Takes a device's pin away.", device=(Device, "The device."))
async def unpin_device(info: Info, input: UnpinDeviceInput) -> Any:
    return await actions.unpin_device(info.context.actor, _id(info, input.device_id))


@strawberry.input(description="What a device reports to run; what can't be used is ignored.")
class ReportedStateInput:
    """A device's report."""

    release_id: strawberry.ID | None = optional("The release.")
    bundle_id: strawberry.ID | None = optional("The bundle.")
    version: str | None = optional("The semantic version.")

    def read(self) -> poll.Reported:
        """The report as the actions take it."""
        return poll.Reported(
            release_id=self.release_id, bundle_id=self.bundle_id, version=self.version
        )


@strawberry.input(description="A device's report.")
class ReportDeviceStateInput(MutationInput):
    """What `reportDeviceState` takes."""

    device_id: strawberry.ID = given("Which device.")
    reported: ReportedStateInput = given("What it runs, or with FAILED what it could not install.")
    outcome: poll.Outcome | None = optional("What became of an installation, if there was one.")
    message: str = given("Free text, at most 1,024 characters.", default="")


@mutation(
    "Takes a device's report; a failed installation is counted for the release.",
    device=(Device, "The device."),
)
async def report_device_state(info: Info, input: ReportDeviceStateInput) -> Any:
    return await poll.report_device_state(
        info.context.actor,
        _id(info, input.device_id),
        reported=input.reported.read(),
        outcome=input.outcome,
        message=input.message,
    )


@strawberry.input(description="A device's poll.")
class ClaimUpdateInput(MutationInput):
    """What `claimUpdate` takes."""

    device_id: strawberry.ID = given("Which device.")
    reported: ReportedStateInput | None = optional(
        "What it runs; left out, what it last reported counts."
    )


@mutation(
    "A device's poll: notes what it reports, answers its update, and claims that release.",
    update=(DeviceUpdate, "The answer."),
)
async def claim_update(info: Info, input: ClaimUpdateInput) -> Any:
    device: Any
    answer: Any
    device, answer = await poll.claim_update(
        info.context.actor,
        _id(info, input.device_id),
        reported=input.reported.read() if input.reported else None,
    )
    if answer is None:
        # A replay of the poll is answered anew; it has its claim.
        return await update_of(info.context, device.id)
    return UpdateTold(device.organization_id, answer)


MUTATIONS = (
    create_device,
    create_devices,
    update_device,
    delete_device,
    quarantine_device,
    release_device_from_quarantine,
    pin_device,
    unpin_device,
    report_device_state,
    claim_update,
)
