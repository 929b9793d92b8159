#!/bin/sh
# Installs the real clients that tests/clients runs, once, into the cache folder:
#   $TRACEMILL_CACHE, else $XDG_CACHE_HOME/tracemill, else ~/.cache/tracemill
# below services/clients/: a Python environment for every tests/clients/python/*.txt (bin/python in it) and a folder of npm
# packages for every tests/clients/node/*/package-lock.json. Needs python3 with pip, node and npm. All versions are pinned.
# Does nothing for what has not changed since the last run, and the rest at the same time. Prints the folder.
#
#   scripts/test-clients.sh          install both
#   scripts/test-clients.sh python   one of them
#   scripts/test-clients.sh node
set -eu

die() {
    echo "test-clients: $*" >&2
    exit 1
}

root=$(cd "$(dirname "$0")/.." && pwd)
cache=${TRACEMILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?neither TRACEMILL_CACHE nor HOME is set}/.cache}/tracemill}
clients=$cache/services/clients
mkdir -p "$clients"

command -v python3 >/dev/null || die "python3 is needed"

# Two runs at once wait for each other, where there is flock.
if [ -z "${TRACEMILL_CLIENTS_LOCKED:-}" ] && command -v flock >/dev/null; then
    export TRACEMILL_CLIENTS_LOCKED=1
    exec flock "$clients/.lock" sh "$0" "$@"
fi

digest() {
    cat "$@" | python3 -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest()[:16])'
}

# A link is switched when its folder is complete, so an interrupted run leaves nothing half installed in use.
switch() { # name folder
    ln -sfn "$2" "$clients/$1"
    for old in "$clients/.$1"-*; do
        [ "$old" = "$2" ] || rm -rf "$old"
    done
}

install_python() { # requirements file
    name=$(basename "$1" .txt)
    folder=$clients/.$name-$(digest "$1")
    if [ ! -e "$folder/.complete" ]; then
        echo "test-clients: installing $name" >&2
        rm -rf "$folder"
        export PIP_DISABLE_PIP_VERSION_CHECK=1
        if python3 -m venv "$folder" 2>/dev/null; then
            "$folder/bin/python" -m pip install --quiet --no-deps -r "$1" >&2 || die "pip failed for $name"
        else
            # Debian ships python3 without venv: a folder of packages, and a python that finds them, do as well.
            rm -rf "$folder"
            mkdir -p "$folder/bin"
            python3 -m pip install --quiet --no-deps --target "$folder/packages" -r "$1" >&2 || die "pip failed for $name"
            printf '#!/bin/sh\nPYTHONPATH=%s exec python3 "$@"\n' "'$folder/packages'" >"$folder/bin/python"
            chmod +x "$folder/bin/python"
        fi
        "$folder/bin/python" -c 'import langfuse' || die "$name does not start; see above"
        touch "$folder/.complete"
    fi
    switch "$name" "$folder"
}

install_node() { # folder with package.json and package-lock.json
    name=js-$(basename "$1")
    folder=$clients/.$name-$(digest "$1/package.json" "$1/package-lock.json")
    if [ ! -e "$folder/.complete" ]; then
        echo "test-clients: installing $name" >&2
        rm -rf "$folder"
        mkdir -p "$folder"
        cp "$1/package.json" "$1/package-lock.json" "$folder/"
        said=$(cd "$folder" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error 2>&1) ||
            die "npm failed for $name: $said"
        touch "$folder/.complete"
    fi
    switch "$name" "$folder"
}

# Runs a function for each of several things at once; fails where one of them does.
each() { # function things...
    function=$1
    shift
    jobs=
    for thing in "$@"; do
        "$function" "$thing" &
        jobs="$jobs $!"
    done
    failed=0
    for job in $jobs; do wait "$job" || failed=1; done
    return $failed
}

all_python() {
    each install_python "$root"/tests/clients/python/*.txt || die "not all Python packages are installed"
}

all_node() {
    command -v npm >/dev/null || die "npm is needed (with node 20 or newer)"
    each install_node "$root"/tests/clients/node/*/ || die "not all npm packages are installed"
}

case "${1:-all}" in
    all)
        all_node &
        nodes=$!
        all_python
        wait "$nodes" || exit 1
        ;;
    python) all_python ;;
    node) all_node ;;
    *) die "unknown part $1: python or node" ;;
esac
echo "$clients"
