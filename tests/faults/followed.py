"""A subscription that is open all the time, and what it must hear of another server's changes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import httpx

from tests.faults.clients import Stage
from tests.journeys.checks import Failed
from tests.journeys.client import Api

PATIENCE: Final = 5.0
"""Seconds within which a change must be heard of."""
_FOLLOW: Final = "subscription($id: ID!) { binaryChanged(id: $id) { revision } }"


@dataclass
class Followed:
    """An empty binary that one server is asked to follow, and another one changes."""

    api: Api
    stage: Stage
    id: str = field(default="", init=False)
    revision: int = field(default=0, init=False)
    """The last one that was heard of."""
    over: str = field(default="", init=False)
    """How the subscription ended, which it should not."""
    _moves: list[str] = field(default_factory=list, init=False)

    @contextmanager
    def opened(self) -> Iterator[Followed]:
        """Follows for as long as the block lasts."""
        self.id = self.api.do(
            "createBinary",
            "binary { id }",
            artifactVersionId=self.stage.version,
            target="is-followed",
            hash=sha256().hexdigest(),
            size=0,
        )["id"]
        body = {"query": _FOLLOW, "variables": {"id": self.id}}
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {self.api.key}"}
        with self.api.http.stream("POST", "/graphql", json=body, headers=headers) as answer:
            thread = threading.Thread(target=self._listen, args=(answer,), daemon=True)
            thread.start()
            yield self

    def lost(self, other: Api) -> list[str]:
        """Changes the binary through the other server; what is not heard of it is told."""
        move = "resetBinary" if self._moves[-1:] == ["finishBinaryUpload"] else "finishBinaryUpload"
        self._moves.append(move)
        made = other.do(move, "binary { revision }", binaryId=self.id)["revision"]
        end = time.monotonic() + PATIENCE
        while self.revision < made and not self.over:
            if time.monotonic() > end:
                return [f"a subscription has not heard of revision {made} after {PATIENCE:.0f} s"]
            time.sleep(0.01)
        return [f"a subscription ended: {self.over}"] if self.over else []

    def _listen(self, answer: httpx.Response) -> None:
        try:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    self._heard(json.loads(line.removeprefix("data: ")))
            self.over = self.over or "without a word"
        except (httpx.HTTPError, httpx.StreamError, Failed) as error:
            self.over = self.over or repr(error)

    def _heard(self, result: dict[str, dict[str, dict[str, int]]]) -> None:
        if "errors" in result:
            self.over = str(result["errors"])
            return
        self.revision = int(result["data"]["binaryChanged"]["revision"])
