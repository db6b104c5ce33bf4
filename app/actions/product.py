"""Writes about products and cohorts."""

from __future__ import annotations

from uuid import UUID

from app.actions.unit import Unit, action, prn
from app.models import Cohort, Device, Product, Release
from app.rules import target, text
from app.rules.access import Role
from app.rules.errors import InUse, ProductArchived


@action(Role.WRITE)
async def create_product(unit: Unit, *, name: str, target_: str) -> Product:
    """Creates a product for one target. Raises BadUserInput, AlreadyExists."""
    name = text.name(name, field="name", max_length=128)
    triplet = target.triplet(target_, path=("input", "target"))
    await unit.refuse_taken(Product, path=("input", "name"), what="a product so named", name=name)
    product = await Product.create(
        using_db=unit.connection, organization_id=unit.organization_id, name=name, target=triplet
    )
    await unit.record("product.create", product, after={"name": name, "target": triplet})
    return product


@action(Role.WRITE)
async def update_product(
    unit: Unit, product_id: UUID, *, name: str | None = None, target_: str | None = None
) -> Product:
    """Renames a product, or changes its target while it has neither devices nor releases."""
    product = await unit.held(Product, product_id, path=("input", "productId"))
    values = {}
    if name is not None and name != product.name:
        values["name"] = text.name(name, field="name", max_length=128)
        await unit.refuse_taken(
            Product, path=("input", "name"), what="a product so named", name=name
        )
    if target_ is not None and target_ != product.target:
        values["target"] = target.triplet(target_, path=("input", "target"))
        await _refuse_used(unit, product)
    await unit.change("product.update", product, **values)
    return product


async def _refuse_used(unit: Unit, product: Product) -> None:
    devices = await Device.filter(
        organization_id=unit.organization_id, product_id=product.id
    ).exists()
    releases = await Release.filter(
        organization_id=unit.organization_id, cohort__product_id=product.id
    ).exists()
    if devices or releases:
        raise InUse(
            "The target of a product with devices or releases is fixed; create another product.",
            path=("input", "target"),
        )


@action(Role.WRITE)
async def archive_product(unit: Unit, product_id: UUID, *, archived: bool = True) -> Product:
    """Archives a product (no new device, cohort or release; no updates), or takes that back."""
    product = await unit.held(Product, product_id, path=("input", "productId"))
    await unit.change(
        "product.archive" if archived else "product.unarchive", product, archived=archived
    )
    return product


async def open_product(unit: Unit, product_id: UUID) -> Product:
    """A product that is not archived, locked so that it stays so. Raises ProductArchived."""
    product = await unit.held(Product, product_id, path=("input", "productId"), share=True)
    if product.archived:
        raise ProductArchived(
            "The product is archived: it takes no new device, cohort or release.",
            path=("input", "productId"),
        )
    return product


@action(Role.WRITE)
async def create_cohort(
    unit: Unit, product_id: UUID, *, name: str, description: str = ""
) -> Cohort:
    """Creates a cohort of a product. Raises BadUserInput, AlreadyExists, ProductArchived."""
    name = text.name(name, field="name", max_length=128)
    description = text.description(description, field="description")
    product = await open_product(unit, product_id)
    await unit.refuse_taken(
        Cohort,
        path=("input", "name"),
        what="a cohort so named in this product",
        product_id=product_id,
        name=name,
    )
    cohort = await Cohort.create(
        using_db=unit.connection,
        organization_id=unit.organization_id,
        product_id=product_id,
        name=name,
        description=description,
    )
    await unit.record(
        "cohort.create",
        cohort,
        after={"name": name, "description": description, "product": prn(product)},
    )
    return cohort


@action(Role.WRITE)
async def update_cohort(
    unit: Unit, cohort_id: UUID, *, name: str | None = None, description: str | None = None
) -> Cohort:
    """Changes a cohort's name or description."""
    cohort = await unit.held(Cohort, cohort_id, path=("input", "cohortId"))
    values = {}
    if name is not None and name != cohort.name:
        values["name"] = text.name(name, field="name", max_length=128)
        await unit.refuse_taken(
            Cohort,
            path=("input", "name"),
            what="a cohort so named in this product",
            product_id=cohort.product_id,
            name=name,
        )
    if description is not None:
        values["description"] = text.description(description, field="description")
    await unit.change("cohort.update", cohort, **values)
    return cohort
