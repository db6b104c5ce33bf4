"""R8: random lives against the real server, crashes among them, step by step beside a model."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

import httpx
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.faults.clients import Stage, staged
from tests.faults.forked import Forked, served
from tests.faults.stored import PART, Stored, created
from tests.journeys.checks import Failed
from tests.journeys.client import Api, connected
from tests.journeys.server import Running
from tests.soak.turn import Turn

EXAMPLES: Final = 2
STEPS: Final = 40
"""Steps of one example; each is a case."""
AT_MOST: Final = 3
"""Binaries of one example."""
_REFUSED: Final = "INVALID_TRANSITION"

_LOOK: Final = """query($ids: [ID!]!) {
  nodes(ids: $ids) { ... on Binary { state downloadUrl parts { state } } }
}"""
CHOICE = st.integers(0, AT_MOST - 1)


@dataclass(slots=True)
class Model:
    """What a binary has to be."""

    stored: Stored
    state: str = "UPLOADABLE"
    valid: bool = False


@dataclass(slots=True)
class House:
    """The server that all examples share, and how it is started again."""

    folder: Path
    key: str
    turn: Turn
    server: Forked = field(init=False)
    http: httpx.Client = field(init=False)
    api: Api = field(init=False)
    made: int = 0

    def start(self) -> None:
        """Start the server, and connect."""
        self.server = served(self.folder / "data", log=self.folder / "log")
        self.http = connected(self.server.url)
        self.api = Api(self.http, self.key)

    def crash(self) -> None:
        """Kill the server."""
        self.server.kill()
        self.http.close()


def play(turn: Turn) -> None:
    """Let examples run until the steps or the time are used up."""
    with tempfile.TemporaryDirectory(prefix="bindery-machine-") as name:
        folder = Path(name)
        house = House(folder, Running(folder).create_key(), turn)
        house.start()
        try:
            Lives.house, Lives.stage = house, staged(house.api)
            while not turn.over and not turn.found:
                _run(turn)
        finally:
            house.crash()


def _run(turn: Turn) -> None:
    begun = turn.next
    try:
        run_state_machine_as_test(
            seed(turn.seed * 1_000_000 + begun)(Lives),
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    except (AssertionError, Failed, httpx.TransportError) as failed:
        turn.find(begun, f"in the {EXAMPLES} examples from here: {failed}")
    # An example that ended early has fewer steps, but one of none would never end.
    turn.done = max(turn.done, begun + 1 - turn.first)


class Lives(RuleBasedStateMachine):
    """Every move of every binary, allowed or not, and the answer that the model expects."""

    house: ClassVar[House]
    stage: ClassVar[Stage]

    def __init__(self) -> None:
        super().__init__()
        self.models: list[Model] = []

    @precondition(lambda self: len(self.models) < AT_MOST)
    @rule(content=st.binary(min_size=1, max_size=2_000))
    def create(self, content: bytes) -> None:
        """A new record."""
        self.house.made += 1
        target = f"m-{self.house.turn.first}-{self.house.made}"
        one = created(self.house.api, self.stage, target=target, content=content)
        self.models.append(Model(one))

    @precondition(lambda self: self.models)
    @rule(at=CHOICE, right=st.booleans())
    def send(self, at: int, right: bool) -> None:
        """Bytes for the part: its own, or others."""
        model = self._model(at)
        part = self._register(model)
        if model.state != "UPLOADABLE":
            assert part is None
            return
        content = model.stored.content
        sent = content if right else bytes([content[0] ^ 1]) + content[1:]
        status = self.house.api.put(part, iter([sent])).status_code
        assert status == (200 if right else 400), f"an upload is answered {status}"
        model.valid = model.valid or right

    @precondition(lambda self: self.models)
    @rule(at=CHOICE)
    def finish(self, at: int) -> None:
        """The upload is over, if its bytes are there."""
        model = self._model(at)
        if model.state == "UPLOADABLE" and not model.valid:
            self._refused(model, "finishBinaryUpload", "PARTS_INCOMPLETE")
        else:
            self._move(model, "finishBinaryUpload", {"UPLOADABLE"}, "HASHABLE")

    @precondition(lambda self: self.models)
    @rule(at=CHOICE)
    def hash(self, at: int) -> None:
        """Verification, to its end."""
        model = self._model(at)
        self._move(model, "startBinaryHashing", {"HASHABLE"}, "SIGNABLE")
        model.stored.state(self.house.api)

    @precondition(lambda self: self.models)
    @rule(at=CHOICE)
    def sign(self, at: int) -> None:
        """A signature; a second one changes nothing here, and is left out."""
        model = self._model(at)
        if model.state == "SIGNED":
            return
        digest = hashlib.sha256(model.stored.content).hexdigest()
        signature = self.stage.signer.sign(digest.encode()).signature.hex()
        more = {"signingKeyId": self.stage.signing_key, "signature": signature}
        self._move(model, "signBinary", {"SIGNABLE"}, "SIGNED", **more)

    @precondition(lambda self: self.models)
    @rule(at=CHOICE)
    def reset(self, at: int) -> None:
        """Back to the upload, without its bytes."""
        model = self._model(at)
        before = model.state
        self._move(model, "resetBinary", {"HASHABLE", "SIGNABLE"}, "UPLOADABLE")
        model.valid = model.valid and model.state == before

    @precondition(lambda self: self.models)
    @rule(at=CHOICE)
    def destroy(self, at: int) -> None:
        """Gone for good."""
        model = self._model(at)
        self._move(model, "destroyBinary", {"SIGNED"}, "DESTROYED")
        model.valid = model.valid and model.state != "DESTROYED"

    @rule()
    def crash(self) -> None:
        """SIGKILL, and a new start."""
        self.house.crash()
        self.house.start()

    @invariant()
    def as_the_model(self) -> None:
        """Every record is what the model says, and served if the model says so."""
        self.house.turn.done += 1
        if not self.models:
            return
        nodes = self.house.api.ask(_LOOK, ids=[model.stored.id for model in self.models])["nodes"]
        for model, node in zip(self.models, nodes, strict=True):
            valid = [part["state"] for part in node["parts"]].count("VALID")
            found, expected = (node["state"], valid), (model.state, int(model.valid))
            assert found == expected, f"found is {found}, the model says {expected}"
        # Which one is read changes with the steps, so that each has its turn.
        model, node = list(zip(self.models, nodes, strict=True))[self.house.turn.done % len(nodes)]
        if model.state in ("SIGNABLE", "SIGNED"):
            served = self.house.http.get(node["downloadUrl"]).content
            assert served == model.stored.content, "other content is served"

    def _model(self, at: int) -> Model:
        return self.models[at % len(self.models)]

    def _register(self, model: Model) -> Any:
        digest = hashlib.sha256(model.stored.content).hexdigest()
        size = len(model.stored.content)
        payload = self._asked(
            "createBinaryParts",
            f"parts {{ {PART} }}",
            binaryId=model.stored.id,
            parts=[{"index": 1, "size": size, "hash": digest}],
        )
        return payload["parts"][0] if payload["parts"] else None

    def _move(self, model: Model, move: str, origins: set[str], target: str, **more: str) -> None:
        if model.state not in origins:
            self._refused(model, move, _REFUSED, **more)
            return
        payload = self._asked(move, "binary { id }", binaryId=model.stored.id, **more)
        assert payload["errors"] == [], f"{move} in {model.state}: {payload['errors']}"
        model.state = target

    def _refused(self, model: Model, move: str, code: str, **more: str) -> None:
        payload = self._asked(move, "binary { id }", binaryId=model.stored.id, **more)
        codes = [error["code"] for error in payload["errors"]]
        assert codes == [code], f"{move} in {model.state} is refused with {codes}"

    def _asked(self, name: str, selection: str, **input: Any) -> Any:
        kind = f"{name[0].upper()}{name[1:]}Input"
        asked = f"{name}(input: $input) {{ {selection} errors {{ code }} }}"
        return self.house.api.ask(f"mutation($input: {kind}!) {{ {asked} }}", input=input)[name]
