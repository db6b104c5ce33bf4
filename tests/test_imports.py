"""What a start does not import, because it would wait for it."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["aiobotocore", "botocore"])
def test_the_client_of_buckets_is_imported_where_there_is_a_bucket_alone(module: str) -> None:
    program = f"import sys, app.cli; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
