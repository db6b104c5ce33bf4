"""Fourteen scenarios of releases: test data, and a part of docs/resolution.md, at once.

Every scenario begins with the product `router` and its cohort `stable`. A bundle `b1`, `b2`, … is
of one artifact version with one signed portable binary, unless the scenario makes it itself; a
device `d1`, `d2`, … is of the product and the cohort, and has reported nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.scenarios.stage import ARM, PORTABLE, X86
from tests.scenarios.steps import (
    Accepted,
    Ask,
    Bundle,
    Do,
    Impact,
    Race,
    Resolve,
    Step,
    Upload,
    UploadAgain,
    Verify,
    release,
)


@dataclass(frozen=True)
class Scenario:
    """A story, and the steps that tell it."""

    name: str
    story: str
    steps: tuple[Step, ...]


SCENARIOS = (
    Scenario(
        "A new device on a chain",
        "A device that reports nothing goes straight to the latest release, and skips what it may"
        " skip. A required release on the way is a stop.",
        (
            release("r1", "b1"),
            release("r2", "b2"),
            release("r3", "b3"),
            Ask("d1", "UPDATE", "r3", (("r1", "SKIPPED"), ("r2", "SKIPPED"), ("r3", "SELECTED"))),
            Ask("d1", "NO_UPDATE", None, ((None, "UP_TO_DATE"),), {"releaseId": "@r3"}),
            Do("updateRelease", {"releaseId": "@r2", "required": True}, gives={"required": True}),
            Ask(
                "d1",
                "UPDATE",
                "r2",
                (("r1", "SKIPPED"), ("r3", "REQUIRED"), ("r2", "SELECTED")),
            ),
            Ask("d1", "UPDATE", "r3", (("r3", "SELECTED"),), {"releaseId": "@r2"}),
        ),
    ),
    Scenario(
        "A required but archived release on the path",
        "Archived outranks required: the path runs through the release as if it were not there.",
        (
            release("r1", "b1"),
            release("r2", "b2", required=True),
            release("r3", "b3"),
            Ask(
                "d1",
                "UPDATE",
                "r2",
                (("r3", "REQUIRED"), ("r2", "SELECTED")),
                {"releaseId": "@r1"},
            ),
            Do("archiveReleases", {"releaseIds": ["@r2"]}),
            Ask(
                "d1",
                "UPDATE",
                "r3",
                (("r2", "ARCHIVED"), ("r3", "SELECTED")),
                {"releaseId": "@r1"},
            ),
        ),
    ),
    Scenario(
        "A reported version newer than all requirements",
        "A device that runs something newer than every release gets nothing: never a downgrade.",
        (
            release("r1", "b1", version="1.0.0", versionRequirement="<1.0.0"),
            release("r2", "b2", version="2.0.0", versionRequirement="<2.0.0"),
            Ask(
                "d1",
                "NO_UPDATE",
                None,
                ((None, "NO_MATCHING_VERSION"),),
                {"version": "3.1.4"},
                facts={"version": "3.1.4"},
            ),
            Ask("d1", "UPDATE", "r2", (("r2", "SELECTED"),), {"version": "1.5.0"}),
        ),
    ),
    Scenario(
        "A version that matches nothing",
        "A device too old for every release's requirement gets nothing and is told so. A malformed"
        " version is another thing: it counts as not reported.",
        (
            release("r1", "b1", version="1.0.0", versionRequirement=">=0.9.0"),
            release("r2", "b2", version="2.0.0", versionRequirement=">=1.0.0"),
            Ask(
                "d1",
                "NO_UPDATE",
                None,
                ((None, "NO_MATCHING_VERSION"),),
                {"version": "0.5.0"},
                facts={"version": "0.5.0"},
            ),
            Ask(
                "d1",
                "UPDATE",
                "r1",
                (("r2", "VERSION_REQUIREMENT"), ("r1", "SELECTED")),
                {"version": "0.9.9"},
            ),
            Ask(
                "d1",
                "UPDATE",
                "r2",
                (("r1", "SKIPPED"), ("r2", "SELECTED")),
                {"version": "one point nine"},
            ),
        ),
    ),
    Scenario(
        "A bundle held by two releases",
        "A device that reports a bundle is taken to be on the release of it that is nearest to the"
        " latest. One that reports the release itself is where it says.",
        (
            release("r1", "b1"),
            release("r2", "b2"),
            release("r3", "b1"),
            release("r4", "b4"),
            Ask("d1", "UPDATE", "r4", (("r4", "SELECTED"),), {"bundleId": "@b1"}),
            Ask(
                "d1",
                "UPDATE",
                "r4",
                (("r2", "SKIPPED"), ("r3", "SKIPPED"), ("r4", "SELECTED")),
                {"releaseId": "@r1", "bundleId": "@b1"},
            ),
        ),
    ),
    Scenario(
        "A bad phased latest, archived and replaced",
        "Half of the cohort may take the latest, and it turns out bad. Nothing can follow it until"
        " it is archived; then everyone gets the replacement, those too that run the bad one.",
        (
            release("r1", "b1"),
            release("r2", "b2", phase={"value": 0.5}),
            Ask(
                "d1",
                "UPDATE",
                "r2",
                (("r2", "SELECTED"),),
                {"releaseId": "@r1"},
                claims=True,
            ),
            Do(
                "reportDeviceState",
                {
                    "deviceId": "@d1",
                    "reported": {"releaseId": "@r2"},
                    "outcome": "FAILED",
                    "message": "no space left",
                },
            ),
            Ask(
                "d2",
                "NO_UPDATE",
                None,
                (("r2", "PHASE_FULL"),),
                {"releaseId": "@r1"},
                claims=True,
                facts={"limit": 1, "claims": 1, "devices": 2},
            ),
            Do(
                "createRelease",
                {"name": "r3", "cohortId": "@stable", "bundleId": "@b3"},
                code="RELEASE_CONSTRAINED",
                facts={"rule": "LATEST_PHASED"},
            ),
            Do("archiveReleases", {"releaseIds": ["@r2"]}),
            release("r3", "b3"),
            Ask("d1", "UPDATE", "r3", (("r2", "ARCHIVED"), ("r3", "SELECTED"))),
            Ask("d2", "UPDATE", "r3", (("r2", "ARCHIVED"), ("r3", "SELECTED"))),
            Ask("d1", "UPDATE", "r3", (("r3", "SELECTED"),), {"releaseId": "@r2"}),
        ),
    ),
    Scenario(
        "A claimer who leaves",
        "A claim ends when its device leaves the cohort, and its place is free again. Coming back,"
        " the device is one of many.",
        (
            release("r1", "b1"),
            release("r2", "b2", phase={"value": 0.5}),
            Ask("d1", "UPDATE", "r2", (("r2", "SELECTED"),), {"releaseId": "@r1"}, claims=True),
            Ask(
                "d2",
                "NO_UPDATE",
                None,
                (("r2", "PHASE_FULL"),),
                {"releaseId": "@r1"},
                claims=True,
                facts={"limit": 1, "claims": 1, "devices": 2},
            ),
            Do("updateDevice", {"deviceId": "@d1", "cohortId": None}),
            Ask("d1", "NO_UPDATE", None, ((None, "NO_COHORT"),)),
            Ask("d2", "UPDATE", "r2", (("r2", "SELECTED"),), claims=True),
            Do("updateDevice", {"deviceId": "@d1", "cohortId": "@stable"}),
            Ask(
                "d1",
                "NO_UPDATE",
                None,
                (("r2", "PHASE_FULL"),),
                facts={"limit": 1, "claims": 1, "devices": 2},
            ),
        ),
    ),
    Scenario(
        "The last place raced for",
        "Of two devices that poll for the last place of a phase, one gets it. The other is"
        " answered as if the phase were full, which it is; and asking again changes nothing.",
        (
            release("r1", "b1"),
            release("r2", "b2", phase={"value": 2}),
            Ask("d1", "UPDATE", "r2", (("r1", "SKIPPED"), ("r2", "SELECTED")), claims=True),
            Race(
                ("d2", "d3"),
                (
                    ("r2", (("r1", "SKIPPED"), ("r2", "SELECTED"))),
                    ("r1", (("r2", "PHASE_FULL"), ("r1", "SELECTED"))),
                ),
            ),
            Race(
                ("d1", "d2", "d3"),
                (
                    ("r2", (("r1", "SKIPPED"), ("r2", "SELECTED"))),
                    ("r2", (("r1", "SKIPPED"), ("r2", "SELECTED"))),
                    ("r1", (("r2", "PHASE_FULL"), ("r1", "SELECTED"))),
                ),
            ),
        ),
    ),
    Scenario(
        "A destroyed binary replaced",
        "A release whose binary was destroyed serves nobody, and its bundle can't be released"
        " anew, until the same target of the same artifact version is signed again.",
        (
            Bundle("b1", (ARM,)),
            release("r1", "b1"),
            Ask("d1", "UPDATE", "r1", (("r1", "SELECTED"),)),
            Do("destroyBinary", {"binaryId": f"@b1/{ARM}"}, code="IMPACT_NOT_ACCEPTED"),
            Impact((f"b1/{ARM}",), {"r1": ("TARGET_LOST", "LATEST")}, losing=1, stuck=0),
            Do(
                "destroyBinary",
                {"binaryId": f"@b1/{ARM}", "planToken": "@token"},
                gives={"state": "DESTROYED"},
            ),
            Ask("d1", "NO_UPDATE", None, (("r1", "AFFECTED"),), facts={"target": ARM}),
            Do(
                "createRelease",
                {"name": "r2", "cohortId": "@stable", "bundleId": "@b1"},
                code="BUNDLE_AFFECTED",
            ),
            Upload("replacement", "b1/version", ARM, b"mended"),
            Verify("replacement", b"mended"),
            Ask("d1", "UPDATE", "r1", (("r1", "SELECTED"),)),
        ),
    ),
    Scenario(
        "A token used after one of three releases was archived",
        "A plan token accepts what it was shown, and less. Three releases would be affected; one"
        " is archived meanwhile, and the token of three still holds.",
        (
            release("r1", "b1"),
            release("r2", "b1", required=True),
            release("r3", "b1"),
            Impact(
                (f"b1/{PORTABLE}",),
                {
                    "r2": ("TARGET_LOST", "REQUIRED"),
                    "r3": ("TARGET_LOST", "LATEST"),
                    "r1": ("TARGET_LOST",),
                },
                losing=0,
                stuck=0,
            ),
            Do("archiveReleases", {"releaseIds": ["@r2"]}),
            Do(
                "destroyBinary",
                {"binaryId": f"@b1/{PORTABLE}", "planToken": "@token"},
                gives={"state": "DESTROYED", "destroyed": True},
            ),
            Accepted(f"b1/{PORTABLE}", ("r1", "r3")),
            Ask(
                "d1",
                "NO_UPDATE",
                None,
                (("r2", "ARCHIVED"), ("r3", "AFFECTED"), ("r1", "AFFECTED")),
            ),
        ),
    ),
    Scenario(
        "A reset while hashing",
        "What was uploaded is not what was declared, so the binary can't leave `HASHING`. Reset is"
        " the way out: it is uploaded anew, and the late verdict on the old bytes changes nothing.",
        (
            Bundle("b1", (PORTABLE,)),
            Upload("firmware", "b1/version", ARM, b"content", declared=b"Content"),
            Do("startBinaryHashing", {"binaryId": "@firmware"}, gives={"state": "HASHING"}),
            Resolve("b1/version", ARM, "PORTABLE_MATCHED", f"b1/{PORTABLE}", "SIGNED"),
            Do(
                "destroyBinary",
                {"binaryId": "@firmware"},
                code="INVALID_TRANSITION",
                facts={"state": "HASHING", "availableTransitions": ["RESET"]},
            ),
            Do(
                "resetBinary",
                {"binaryId": "@firmware"},
                gives={"state": "UPLOADABLE", "bytesUploaded": "0"},
            ),
            UploadAgain("firmware", b"Content"),
            Verify("firmware", b"Content"),
            Resolve("b1/version", ARM, "TARGET_MATCHED", "firmware", "SIGNED"),
        ),
    ),
    Scenario(
        "A signed portable binary beside a destroyed target-specific one",
        "The portable binary is the one that resolves, and yet the release serves nobody: a"
        " portable binary does not stand in for a destroyed one, for devices of any target.",
        (
            Bundle("b1", (ARM, PORTABLE)),
            release("r1", "b1"),
            Do("createProduct", {"name": "server", "target": X86}, saves="server"),
            Do("createCohort", {"productId": "@server", "name": "edge"}, saves="edge"),
            Do(
                "createDevice",
                {"productId": "@server", "cohortId": "@edge", "identifier": "rack"},
                saves="rack",
            ),
            release("r2", "b1", cohort="edge"),
            Ask("rack", "UPDATE", "r2", (("r2", "SELECTED"),)),
            Ask("d1", "UPDATE", "r1", (("r1", "SELECTED"),)),
            Impact(
                (f"b1/{ARM}",),
                {"r1": ("TARGET_LOST", "LATEST"), "r2": ("TARGET_LOST", "LATEST")},
                losing=2,
                stuck=0,
            ),
            Do(
                "destroyBinary",
                {"binaryId": f"@b1/{ARM}", "planToken": "@token"},
                gives={"state": "DESTROYED"},
            ),
            Resolve("b1/version", ARM, "PORTABLE_MATCHED", f"b1/{PORTABLE}", "SIGNED"),
            Ask("d1", "NO_UPDATE", None, (("r1", "AFFECTED"),), facts={"target": ARM}),
            Ask("rack", "NO_UPDATE", None, (("r2", "AFFECTED"),), facts={"target": ARM}),
        ),
    ),
    Scenario(
        "Pinned and quarantined",
        "A pinned device gets its one release and nothing else; quarantine outranks the pin and"
        " leaves it in place.",
        (
            release("r1", "b1"),
            release("r2", "b2"),
            Do("pinDevice", {"deviceId": "@d1", "releaseId": "@r1"}),
            Ask("d1", "UPDATE", "r1", (("r1", "PINNED"),)),
            Do("quarantineDevice", {"deviceId": "@d1"}, gives={"quarantined": True}),
            Ask("d1", "DEVICE_QUARANTINE", None, ((None, "QUARANTINED"),)),
            Do("releaseDeviceFromQuarantine", {"deviceId": "@d1"}, gives={"quarantined": False}),
            Ask("d1", "UPDATE", "r1", (("r1", "PINNED"),)),
            Ask("d1", "NO_UPDATE", None, ((None, "UP_TO_DATE"),), {"releaseId": "@r1"}),
            Do("unpinDevice", {"deviceId": "@d1"}),
            Ask("d1", "UPDATE", "r2", (("r2", "SELECTED"),), {"releaseId": "@r1"}),
        ),
    ),
    Scenario(
        "An archived product",
        "The devices of an archived product get no update, and it takes no new device, cohort or"
        " release. Archiving a product can be taken back.",
        (
            release("r1", "b1"),
            Ask("d1", "UPDATE", "r1", (("r1", "SELECTED"),)),
            Do("archiveProduct", {"productId": "@router"}, gives={"archived": True}),
            Ask("d1", "NO_UPDATE", None, ((None, "PRODUCT_ARCHIVED"),)),
            Do(
                "createDevice",
                {"productId": "@router", "cohortId": "@stable", "identifier": "late"},
                code="PRODUCT_ARCHIVED",
            ),
            Do(
                "createRelease",
                {"name": "r2", "cohortId": "@stable", "bundleId": "@b1"},
                code="PRODUCT_ARCHIVED",
            ),
            Do(
                "archiveProduct",
                {"productId": "@router", "archived": False},
                gives={"archived": False},
            ),
            Ask("d1", "UPDATE", "r1", (("r1", "SELECTED"),)),
        ),
    ),
)
