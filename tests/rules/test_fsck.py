"""What the damages promise: stable codes, each with one way to mend it."""

from __future__ import annotations

from app.rules.fsck import LEFTOVERS, MEND, REPAIR, Damage, Finding


def test_each_damage_can_be_mended_in_one_sentence() -> None:
    assert MEND.keys() == set(Damage)
    for text in (*MEND.values(), *REPAIR.values()):
        assert text.endswith(".")
        assert "\n" not in text


def test_what_a_server_does_by_itself_may_be_repaired() -> None:
    """What is left undone is no damage, and can't be beyond repair."""
    assert REPAIR.keys() > LEFTOVERS
    for code in Damage:
        assert Finding(code, "subject", "It is wrong.").is_damage is (code not in LEFTOVERS)


def test_a_finding_is_told_by_its_code() -> None:
    finding = Finding(Damage.BLOB_ORPHAN, "ab" * 16, "No record names this file.")
    assert (finding.code, finding.subject) == ("BLOB_ORPHAN", "ab" * 16)
