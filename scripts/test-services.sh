#!/bin/sh
# Installs what the tests run beside our own code, once, into the cache folder:
#   $TRACEMILL_CACHE, else $XDG_CACHE_HOME/tracemill, else ~/.cache/tracemill
# below services/: node/ (Azurite, from npm), python/ (moto, and the readers of exported files, from PyPI), bullmq/ (BullMQ 5
# and 6, from npm), schemathesis/ (from PyPI), clients/ (the SDKs of scripts/test-clients.sh), redis/ (a link to redis-server
# where there is one, else Debian's package), browser/ (playwright-core, from npm) and chromium/ (a link to chromium where
# there is one, else Debian's packages).
# Needs python3 with pip, node and npm. Versions are pinned by the package-lock.json of tests/servers, tests/node/bullmq and
# tests/browser, and the requirements.txt of tests/servers, tests/python and tests/read/schemathesis. Does nothing when these
# have not changed since the last run.
#
#   scripts/test-services.sh          install all
#   scripts/test-services.sh python   one of them
#   scripts/test-services.sh schemathesis
#   scripts/test-services.sh node
#   scripts/test-services.sh bullmq
#   scripts/test-services.sh redis
#   scripts/test-services.sh clients
#   scripts/test-services.sh browser
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

# Python packages of some requirements files, and a module that must start then.
install_pip() { # name module requirements...
    name=$1
    module=$2
    shift 2
    folder=$services/$name-$(digest "$@")
    if [ -e "$folder/.complete" ]; then
        switch "$name" "$folder"
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
    "$folder/bin/python" -c "import $module" || die "$module does not start; see above"
    touch "$folder/.complete"
    switch "$name" "$folder"
}

install_python() {
    set -- "$root/tests/servers/requirements.txt"
    [ ! -f "$root/tests/python/requirements.txt" ] || set -- "$@" "$root/tests/python/requirements.txt"
    install_pip python moto.server "$@"
}

install_schemathesis() {
    install_pip schemathesis schemathesis "$root/tests/read/schemathesis/requirements.txt"
}

# npm packages of one folder of the tests.
install_npm() { # name folder
    command -v npm >/dev/null || die "npm is needed (with node 20 or newer)"
    folder=$services/$1-$(digest "$root/$2/package.json" "$root/$2/package-lock.json")
    if [ -e "$folder/.complete" ]; then
        switch "$1" "$folder"
        return
    fi
    echo "test-services: installing npm packages into $folder" >&2
    rm -rf "$folder"
    mkdir -p "$folder"
    cp "$root/$2/package.json" "$root/$2/package-lock.json" "$folder/"
    (cd "$folder" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error) >&2 || die "npm failed"
    touch "$folder/.complete"
    switch "$1" "$folder"
}

# Redis 7 as the distribution has it. Without one installed, Debian's packages are unpacked into the cache: no root needed.
install_redis() {
    if [ -e "$services/redis/.complete" ]; then
        return
    fi
    folder=$services/redis-7
    rm -rf "$folder"
    mkdir -p "$folder/bin" "$folder/packages"
    if found=$(command -v redis-server); then
        ln -s "$found" "$folder/bin/redis-server"
    else
        command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || die "redis-server is needed: install Redis 7"
        echo "test-services: unpacking redis-server into $folder" >&2
        (cd "$folder/packages" && apt-get download -qq redis-tools redis-server libjemalloc2 liblzf1 libatomic1) >&2 ||
            die "apt-get cannot download redis-server; run apt-get update, or install Redis 7"
        for package in "$folder"/packages/*.deb; do
            dpkg-deb -x "$package" "$folder/root"
        done
        rm -rf "$folder/packages"
        libraries=$(dirname "$(find "$folder/root/usr/lib" -name 'libjemalloc.so*' | head -n 1)")
        printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "'$libraries'" "'$folder/root/usr/bin/redis-server'" \
            >"$folder/bin/redis-server"
        chmod +x "$folder/bin/redis-server"
    fi
    "$folder/bin/redis-server" --version >&2 || die "redis-server does not start; see above"
    touch "$folder/.complete"
    switch redis "$folder"
}

# Chromium as the distribution has it, with a font. Without one installed, Debian's packages and those that they need are
# unpacked into the cache: no root needed.
install_chromium() {
    if [ -e "$services/chromium/.complete" ]; then
        return
    fi
    folder=$services/chromium-debian
    rm -rf "$folder"
    mkdir -p "$folder/bin" "$folder/packages/partial"
    if found=$(command -v chromium); then
        ln -s "$found" "$folder/bin/chromium"
    else
        command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || die "chromium is needed: install it"
        echo "test-services: unpacking chromium into $folder" >&2
        download() {
            apt-get install -qq --yes --download-only --no-install-recommends -o Debug::NoLocking=1 \
                -o "Dir::Cache::archives=$folder/packages" chromium fonts-liberation fontconfig-config >&2
        }
        # Lists of packages that are old name versions that are gone; they can be renewed by root alone.
        download || { apt-get update -qq >&2 && download; } ||
            die "apt-get cannot download chromium; run apt-get update, or install it"
        for package in "$folder"/packages/*.deb; do
            dpkg-deb -x "$package" "$folder/root"
        done
        rm -rf "$folder/packages"
        printf '<?xml version="1.0"?>\n<fontconfig>\n<dir>%s</dir>\n<dir>/usr/share/fonts</dir>\n<cachedir>%s</cachedir>\n%s\n%s\n%s\n</fontconfig>\n' \
            "$folder/root/usr/share/fonts" "$folder/fonts" \
            '<alias><family>system-ui</family><prefer><family>Liberation Sans</family></prefer></alias>' \
            '<alias><family>sans-serif</family><prefer><family>Liberation Sans</family></prefer></alias>' \
            '<alias><family>monospace</family><prefer><family>Liberation Mono</family></prefer></alias>' >"$folder/fonts.conf"
        libraries=$(find "$folder/root" -name '*.so*' -exec dirname {} + | sort -u | tr '\n' ':')
        printf '#!/bin/sh\nFONTCONFIG_FILE=%s LD_LIBRARY_PATH=%s exec %s "$@"\n' "'$folder/fonts.conf'" "'$libraries'" \
            "'$folder/root/usr/lib/chromium/chromium'" >"$folder/bin/chromium"
        chmod +x "$folder/bin/chromium"
    fi
    "$folder/bin/chromium" --version >&2 || die "chromium does not start; see above"
    touch "$folder/.complete"
    switch chromium "$folder"
}

case "${1:-all}" in
    all)
        sh "$root/scripts/test-clients.sh" >/dev/null &
        clients=$!
        install_python
        install_schemathesis
        install_npm node tests/servers
        install_npm bullmq tests/node/bullmq
        install_npm browser tests/browser
        install_chromium
        install_redis
        wait "$clients" || die "the clients are not installed"
        ;;
    python) install_python ;;
    schemathesis) install_schemathesis ;;
    node) install_npm node tests/servers ;;
    bullmq) install_npm bullmq tests/node/bullmq ;;
    redis) install_redis ;;
    browser)
        install_npm browser tests/browser
        install_chromium
        ;;
    clients) sh "$root/scripts/test-clients.sh" >/dev/null ;;
    *) die "unknown part $1: python, schemathesis, node, bullmq, redis, browser or clients" ;;
esac
echo "$services"
