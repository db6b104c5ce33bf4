"""Finds what people name: an artifact by its name, a version by its number."""

from __future__ import annotations

from app.client.outcome import Ended
from app.client.service import Json, Service


async def artifact_id(service: Service, name: str) -> str | None:
    """The id of the artifact of this name, or with this id; None where there is none.

    Names are not unique. Raises Ended where several artifacts have this one.
    """
    if name.startswith("prn:"):
        return name
    query = (
        "query Bindery($name: String!)"
        " { artifacts(filter: {name: $name}, first: 2) { nodes { id } } }"
    )
    nodes = (await service.ask(query, name=name))["artifacts"]["nodes"]
    if len(nodes) > 1:
        raise Ended(f"Several artifacts are named {name}; say which by --artifact and its id.")
    return str(nodes[0]["id"]) if nodes else None


async def version_id(service: Service, artifact: str, version: str) -> str:
    """The id of a version of an artifact. Raises Ended where there is none."""
    id = await artifact_id(service, artifact)
    query = (
        "query Bindery($id: ID!, $version: String!) { artifact(id: $id)"
        " { artifactVersions(filter: {version: $version}, first: 1) { nodes { id } } } }"
    )
    found = (await service.ask(query, id=id, version=version))["artifact"] if id else None
    if not found:
        raise Ended(f"There is no artifact {artifact}.")
    if not found["artifactVersions"]["nodes"]:
        raise Ended(f"There is no version {version} of {artifact}.")
    return str(found["artifactVersions"]["nodes"][0]["id"])


async def binary(service: Service, artifact: str, version: str, target: str) -> Json:
    """The binary that stands for a version on a target. Raises Ended where there is none."""
    id = await version_id(service, artifact, version)
    answer = await service.ask(
        "query Bindery($id: ID!, $target: String!) { resolveBinary(artifactVersionId: $id,"
        " target: $target) { reason state binary { id hash size target state } } }",
        id=id,
        target=target,
    )
    resolved: Json = answer["resolveBinary"]
    best: Json | None = resolved["binary"]
    if best is None:
        raise Ended(f"Version {version} of {artifact} {_lacking(resolved, target)}.")
    return best


def _lacking(resolved: Json, target: str) -> str:
    match resolved["reason"]:
        case "NOT_SIGNED":
            return f"has a binary for {target}, but it is {resolved['state']}, not SIGNED"
        case "CONTENT_CORRUPT":
            return f"has a binary for {target}, but its stored content is corrupt or missing"
        case _:
            return f"has no binary for {target}"


async def device_id(service: Service, identifier: str) -> str:
    """The id of the device of this identifier, or with this id. Raises Ended if there is none."""
    if identifier.startswith("prn:"):
        return identifier
    query = (
        "query Bindery($identifier: String!)"
        " { devices(filter: {identifier: $identifier}, first: 1) { nodes { id } } }"
    )
    nodes = (await service.ask(query, identifier=identifier))["devices"]["nodes"]
    if not nodes:
        raise Ended(f"There is no device {identifier}.")
    return str(nodes[0]["id"])
