"""Mutations of products and cohorts."""

from __future__ import annotations

from typing import Any

import strawberry

from app.actions import product as actions
from app.graphql.context import Info
from app.graphql.mutation import MutationInput, given, maybe, mutation
from app.graphql.types import Cohort, Product
from app.rules.prn import Kind


@strawberry.input(description="A product to create.")
class CreateProductInput(MutationInput):
    """What `createProduct` takes."""

    name: str = given("Unique in the organization; 1 to 128 characters.")
    target: str = given("The target triplet of its devices, such as `arm-linux-androidabi`.")


@mutation("Creates a product.", product=(Product, "The product."))
async def create_product(info: Info, input: CreateProductInput) -> Any:
    return await actions.create_product(info.context.actor, name=input.name, target_=input.target)


@strawberry.input(description="A change of a product.")
class UpdateProductInput(MutationInput):
    """What `updateProduct` takes."""

    product_id: strawberry.ID = given("Which product.")
    name: strawberry.Maybe[str | None] = maybe("Its new name.")
    target: strawberry.Maybe[str | None] = maybe(
        "Its new target; fixed once it has devices or releases."
    )


@mutation("Changes a product.", product=(Product, "The product."))
async def update_product(info: Info, input: UpdateProductInput) -> Any:
    return await actions.update_product(
        info.context.actor,
        info.context.uuid(input.product_id, Kind.PRODUCT, "input", "productId"),
        name=input.name.value if input.name else None,
        target_=input.target.value if input.target else None,
    )


@strawberry.input(description="A product to archive.")
class ArchiveProductInput(MutationInput):
    """What `archiveProduct` takes."""

    product_id: strawberry.ID = given("Which product.")
    archived: bool = given("False takes the archiving back.", default=True)


@mutation(
    "Archives a product: no new device, cohort or release, and no updates. Reversible.",
    product=(Product, "The product."),
)
async def archive_product(info: Info, input: ArchiveProductInput) -> Any:
    return await actions.archive_product(
        info.context.actor,
        info.context.uuid(input.product_id, Kind.PRODUCT, "input", "productId"),
        archived=input.archived,
    )


@strawberry.input(description="A cohort to create.")
class CreateCohortInput(MutationInput):
    """What `createCohort` takes."""

    product_id: strawberry.ID = given("The product of its devices.")
    name: str = given("Unique in the product; 1 to 128 characters.")
    description: str = given("Free text, at most 256 characters.", default="")


@mutation("Creates a cohort.", cohort=(Cohort, "The cohort."))
async def create_cohort(info: Info, input: CreateCohortInput) -> Any:
    return await actions.create_cohort(
        info.context.actor,
        info.context.uuid(input.product_id, Kind.PRODUCT, "input", "productId"),
        name=input.name,
        description=input.description,
    )


@strawberry.input(description="A change of a cohort.")
class UpdateCohortInput(MutationInput):
    """What `updateCohort` takes."""

    cohort_id: strawberry.ID = given("Which cohort.")
    name: strawberry.Maybe[str | None] = maybe("Its new name.")
    description: strawberry.Maybe[str | None] = maybe("Its new description.")


@mutation("Changes a cohort.", cohort=(Cohort, "The cohort."))
async def update_cohort(info: Info, input: UpdateCohortInput) -> Any:
    return await actions.update_cohort(
        info.context.actor,
        info.context.uuid(input.cohort_id, Kind.COHORT, "input", "cohortId"),
        name=input.name.value if input.name else None,
        description=input.description.value if input.description else None,
    )


MUTATIONS = (create_product, update_product, archive_product, create_cohort, update_cohort)
