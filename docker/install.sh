#!/bin/sh
# Installs the locked dependencies into the environment that the image runs from.
# IMAGE_ROOT is a folder that stands for "/" where the script runs outside an image.
set -eu

venv=${IMAGE_ROOT:-}/opt/bindery/venv

python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check \
    --require-hashes --requirement requirements/server.txt
