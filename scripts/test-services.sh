#!/bin/sh
# Installs what the tests run beside our own code, once, into the cache folder:
#   $TRACEMILL_CACHE, else $XDG_CACHE_HOME/tracemill, else ~/.cache/tracemill
# below services/: node/ (Azurite, from npm) and python/ (moto, and the readers of exported files, from PyPI).
# Needs python3 with pip, node and npm. Versions are pinned by tests/servers/package-lock.json and the requirements.txt
# of tests/servers and tests/python. Does nothing when these have not changed since the last run.
#
#   scripts/test-services.sh          install both
#   scripts/test-services.sh python   one of them
#   scripts/test-services.sh node
set -eu

die() {
    echo "test-services: $*" >&2
    exit 1
}

root=$(cd "$(dirname "$0")/.." && pwd)
cache=${TRACEMILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?neither TRACEMILL_CACHE nor HOME is set}/.cache}/tracemill}
services=$cache/services
mkdir -p "$services"

command -v python3 >/dev/null || die "python3 is needed"

# Two runs at once wait for each other, where there is flock.
if [ -z "${TRACEMILL_SERVICES_LOCKED:-}" ] && command -v flock >/dev/null; then
    export TRACEMILL_SERVICES_LOCKED=1
    exec flock "$services/.lock" sh "$0" "$@"
fi

digest() {
    cat "$@" | python3 -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest()[:16])'
}

# A link is switched when its folder is complete, so an interrupted run leaves nothing half installed in use.
switch() { # name folder
    ln -sfn "$2" "$services/$1"
    for old in "$services/$1"-*; do
        [ "$old" = "$2" ] || rm -rf "$old"
    done
}

install_python() {
    set -- "$root/tests/servers/requirements.txt"
    [ ! -f "$root/tests/python/requirements.txt" ] || set -- "$@" "$root/tests/python/requirements.txt"
    folder=$services/python-$(digest "$@")
    if [ -e "$folder/.complete" ]; then
        switch python "$folder"
        return
    fi
    echo "test-services: installing Python packages into $folder" >&2
    rm -rf "$folder"
    files=
    for file in "$@"; do files="$files -r $file"; done
    export PIP_DISABLE_PIP_VERSION_CHECK=1
    # shellcheck disable=SC2086 # the list of files is meant to be split; the root holds no spaces in CI
    if python3 -m venv "$folder" 2>/dev/null; then
        "$folder/bin/python" -m pip install --quiet $files >&2 || die "pip failed"
    else
        # Debian ships python3 without venv: a folder of packages, and a python that finds them, do as well.
        rm -rf "$folder"
        mkdir -p "$folder/bin"
        python3 -m pip install --quiet --target "$folder/packages" $files >&2 || die "pip failed; is python3-pip there?"
        printf '#!/bin/sh\nPYTHONPATH=%s exec python3 "$@"\n' "'$folder/packages'" >"$folder/bin/python"
        chmod +x "$folder/bin/python"
    fi
    "$folder/bin/python" -c 'import moto.server' || die "moto does not start; see above"
    touch "$folder/.complete"
    switch python "$folder"
}

install_node() {
    command -v npm >/dev/null || die "npm is needed (with node 20 or newer)"
    folder=$services/node-$(digest "$root/tests/servers/package.json" "$root/tests/servers/package-lock.json")
    if [ -e "$folder/.complete" ]; then
        switch node "$folder"
        return
    fi
    echo "test-services: installing npm packages into $folder" >&2
    rm -rf "$folder"
    mkdir -p "$folder"
    cp "$root/tests/servers/package.json" "$root/tests/servers/package-lock.json" "$folder/"
    (cd "$folder" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error) >&2 || die "npm failed"
    touch "$folder/.complete"
    switch node "$folder"
}

case "${1:-all}" in
    all)
        install_python
        install_node
        ;;
    python) install_python ;;
    node) install_node ;;
    *) die "unknown part $1: python or node" ;;
esac
echo "$services"
