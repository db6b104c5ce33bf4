import shutil
import subprocess
from pathlib import Path

import pytest

from app.rules.errors import BadUserInput
from app.rules.target import is_portable, target, triplet

PATH = ("input", "target")
FIXTURE = Path(__file__).parents[2] / "fixtures" / "targets.txt"
FORM = (
    "a target triplet, two to four parts of letters, digits, '_' and '.' joined by '-', "
    "at most 128 characters, such as 'arm-linux-androidabi'"
)

NO_TRIPLETS = [
    "",
    "a",
    "Portable",
    "PORTABLE",
    "portable ",
    "-",
    "a-",
    "-a",
    "a--b",
    "a-b-c-d-e",
    "arm linux",
    "arm-linux\n",
    " arm-linux",
    "arm/linux-gnu",
    "arm-linux+gnu",
    "arm-l\N{LATIN SMALL LETTER I WITH DIAERESIS}nux",
    "arm-\N{ARABIC-INDIC DIGIT ONE}",
    "a-" + "b" * 127,
]


def listed() -> list[str]:
    lines = FIXTURE.read_text(encoding="ascii").splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_every_listed_target_passes() -> None:
    names = listed()
    assert len(names) == 320
    assert names == sorted(set(names))
    assert [target(name, path=PATH) for name in names] == names
    assert [triplet(name, path=PATH) for name in names] == names


def test_every_target_of_the_rustc_here_passes() -> None:
    rustc = shutil.which("rustc")
    if rustc is None:
        pytest.skip("rustc is not here: only the list in fixtures/targets.txt was compared")
    run = subprocess.run([rustc, "--print", "target-list"], capture_output=True, text=True)
    if run.returncode != 0:
        pytest.skip(f"rustc does not run here: {run.stderr.strip()}")
    names = run.stdout.split()
    assert len(names) > 100
    assert [target(name, path=PATH) for name in names] == names


@pytest.mark.parametrize("value", ["a-b", "a-b-c-d", "._-._", "portable-x", "a-" + "b" * 126])
def test_the_bounds_of_the_form_pass(value: str) -> None:
    assert target(value, path=PATH) == value
    assert triplet(value, path=PATH) == value


def test_portable_is_a_target_but_no_triplet() -> None:
    assert target("portable", path=PATH) == "portable"
    assert is_portable("portable")
    assert not is_portable("Portable")
    with pytest.raises(BadUserInput) as refused:
        triplet("portable", path=PATH)
    assert refused.value.message == (
        f"input.target must be {FORM}; 'portable' is for binaries alone."
    )
    assert refused.value.path == PATH


@pytest.mark.parametrize("value", NO_TRIPLETS)
def test_anything_else_is_refused_with_the_form_and_an_example(value: str) -> None:
    with pytest.raises(BadUserInput) as refused:
        target(value, path=PATH)
    assert refused.value.message == f"input.target must be 'portable', or {FORM}."
    assert refused.value.path == PATH
    with pytest.raises(BadUserInput):
        triplet(value, path=PATH)
