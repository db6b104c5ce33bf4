"""Three worked examples: what was done before, a query, and its whole answer.

In queries and answers `@r1` stands for the id of what is called r1.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.api import Json
from tests.scenarios.stage import ARM, PORTABLE
from tests.scenarios.steps import Bundle, Do, Step, Upload, Verify, release


@dataclass(frozen=True)
class Example:
    """A question that an operator has, and what Bindery answers."""

    name: str
    question: str
    steps: tuple[Step, ...]
    query: str
    answer: Json
    reading: str


EXAMPLES = (
    Example(
        "Why does this device not get the latest release?",
        "Device d1 runs r1. The latest release, r5, is for devices tagged `beta`, r4 is disabled,"
        " r2 is archived, and d1 is to get r3 only.",
        (
            release("r1", "b1", version="1.0.0"),
            release("r2", "b2"),
            release("r3", "b3", version="1.1.0"),
            release("r4", "b4", disabled=True),
            release("r5", "b5", phase={"tags": ["beta"]}),
            Do("archiveReleases", {"releaseIds": ["@r2"]}),
        ),
        """\
{
  resolveUpdate(deviceId: "@d1", reported: {version: "1.0.0"}) {
    status
    release { name version }
    manifest { artifact { name } artifactVersion { version } binary { target } size }
    trace { release { name } reason detail facts }
  }
}
""",
        {
            "resolveUpdate": {
                "status": "UPDATE",
                "release": {"name": "r3", "version": "1.1.0"},
                "manifest": [
                    {
                        "artifact": {"name": "b3"},
                        "artifactVersion": {"version": "1.0.0"},
                        "binary": {"target": "portable"},
                        "size": "15",
                    }
                ],
                "trace": [
                    {
                        "release": {"name": "r2"},
                        "reason": "ARCHIVED",
                        "detail": "It is archived; the path runs through it.",
                        "facts": {},
                    },
                    {
                        "release": {"name": "r5"},
                        "reason": "TAG_MISMATCH",
                        "detail": "Its phase is for other tags.",
                        "facts": {"tags": ["beta"]},
                    },
                    {
                        "release": {"name": "r4"},
                        "reason": "DISABLED",
                        "detail": "It is disabled.",
                        "facts": {"required": False},
                    },
                    {
                        "release": {"name": "r3"},
                        "reason": "SELECTED",
                        "detail": "It is the answer.",
                        "facts": {},
                    },
                ],
            }
        },
        "The trace begins with what was passed over unjudged (r2), goes on from the target r5 back"
        " towards the device, and ends in the answer. The path begins after r1, because its"
        " version is the one reported.",
    ),
    Example(
        "What breaks if this binary is destroyed?",
        "The binary of bundle b2 is in the required release r2. Device d1 runs r1 and is to get"
        " r2; device d2 runs r2 and is to get r3.",
        (
            release("r1", "b1"),
            release("r2", "b2", required=True),
            release("r3", "b3"),
            Do("reportDeviceState", {"deviceId": "@d1", "reported": {"releaseId": "@r1"}}),
            Do("reportDeviceState", {"deviceId": "@d2", "reported": {"releaseId": "@r2"}}),
        ),
        f"""\
{{
  destructionImpact(ids: ["@b2/{PORTABLE}"]) {{
    releases {{ nodes {{ release {{ name }} effect reasons }} }}
    bundles {{ nodes {{ name }} }}
    cohorts {{ nodes {{ name }} }}
    products {{ nodes {{ name }} }}
    devicesLosingUpdate
    devicesStuck
  }}
}}
""",
        {
            "destructionImpact": {
                "releases": {
                    "nodes": [
                        {
                            "release": {"name": "r2"},
                            "effect": "NEWLY_AFFECTED",
                            "reasons": ["TARGET_LOST", "REQUIRED"],
                        }
                    ]
                },
                "bundles": {"nodes": [{"name": "b2"}]},
                "cohorts": {"nodes": [{"name": "stable"}]},
                "products": {"nodes": [{"name": "router"}]},
                "devicesLosingUpdate": 1,
                "devicesStuck": 1,
            }
        },
        "It is d1 both times: it loses the update that it has now, and it is stuck, because r2 is"
        " required and r3 can't be reached without it. Archiving r2 first would take it out of the"
        " way, and nobody would lose or be stuck.",
    ),
    Example(
        "Which binary does this device get?",
        f"The artifact version of b1 has a signed portable binary; one for `{ARM}`, the target of"
        " d1, is uploaded but not yet verified.",
        (
            Bundle("b1", (PORTABLE,)),
            Upload("special", "b1/version", ARM, b"special"),
        ),
        """\
{
  resolveBinary(deviceId: "@d1", artifactVersionId: "@b1/version") {
    match
    reason
    state
    binary { id target }
    candidates { id target state }
  }
}
""",
        {
            "resolveBinary": {
                "match": "PORTABLE",
                "reason": "PORTABLE_MATCHED",
                "state": "SIGNED",
                "binary": {"id": "@b1/portable", "target": "portable"},
                "candidates": [
                    {"id": "@b1/portable", "target": "portable", "state": "SIGNED"},
                    {"id": "@special", "target": ARM, "state": "HASHABLE"},
                ],
            }
        },
        "Only signed binaries serve. Once the special one is verified and signed, it is the answer"
        " with `TARGET_MATCHED`, and the portable one is second.",
    ),
)

AFTER_SIGNING: tuple[Step, ...] = (Verify("special", b"special"),)
"""What the last example says will come, and what its test does."""
