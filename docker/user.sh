#!/bin/sh
# Makes the user that the server runs as, and its data folder. Numbers, so that a volume keeps its
# owner from one image to the next.
# IMAGE_ROOT is a folder that stands for "/" where the script runs outside an image; giving the
# data folder away needs root, and is left out without it.
set -eu

root=${IMAGE_ROOT:-}
id=10001

groupadd ${root:+--prefix "$root"} --gid "$id" bindery
useradd ${root:+--prefix "$root"} --uid "$id" --gid "$id" --no-log-init --no-create-home \
    --home-dir /data --shell /usr/sbin/nologin bindery
mkdir -m 0750 "$root/data"
if [ "$(id -u)" -eq 0 ]; then
    chown "$id:$id" "$root/data"
else
    echo "user.sh: not root, $root/data keeps its owner" >&2
fi
