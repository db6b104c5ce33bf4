"""The kinds of steps that a scenario is made of: each is played, and each is printed."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.api import PART, Json
from tests.scenarios.stage import Stage

_RESULTS = {
    "archiveProduct": "product",
    "archiveReleases": "releases",
    "createBundle": "bundle",
    "createCohort": "cohort",
    "createDevice": "device",
    "createProduct": "product",
    "createRelease": "release",
    "destroyBinary": "binary",
    "pinDevice": "device",
    "quarantineDevice": "device",
    "releaseDeviceFromQuarantine": "device",
    "reportDeviceState": "device",
    "resetBinary": "binary",
    "signBinary": "binary",
    "startBinaryHashing": "binary",
    "unpinDevice": "device",
    "updateDevice": "device",
    "updateRelease": "release",
}
_UPDATE = """status release { id } bundle { id } manifest { artifactVersion { id } binary { id } }
trace { release { id } reason facts }"""

Trace = tuple[tuple[str | None, str], ...]


class Step(Protocol):
    """One step: what is done, and the answer that it has to get."""

    async def play(self, stage: Stage) -> None:
        """Does it through the API, and asserts the answer."""

    def told(self) -> tuple[str, str]:
        """What is done and what is answered, as Markdown for one row of a table."""


def plain(value: Any) -> str:
    """An input as people write it: no quotes, and names without their mark."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {plain(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(plain(item) for item in value) + "]"
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    return str(value).removeprefix("@")


def _facts(facts: Json) -> str:
    return "".join(f", {key} `{plain(value)}`" for key, value in facts.items())


@dataclass(frozen=True)
class Do:
    """A mutation: it succeeds and gives these fields, or is refused with a code and facts."""

    mutation: str
    input: Json
    saves: str | None = None
    gives: Json = field(default_factory=dict)
    code: str | None = None
    facts: Json = field(default_factory=dict)

    async def play(self, stage: Stage) -> None:
        result = _RESULTS[self.mutation]
        selection = f"{result} {{ {' '.join(['id', *self.gives])} }}"
        payload = await stage.mutate(self.mutation, selection, self.input)
        errors = [
            {"code": error["code"], **{name: error[name] for name in self.facts}}
            for error in payload["errors"]
        ]
        assert errors == ([{"code": self.code, **self.facts}] if self.code else []), self
        if self.saves:
            stage.ids[self.saves] = payload[result]["id"]
        if self.gives:
            assert {name: payload[result][name] for name in self.gives} == self.gives, self

    def told(self) -> tuple[str, str]:
        done = f"`{self.mutation} {plain(self.input)}`"
        if self.code:
            return done, f"refused: `{self.code}`{_facts(self.facts)}"
        return done, "done" + _facts(self.gives)


def release(name: str, bundle: str, *, cohort: str = "stable", **more: Any) -> Do:
    """Creates a release that goes by its name."""
    input = {"name": name, "cohortId": f"@{cohort}", "bundleId": f"@{bundle}", **more}
    return Do("createRelease", input, saves=name)


@dataclass(frozen=True)
class Bundle:
    """A bundle whose one artifact version has signed binaries for these targets."""

    name: str
    targets: tuple[str, ...]

    async def play(self, stage: Stage) -> None:
        await stage.bundle(self.name, self.targets)

    def told(self) -> tuple[str, str]:
        targets = " and ".join(f"`{target}`" for target in self.targets)
        return f"a bundle {self.name} of one artifact version, with signed binaries: {targets}", ""


@dataclass(frozen=True)
class Ask:
    """An operator's preview (`resolveUpdate`), or with `claims` the device's own poll."""

    device: str
    status: str
    release: str | None = None
    trace: Trace = ()
    reported: Json | None = None
    claims: bool = False
    facts: Json = field(default_factory=dict)

    async def play(self, stage: Stage) -> None:
        update = await ask(stage, self.device, self.reported, claims=self.claims)
        trace = tuple(
            ((step["release"] or {"id": None})["id"], step["reason"]) for step in update["trace"]
        )
        named = tuple((name and f"@{name}", reason) for name, reason in self.trace)
        assert trace == named, (self, trace)
        got = update["release"] and update["release"]["id"]
        assert (update["status"], got) == (self.status, self.release and f"@{self.release}"), self
        last = update["trace"][-1]["facts"]
        assert {name: last.get(name) for name in self.facts} == self.facts, (self, last)
        # The manifest is there exactly if there is something to install.
        given = self.release is not None
        assert (bool(update["bundle"]), bool(update["manifest"])) == (given, given)

    def told(self) -> tuple[str, str]:
        query = "claimUpdate" if self.claims else "resolveUpdate"
        reported = "" if self.reported is None else f", reported: {plain(self.reported)}"
        got = f" {self.release}" if self.release else ""
        trace = ", ".join(f"{name or 'no release'} `{reason}`" for name, reason in self.trace)
        answer = f"`{self.status}`{got}: {trace}{_facts(self.facts)}"
        return f"`{query} {{deviceId: {self.device}{reported}}}`", answer


async def ask(stage: Stage, device: str, reported: Json | None, *, claims: bool) -> Json:
    """What a device is answered, with names in the place of ids."""
    input = {"deviceId": await stage.id(device), "reported": await stage.filled(reported)}
    if claims:
        payload = await stage.mutate("claimUpdate", f"update {{ {_UPDATE} }}", input)
        assert payload["errors"] == []
        polled: Json = payload["update"]
        return polled
    query = f"""query($deviceId: ID!, $reported: ReportedStateInput) {{
        resolveUpdate(deviceId: $deviceId, reported: $reported) {{ {_UPDATE} }} }}"""
    previewed: Json = stage.named((await stage.api.ask(query, **input))["resolveUpdate"])
    return previewed


@dataclass(frozen=True)
class Race:
    """Polls of several devices at the same time; which one gets which answer is open."""

    devices: tuple[str, ...]
    answers: tuple[tuple[str, Trace], ...]

    async def play(self, stage: Stage) -> None:
        for device in self.devices:
            await stage.id(device)
        polls = (ask(stage, device, None, claims=True) for device in self.devices)
        got = [
            (
                update["release"]["id"],
                tuple((step["release"]["id"], step["reason"]) for step in update["trace"]),
            )
            for update in await asyncio.gather(*polls)
        ]
        named = [
            (f"@{name}", tuple((f"@{one}", reason) for one, reason in trace))
            for name, trace in self.answers
        ]
        assert sorted(got) == sorted(named), self

    def told(self) -> tuple[str, str]:
        polls = " and ".join(f"`claimUpdate {{deviceId: {name}}}`" for name in self.devices)
        answers = "; one ".join(
            f"`UPDATE` {name}: " + ", ".join(f"{one} `{reason}`" for one, reason in trace)
            for name, trace in self.answers
        )
        return f"at the same time {polls}", f"one {answers}"


@dataclass(frozen=True)
class Impact:
    """What a destruction would do; its plan token goes by the name `token`."""

    of: tuple[str, ...]
    releases: dict[str, tuple[str, ...]]
    losing: int
    stuck: int

    async def play(self, stage: Stage) -> None:
        query = """query($ids: [ID!]!) { destructionImpact(ids: $ids) {
            planToken devicesLosingUpdate devicesStuck
            releases { nodes { release { id } reasons } } } }"""
        ids = [await stage.id(name) for name in self.of]
        impact = (await stage.api.ask(query, ids=ids))["destructionImpact"]
        stage.ids["token"] = impact.pop("planToken")
        told = [
            {"release": {"id": f"@{name}"}, "reasons": list(reasons)}
            for name, reasons in self.releases.items()
        ]
        assert stage.named(impact) == {
            "devicesLosingUpdate": self.losing,
            "devicesStuck": self.stuck,
            "releases": {"nodes": told},
        }, self

    def told(self) -> tuple[str, str]:
        releases = "; ".join(
            f"{name} " + ", ".join(f"`{reason}`" for reason in reasons)
            for name, reasons in self.releases.items()
        )
        counts = f"{self.losing} losing their update, {self.stuck} stuck"
        return f"`destructionImpact {{ids: {plain(self.of)}}}`", f"{releases}: {counts}"


@dataclass(frozen=True)
class Accepted:
    """The impact that the Events of a destroyed binary say was accepted."""

    binary: str
    releases: tuple[str, ...]

    async def play(self, stage: Stage) -> None:
        query = """query($id: ID!) { binary(id: $id) {
            events(filter: {kind: ["binary.impact_accepted"]}) { nodes { after } } } }"""
        told = await stage.api.ask(query, id=await stage.id(self.binary))
        (event,) = told["binary"]["events"]["nodes"]
        names = {stage.named(id) for id in event["after"]["releases"]}
        assert names == {f"@{name}" for name in self.releases}, self

    def told(self) -> tuple[str, str]:
        return (
            f"the Event `binary.impact_accepted` of {self.binary}",
            f"accepted: {', '.join(self.releases)}",
        )


@dataclass(frozen=True)
class Resolve:
    """Which binary of an artifact version serves a target."""

    version: str
    target: str
    reason: str
    binary: str | None = None
    state: str | None = None

    async def play(self, stage: Stage) -> None:
        query = """query($version: ID!, $target: String!) {
            resolveBinary(artifactVersionId: $version, target: $target) {
              reason state binary { id } } }"""
        version = await stage.id(self.version)
        told = await stage.api.ask(query, version=version, target=self.target)
        assert stage.named(told["resolveBinary"]) == {
            "reason": self.reason,
            "state": self.state,
            "binary": self.binary and {"id": f"@{self.binary}"},
        }, self

    def told(self) -> tuple[str, str]:
        asked = f"`resolveBinary {{artifactVersionId: {self.version}, target: {self.target}}}`"
        state = f", state `{self.state}`" if self.state and not self.binary else ""
        return asked, f"{self.binary or 'none'}: `{self.reason}`{state}"


@dataclass(frozen=True)
class Upload:
    """A binary of an artifact version whose bytes are sent; they may not be those declared."""

    name: str
    version: str
    target: str
    content: bytes
    declared: bytes | None = None

    async def play(self, stage: Stage) -> None:
        declared = self.content if self.declared is None else self.declared
        part = hashlib.sha256(self.content).hexdigest()
        binary = await stage.api.do(
            "createBinary",
            f"binary {{ id parts {{ {PART} }} }}",
            artifactVersionId=await stage.id(self.version),
            target=self.target,
            hash=hashlib.sha256(declared).hexdigest(),
            size=len(declared),
            parts=[{"index": 1, "size": len(self.content), "hash": part}],
        )
        stage.ids[self.name] = binary["id"]
        stage.ids[f"{self.name} url"] = binary["parts"][0]["uploadUrl"]
        await _send(stage, self.name, self.content)

    def told(self) -> tuple[str, str]:
        as_declared = "" if self.declared is None else ", whose bytes are not those declared"
        return (
            f"a binary {self.name} of {self.version} for `{self.target}` is uploaded{as_declared}",
            "`HASHABLE`",
        )


@dataclass(frozen=True)
class UploadAgain:
    """After a reset: the old upload URL is dead, and a new registration takes the bytes."""

    name: str
    content: bytes

    async def play(self, stage: Stage) -> None:
        stale = await stage.api.http.put(stage.ids[f"{self.name} url"], content=self.content)
        (error,) = stale.json()["errors"]
        assert (stale.status_code, error["extensions"]["code"]) == (410, "UPLOAD_SUPERSEDED")
        digest = hashlib.sha256(self.content).hexdigest()
        (part,) = await stage.api.do(
            "createBinaryParts",
            f"parts {{ {PART} }}",
            binaryId=stage.ids[self.name],
            parts=[{"index": 1, "size": len(self.content), "hash": digest}],
        )
        stage.ids[f"{self.name} url"] = part["uploadUrl"]
        await _send(stage, self.name, self.content)

    def told(self) -> tuple[str, str]:
        return (
            f"the bytes of {self.name} are sent to the old upload URL, then to a new one",
            "`UPLOAD_SUPERSEDED`, then `HASHABLE`",
        )


async def _send(stage: Stage, name: str, content: bytes) -> None:
    answer = await stage.api.http.put(stage.ids[f"{name} url"], content=content)
    assert answer.status_code == 200, answer.text
    finished = await stage.api.do(
        "finishBinaryUpload", "binary { state }", binaryId=stage.ids[name]
    )
    assert finished == {"state": "HASHABLE"}


@dataclass(frozen=True)
class Verify:
    """The server verifies a binary's content, and somebody signs it."""

    name: str
    content: bytes

    async def play(self, stage: Stage) -> None:
        id = stage.ids[self.name]
        await stage.api.do("startBinaryHashing", "binary { id }", binaryId=id)
        await stage.api.wait(id, "SIGNABLE")
        assert (await stage.api.sign(id, self.content))["state"] == "SIGNED"

    def told(self) -> tuple[str, str]:
        return f"{self.name} is verified and signed", "`SIGNED`"
