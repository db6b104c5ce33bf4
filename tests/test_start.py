"""What a start does not wait for, and what it leaves behind."""

from __future__ import annotations

import subprocess
import sys

import pytest


def said(program: str) -> str:
    """What a Python of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("module", ["aiobotocore", "botocore"])
def test_the_client_of_buckets_is_imported_where_there_is_a_bucket_alone(module: str) -> None:
    assert said(f"import sys, app.cli; print({module!r} in sys.modules)") == "False\n"


def test_the_collector_is_spared_what_a_start_has_made() -> None:
    program = "import gc; from app import cli, listening; listening.spare_what_stays()"
    kept, threshold = said(
        f"{program}; print(gc.get_freeze_count(), gc.get_threshold()[0])"
    ).split()
    assert int(kept) > 100_000
    assert int(threshold) == 50_000
