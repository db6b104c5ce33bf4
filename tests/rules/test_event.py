import re
from pathlib import Path

import pytest

from app.rules.binary import Move
from app.rules.errors import BadUserInput
from app.rules.event import KINDS, kinds

ACTIONS = Path(__file__).parents[2] / "app" / "actions"
PATH = ("input", "eventKinds")


def test_the_kinds_are_those_that_are_recorded() -> None:
    written = {
        found
        for path in ACTIONS.glob("*.py")
        for found in re.findall(r'"([a-z_]+\.[a-z_]+)"', path.read_text(encoding="utf-8"))
    }
    moves = {f"binary.{move.lower()}" for move in Move}
    assert written | moves | {"webhook.test"} == set(KINDS)
    assert list(KINDS) == sorted(KINDS)


def test_no_kinds_are_all_kinds() -> None:
    assert kinds(None, path=PATH) is None


def test_kinds_are_kept_once_and_in_order() -> None:
    found = kinds(["release.create", "binary.sign", "release.create"], path=PATH)
    assert found == ["binary.sign", "release.create"]


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(BadUserInput, match="is empty, so nothing would ever be sent") as refused:
        kinds([], path=PATH)
    assert refused.value.path == PATH


def test_an_unknown_kind_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(BadUserInput, match=r"binary\.destroy, binary\.finish_upload") as refused:
        kinds(["binary.sign", "binary.destory"], path=PATH)
    assert refused.value.path == (*PATH, "1")
    assert refused.value.message.startswith("input.eventKinds.1 is no kind of event.")
