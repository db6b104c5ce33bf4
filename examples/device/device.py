"""A device's side of an update: it asks, fetches, checks, installs and reports.

Beside Python 3.11 it needs PyNaCl. Run it every so often; docs/device.md says what it is told.
"""

import base64
import hashlib
import json
import os
import sys
import urllib.parse
import urllib.request
from pathlib import Path

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

URL, KEY, DEVICE = (os.environ[f"BINDERY_{name}"] for name in ("URL", "KEY", "DEVICE"))
TRUSTED = VerifyKey(base64.b64decode(os.environ["BINDERY_TRUSTED"]))
PLACES = {"firmware": Path("firmware.bin")}  # Where each artifact goes; others are refused.
RUNS = Path("release")  # The id of the release that this device runs.

CLAIM = """mutation($input: ClaimUpdateInput!) { claimUpdate(input: $input) {
  update { status release { id } manifest { artifact { name } url signatures { signature } } }
  errors { code message } } }"""
REPORT = """mutation($input: ReportDeviceStateInput!) { reportDeviceState(input: $input) {
  device { id } errors { code message } } }"""


def ask(mutation, **about):
    variables = {"input": {"deviceId": DEVICE, **about}}
    body = json.dumps({"query": mutation, "variables": variables}).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{URL}/graphql", body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        told = json.load(answer)
    (payload,) = (told.get("data") or {"": None}).values()
    if payload is None or payload["errors"]:
        raise OSError(f"refused: {payload['errors'] if payload else told['errors']}")
    return payload


def fetch(entry):
    """Brings one file beside its place. Raises ValueError where no trusted key signed it.

    A line that fails is an OSError: the release is not to blame, and the next poll asks again.
    """
    if (name := entry["artifact"]["name"]) not in PLACES:
        raise ValueError(f"there is no place for {name}")
    digest, path = hashlib.sha256(), PLACES[name].with_suffix(".new")
    url = urllib.parse.urljoin(f"{URL}/", entry["url"])
    with urllib.request.urlopen(url, timeout=60) as answer, path.open("wb") as file:
        while piece := answer.read(1 << 16):
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
        if answer.length:  # What Content-Length said is still to come.
            raise OSError(f"{name} was cut off")
    for signature in (bytes.fromhex(one["signature"]) for one in entry["signatures"]):
        try:
            TRUSTED.verify(digest.hexdigest().encode(), signature)
            return path, PLACES[name]
        except BadSignatureError:
            pass  # Another key may have signed it, too.
    path.unlink()
    raise ValueError(f"no trusted key signed what came for {name}")


runs = RUNS.read_text() if RUNS.exists() else None
update = ask(CLAIM, reported={"releaseId": runs})["update"]
if update["status"] != "UPDATE":
    sys.exit(0)
new = update["release"]["id"]
try:
    fetched = [fetch(entry) for entry in update["manifest"]]
    for path, place in fetched:
        path.replace(place)
except ValueError as error:
    ask(REPORT, reported={"releaseId": new}, outcome="FAILED", message=str(error))
    sys.exit(f"not installed: {error}")
RUNS.write_text(new)
ask(REPORT, reported={"releaseId": new}, outcome="INSTALLED")
