"""Whether an answer rests on numbers of devices, claims or failures, before anybody asks for them.

Source of the rules: the domain, section 7, third and last bullet.
"""

from __future__ import annotations

from app.rules.cohort import CohortFacts, DeviceFacts
from app.rules.release import ReleaseFacts
from app.rules.resolution import start_of


def rests_on_counts(device: DeviceFacts, cohort: CohortFacts) -> bool:
    """Whether other numbers in `cohort` could make another answer for this device.

    Most devices of a settled fleet run the latest release, and are judged for none.
    """
    graph = cohort.graph
    if not graph.is_counted:
        return False
    pinned = graph.get(device.pinned_release_id)
    judged = graph.reach(start_of(device, cohort)) if pinned is None else (pinned,)
    return any(_is_counted(release, device) for release in judged)


def _is_counted(release: ReleaseFacts, device: DeviceFacts) -> bool:
    phased = release.phase_value is not None and release.id not in device.claims
    return phased or release.halt_after is not None
