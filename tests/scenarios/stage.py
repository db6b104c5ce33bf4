"""Where a scenario is played: one organization of its own, whose things go by short names."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from tests.api import Api, Json

ARM = "arm-linux-gnueabihf"
X86 = "x86_64-unknown-linux-gnu"
PORTABLE = "portable"

_BUNDLE = re.compile(r"b\d")
_DEVICE = re.compile(r"d\d")


@dataclass
class Stage:
    """A client, and the ids of what its scenario has named.

    A text such as `@r1` in an input or an answer stands for the id of what is called `r1`. The
    product `router` and its cohort `stable` are there from the start; bundles `b1`, `b2`, … and
    devices `d1`, `d2`, … come into being when they are first named.
    """

    api: Api
    ids: dict[str, str] = field(default_factory=dict)

    async def open(self) -> None:
        """Makes what every scenario begins with."""
        self.ids["router"] = await self.api.product("router", ARM)
        self.ids["stable"] = await self.api.cohort(self.ids["router"], "stable")

    async def id(self, name: str) -> str:
        """The id of what has this name."""
        if name not in self.ids and _BUNDLE.fullmatch(name):
            await self.bundle(name, [PORTABLE])
        if name not in self.ids and _DEVICE.fullmatch(name):
            self.ids[name] = await self.api.device(self.ids["router"], self.ids["stable"], name)
        return self.ids[name]

    async def bundle(self, name: str, targets: Collection[str]) -> None:
        """A bundle of one artifact version, with a signed binary for each target."""
        version = self.ids[f"{name}/version"] = await self.api.version(artifact=name)
        for target in targets:
            content = f"{name} for {target}".encode()
            id = await self.api.reach("SIGNED", version, content, target)
            self.ids[f"{name}/{target}"] = id
        self.ids[name] = await self.api.bundle(version, name=name)

    async def released(self, *bundles: str, **latest: object) -> list[str]:
        """Releases of these bundles, one after the other; `latest` is for the last one."""
        made = []
        for place, name in enumerate(bundles, start=1):
            more = latest if place == len(bundles) else {}
            bundle = await self.id(name)
            made.append(await self.api.release(self.ids["stable"], bundle, f"r{place}", **more))
        return made

    async def filled(self, value: Any) -> Any:
        """The same input with ids in the place of names."""
        if isinstance(value, dict):
            return {key: await self.filled(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [await self.filled(item) for item in value]
        if isinstance(value, str) and value.startswith("@"):
            return await self.id(value.removeprefix("@"))
        return value

    def named(self, value: Any) -> Any:
        """The same answer with names in the place of ids."""
        if isinstance(value, dict):
            return {key: self.named(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.named(item) for item in value]
        names = {id: name for name, id in self.ids.items()}
        return f"@{names[value]}" if value in names else value

    async def mutate(self, mutation: str, selection: str, input: Json) -> Json:
        """A mutation's payload, with names in the place of ids both ways."""
        payload = await self.api.mutate(mutation, selection, **await self.filled(input))
        told: Json = self.named(payload)
        return told
