#!/bin/sh
# Fetches the ClickHouse library that Tracemill's embedded engine runs, once per version, into the cache folder:
#   $TRACEMILL_CACHE, else $XDG_CACHE_HOME/tracemill, else ~/.cache/tracemill
# and prints the path of the library. Needs npm (which downloads), tar, and openssl or sha512sum with base64.
#
# The package is pinned by version and by the sha512 digest of its archive. Nothing appears under its final name before
# the digest was compared, so an interrupted run leaves no half library behind. Two runs at once wait for each other.
#
#   scripts/clickhouse-library.sh            fetch, or do nothing when it is there
#   scripts/clickhouse-library.sh ARCHIVE    unpack an archive that was downloaded elsewhere (same digest check)
set -eu

# `warehouse/src/embedded/find.rs` looks for the same version in the same folder.
version=26.7.3-stable.1

die() {
    echo "clickhouse-library: $*" >&2
    exit 1
}

# Digests as `npm view PACKAGE@VERSION dist.integrity` prints them.
digest=
case "$(uname -s)-$(uname -m)" in
    Linux-x86_64)
        package=@chdb/lib-linux-x64-gnu
        digest='XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw=='
        ;;
    Linux-aarch64) package=@chdb/lib-linux-arm64-gnu ;;
    Darwin-x86_64) package=@chdb/lib-darwin-x64 ;;
    Darwin-arm64) package=@chdb/lib-darwin-arm64 ;;
    *) die "no ClickHouse library for $(uname -s) $(uname -m): put a \`clickhouse\` binary on the PATH instead" ;;
esac
# Where no digest is pinned above, the person who fetches must give one: an unchecked library is never run.
digest=${digest:-${TRACEMILL_CLICKHOUSE_SHA512:-}}
[ -n "$digest" ] || die "no digest is pinned for $package: put a \`clickhouse\` binary on the PATH, or set
TRACEMILL_CLICKHOUSE_SHA512 to the part after \`sha512-\` of: npm view $package@$version dist.integrity"

cache=${TRACEMILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?neither TRACEMILL_CACHE nor HOME is set}/.cache}/tracemill}
folder=$cache/libchdb-$version
library=$folder/libchdb.so

if [ -f "$library" ]; then
    echo "$library"
    exit 0
fi
mkdir -p "$cache"

# One at a time. With flock the lock goes with the process, whatever ends it; the second run finds the library there.
if [ -z "${TRACEMILL_LIBRARY_LOCKED:-}" ] && command -v flock >/dev/null 2>&1; then
    echo "clickhouse-library: waiting for the lock of $cache" >&2
    TRACEMILL_LIBRARY_LOCKED=1 exec flock "$cache/.libchdb.lock" "$0" "$@"
fi

temporary=$(mktemp -d "$cache/.libchdb.XXXXXX")
trap 'rm -rf "$temporary"' EXIT
trap 'exit 130' INT TERM HUP

if [ $# -ge 1 ]; then
    archive=$1
else
    command -v npm >/dev/null 2>&1 || die "npm is not on the PATH: install it, or give a downloaded archive of $package@$version"
    echo "clickhouse-library: fetching $package@$version (180 MB packed, 570 MB unpacked)" >&2
    (cd "$temporary" && npm pack --silent "$package@$version" >/dev/null) || die "npm could not fetch $package@$version"
    set -- "$temporary"/*.tgz
    archive=$1
fi
[ -f "$archive" ] || die "no archive at $archive"

if command -v openssl >/dev/null 2>&1; then
    found=$(openssl dgst -sha512 -binary "$archive" | openssl base64 -A)
else
    found=$(sha512sum "$archive" | cut -d' ' -f1 | sed 's/../\\x&/g' | xargs -0 printf '%b' | base64 | tr -d '\n')
fi
[ "$found" = "$digest" ] || die "the archive is not the pinned one: sha512-$found, expected sha512-$digest"

mkdir "$temporary/new"
tar -xzf "$archive" -C "$temporary/new" --strip-components=1 package/libchdb.so package/package.json ||
    die "could not unpack $archive: is there 600 MB of room in $cache?"
chmod 0755 "$temporary/new" "$temporary/new/libchdb.so"
mv "$temporary/new" "$folder" 2>/dev/null || [ -f "$library" ] || die "could not move the library to $folder"
echo "$library"
