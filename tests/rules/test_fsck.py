"""What the damages promise: stable codes, each with one way to mend it."""

from __future__ import annotations

from app.rules.fsck import MEND, Damage, Finding


def test_each_damage_can_be_mended_in_one_sentence() -> None:
    assert MEND.keys() == set(Damage)
    assert all(text.endswith(".") and "\n" not in text for text in MEND.values())


def test_a_finding_is_told_by_its_code() -> None:
    finding = Finding(Damage.BLOB_ORPHAN, "ab" * 16, "No record names this file.")
    assert (finding.code, finding.subject) == ("BLOB_ORPHAN", "ab" * 16)
