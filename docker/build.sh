#!/bin/sh
# Builds the wheel of the source in the working directory, with the locked build tools, and adds it
# to the environment that install.sh made.
# IMAGE_ROOT is a folder that stands for "/" where the script runs outside an image.
set -eu

venv=${IMAGE_ROOT:-}/opt/bindery/venv

python3 -m venv build-tools
build-tools/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check \
    --require-hashes --requirement requirements/build.txt
build-tools/bin/python -m pip wheel --quiet --no-cache-dir --disable-pip-version-check \
    --no-deps --no-build-isolation --wheel-dir dist .
"$venv/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check \
    --no-deps --no-index dist/bindery-*.whl
"$venv/bin/python" -m pip check --disable-pip-version-check
