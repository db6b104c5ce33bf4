#!/bin/bash
# Plays the Dockerfile without Docker: each stage is a folder in an empty temporary folder, COPY
# copies, RUN runs its script as an unprivileged user, and the result has to start.
# What it can't show: the base image itself, and what only root may do in it.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "docker-scripts: $*" >&2
    exit 1
}

# Root gives its rights away, for good; anybody else runs the scripts as they are.
if [ "$(id -u)" -eq 0 ]; then
    command -v setpriv >/dev/null || fail "as root this needs setpriv (Debian package util-linux)"
    drop=(setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs)
else
    drop=()
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir "$work/bin" "$work/home"

unprivileged() {
    ${drop[@]+"${drop[@]}"} env -u PYTHONPATH -u PYTHONHOME -u VIRTUAL_ENV HOME="$work/home" \
        PATH="$work/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" "$@"
}

# The image brings its Python; here it is the first one that the unprivileged user can run.
python=
for candidate in "${PYTHON:-}" "$(command -v python3 || true)" /usr/local/bin/python3 /usr/bin/python3; do
    candidate=$(command -v "$candidate" || true)
    if [ -n "$candidate" ] && unprivileged "$candidate" -c \
        'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "no Python 3.11 or newer with venv that an unprivileged user can run"
ln -s "$python" "$work/bin/python3"
unprivileged npm --version >/dev/null 2>&1 || fail "the stage of the explorer needs npm"

# What reaches the builder: what .dockerignore lets in, without what it then leaves out again.
context=$work/context
kept=()
left_out=()
while IFS= read -r line; do
    case $line in
        '' | '#'* | '*') ;;
        '!'*) kept+=("${line#!}") ;;
        *) left_out+=("--exclude=${line#\*\*/}") ;;
    esac
done <.dockerignore
mkdir "$context"
tar "${left_out[@]}" -cf - "${kept[@]}" | tar -C "$context" -xf -

# The path in the present stage of an image path, absolute or relative to WORKDIR.
inside() {
    case $1 in
        /*) echo "$work/$stage$1" ;;
        *) echo "$work/$stage$directory/$1" ;;
    esac
}

# Docker makes a file `target` of a file, and puts the content of a folder into the folder `target`.
copy() {
    local source=$1 target=$2
    if [ -d "$source" ]; then
        mkdir -p "$target"
        tar -C "$source" -cf - . | tar -C "$target" -xf -
    else
        case $target in */ | */.) mkdir -p "$target" ;; *) mkdir -p "$(dirname "$target")" ;; esac
        cp "$source" "$target"
    fi
}

stage=none
directory=/
continued=
while IFS= read -r line; do
    # Only instructions that change nothing here may go over several lines.
    previous=$continued
    case $line in *\\) continued=yes ;; *) continued= ;; esac
    [ -z "$previous" ] || continue
    read -ra words <<<"$line"
    case ${words[0]:-} in
        FROM | WORKDIR | COPY | RUN) [ -z "$continued" ] || fail "keep on one line: $line" ;;
    esac
    case ${words[0]:-} in
        FROM)
            stage=${words[3]:-final}
            directory=/
            mkdir -p "$work/$stage/etc"
            echo 'root:x:0:0:root:/root:/bin/sh' >"$work/$stage/etc/passwd"
            echo 'root:x:0:' >"$work/$stage/etc/group"
            ;;
        WORKDIR)
            directory=${words[1]}
            mkdir -p "$work/$stage$directory"
            ;;
        COPY)
            echo "[$stage] $line"
            last=$((${#words[@]} - 1))
            target=$(inside "${words[last]}")
            for word in "${words[@]:1:last-1}"; do
                case ${words[1]} in
                    --from=*)
                        [ "$word" = "${words[1]}" ] || copy "$work/${words[1]#--from=}$word" "$target"
                        ;;
                    -*) fail "unknown option: $line" ;;
                    *)
                        grep -qxF "!$word" .dockerignore || fail ".dockerignore keeps $word out"
                        copy "$context/$word" "$target"
                        ;;
                esac
            done
            ;;
        RUN)
            echo "[$stage] $line"
            [ "${#words[@]}" -eq 2 ] || fail "a RUN calls one script and nothing else: $line"
            [ "$(id -u)" -ne 0 ] || chown -R 65534:65534 "$work/$stage" "$work/home"
            (cd "$work/$stage$directory" && IMAGE_ROOT="$work/$stage" unprivileged "${words[1]}")
            ;;
        '' | '#'* | ENV | USER | VOLUME | EXPOSE | HEALTHCHECK | CMD) ;;
        *) fail "unknown instruction: $line" ;;
    esac
done <Dockerfile

# A script names its interpreter by the place that it was installed in, so that it is started
# through the one that was copied; the stages before are gone, as they are in an image.
find "$work" -mindepth 1 -maxdepth 1 ! -name final ! -name bin ! -name home -exec rm -rf {} +
venv=$work/final/opt/bindery/venv
cd "$work/home"
grep -q '^bindery:[^:]*:10001:10001:' "$work/final/etc/passwd" || fail "user.sh made no user"
unprivileged "$venv/bin/python" -I -c 'from importlib.metadata import version; version("bindery")'
help=$(unprivileged "$venv/bin/python" "$venv/bin/bindery" --help) || fail "bindery --help failed"
case $help in *bindery*) ;; *) fail "bindery --help printed no help" ;; esac
unprivileged "$venv/bin/python" - <<'PYTHON' || fail "the demo data is not in the installation"
import sys
from importlib.resources import files

sys.exit(not any((files("app") / "demo_data").iterdir()))
PYTHON
unprivileged "$venv/bin/python" - <<'PYTHON' || fail "of the explorer, not just what was built is in it"
import sys
from importlib.resources import files

explorer = files("app") / "explorer"
built = (explorer / "dist" / "index.html").is_file()
sys.exit(not built or [entry.name for entry in explorer.iterdir()] != ["dist"])
PYTHON
echo "docker-scripts: the Dockerfile's scripts pass, and the installation starts"
