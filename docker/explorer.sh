#!/bin/sh
# Builds the explorer, with the locked packages, into app/explorer/dist.
set -eu

cd app/explorer
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
npm --loglevel=error run build
