#!/usr/bin/env bash
# Sets everything up and runs the demo: synthetic agent runs sent as SDKs do, through ingestion into ClickHouse, out as Parquet.
#
#   scripts/demo.sh            into ./tracemill-demo
#   scripts/demo.sh ARGS...    arguments of `tracemill demo`: --dir FOLDER, --size medium, --fresh
#
# Needs cargo, a C compiler, and npm, which fetches the ClickHouse library once into the cache folder ($TRACEMILL_CACHE, else
# $XDG_CACHE_HOME/tracemill, else ~/.cache/tracemill). A `clickhouse` binary on the PATH does as well.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

need() { # command, remedy
    command -v "$1" >/dev/null 2>&1 || { echo "demo: $1 is needed: $2" >&2; exit 1; }
}

need cargo "install Rust from https://rustup.rs"
need cc "install a C compiler (build-essential, gcc or clang)"
if ! command -v clickhouse >/dev/null 2>&1; then
    sh "$root/scripts/clickhouse-library.sh"
fi
cargo build --release --locked --manifest-path "$root/Cargo.toml" --package tracemill-pipeline
exec "${CARGO_TARGET_DIR:-$root/target}/release/tracemill" demo "$@"
