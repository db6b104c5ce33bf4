"""A whole life on a real server, with secrets sent where they belong and where they don't."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Final

import httpx
import websockets

from tests.api import PART, Api
from tests.graphql.world import fill
from tests.suites.harvest import Harvest
from tests.suites.loud import METRICS_TOKEN

_MANIFEST: Final = "update { status manifest { url binary { downloadUrl } } }"
_MADE: Final = """{
  signed: binaries(filter: {state: [SIGNED]}) { nodes { id } }
  binaries { nodes { id } }
  devices { nodes { id } }
}"""
_FOLLOW: Final = "subscription($id: ID!) { binaryChanged(id: $id) { downloadUrl } }"


@dataclass
class Life:
    """The steps, and everything that the server answered."""

    url: str
    key: str
    harvest: Harvest

    async def live(self) -> None:
        """All steps."""
        hooks = {"response": [self.harvest.see]}
        async with httpx.AsyncClient(
            base_url=self.url, timeout=60, event_hooks=hooks, trust_env=False
        ) as http:
            api = Api(http, self.key)
            await fill(api, size=2)
            found = await api.ask(_MADE)
            binary = found["signed"]["nodes"][0]["id"]
            await self._links(api, [one["id"] for one in found["binaries"]["nodes"]])
            await self._keys(api)
            await self._device(api, found["devices"]["nodes"][0]["id"])
            await self._follow(api, binary)
            await self._metrics(http)

    async def _links(self, api: Api, ids: list[str]) -> None:
        """Links that are used, used wrongly, changed, and outlived by their binary."""
        query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Binary { downloadUrl"
        query += f" parts {{ {PART} }} impact {{ planToken }} }} }} }}"
        found = [one for one in (await api.ask(query, ids=ids))["nodes"] if one]
        urls = [one["downloadUrl"] for one in found if one["downloadUrl"]]
        urls += [
            part["uploadUrl"] for one in found for part in one["parts"] or () if part["uploadUrl"]
        ]
        assert len(urls) > 3
        for url in urls:
            for method in ("GET", "HEAD", "PUT", "DELETE"):
                await api.http.request(method, url, content=b"other bytes")
            await api.http.get(url[:-1] + ("0" if url[-1] != "0" else "1"))
            await api.http.get(url.replace("?", "%3F"))
            await api.http.get(f"{url}&a=b", headers={"referer": url, "range": "bytes=9-1"})
        version = await api.version("3.0.0", "outlived")
        id = await api.reach("SIGNED", version, b"outlived")
        link = await api.ask("query($id: ID!) { binary(id: $id) { downloadUrl } }", id=id)
        await api.do("destroyBinary", "binary { id }", binaryId=id)
        await api.http.get(link["binary"]["downloadUrl"])

    async def _keys(self, api: Api) -> None:
        """Keys that are shown once, sent wrongly, sent in wrong places, and revoked."""
        made = {"name": "once", "role": "READ", "idempotencyKey": "once"}
        first = await api.mutate("createApiKey", "apiKey { id } secret", **made)
        again = await api.mutate("createApiKey", "apiKey { id } secret", **made)
        assert again["secret"] is None
        assert again["errors"][0]["code"] == "SECRET_ALREADY_SHOWN"
        key, http = first["secret"], api.http
        body = {"query": "{ viewer { id } }"}
        for authorization in (f"Bearer {key[:-1]}", f"Basic {key}", key, f"Bearer {key} {key}"):
            await http.post("/graphql", json=body, headers={"authorization": authorization})
        await http.get(f"/graphql?query={{viewer{{id}}}}&key={key}")
        await http.get(f"/{key}")
        await http.get(f"/content/{key}", headers={"authorization": f"Bearer {key}"})
        await http.get("/", headers={"cookie": f"key={key}", "referer": f"/?key={key}"})
        await http.post("/graphql", content=b"{", headers={"authorization": f"Bearer {key}"})
        await Api(http, key).mutate("createArtifact", "artifact { id }", name="not allowed")
        await api.do("revokeApiKey", "apiKey { id }", apiKeyId=first["apiKey"]["id"])
        await Api(http, key).post("{ viewer { id } }")

    async def _device(self, api: Api, device: str) -> None:
        """A device that polls with its key, downloads, reports, and asks for what it may not."""
        made = {"name": "device", "role": "DEVICE", "deviceId": device}
        secret = (await api.mutate("createApiKey", "secret", **made))["secret"]
        own = Api(api.http, secret)
        update = (await own.mutate("claimUpdate", _MANIFEST, deviceId=device))["update"]
        for entry in update["manifest"]:
            await api.http.get(entry["url"], headers={"authorization": f"Bearer {secret}"})
        reported = {"version": "9.9.9"}
        await own.mutate(
            "reportDeviceState",
            "device { id }",
            deviceId=device,
            reported=reported,
            outcome="FAILED",
            message="out of memory",
        )
        await own.post("{ events { nodes { after } } }")

    async def _follow(self, api: Api, binary: str) -> None:
        """A subscription over server-sent events and one over a WebSocket."""
        body = {"query": _FOLLOW, "variables": {"id": binary}}
        headers = {"authorization": f"Bearer {self.key}", "accept": "text/event-stream"}
        async with api.http.stream("POST", "/graphql", json=body, headers=headers) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    self.harvest.look(200, line)
                    break
        address = self.url.replace("http", "ws") + "/graphql"
        protocols = [websockets.Subprotocol("graphql-transport-ws")]
        for key in (self.key, self.key[:-2]):
            async with websockets.connect(address, subprotocols=protocols) as socket:
                init = {"type": "connection_init", "payload": {"authorization": f"Bearer {key}"}}
                await socket.send(json.dumps(init))
                subscribe = {"id": "1", "type": "subscribe", "payload": body}
                try:
                    async with asyncio.timeout(10):
                        await socket.recv()
                        await socket.send(json.dumps(subscribe))
                        self.harvest.look(200, str(await socket.recv()))
                except websockets.ConnectionClosed:
                    continue

    async def _metrics(self, http: httpx.AsyncClient) -> None:
        for token in (METRICS_TOKEN, METRICS_TOKEN[:-1], self.key, ""):
            headers = {"authorization": f"Bearer {token}"} if token else {}
            await http.get("/metrics", headers=headers)
