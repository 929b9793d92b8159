#!/usr/bin/env bash
# Sets everything up and passes all tests, on a fresh machine or again:
#   formatting, lints, documentation, unit tests, the store and engine tests, and the whole-system tests.
#
#   scripts/test.sh            everything
#   scripts/test.sh quick      without the whole-system tests
#
# Needs cargo with rustfmt and clippy, a C compiler, python3 with pip, and npm with node. What it fetches goes into the
# cache folder ($TRACEMILL_CACHE, else $XDG_CACHE_HOME/tracemill, else ~/.cache/tracemill) and cargo's own. Uses
# cargo-nextest where it is installed, else `cargo test`. Works from any folder.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
what=${1:-all}
[[ $what == all || $what == quick ]] || { echo "test: unknown part $what: quick, or nothing" >&2; exit 2; }

if [[ ${CI:-} == true ]]; then
    export CARGO_TERM_PROGRESS_WHEN=never CARGO_INCREMENTAL=0
fi
export RUSTDOCFLAGS="${RUSTDOCFLAGS:-} -D warnings"

done_so_far=()
began=$SECONDS

step() { # name, command...
    local name=$1 start=$SECONDS
    shift
    printf '\n==> %s: %s\n' "$name" "$*"
    "$@" || { printf '\ntest: %s failed after %d s\n' "$name" $((SECONDS - start)) >&2; exit 1; }
    done_so_far+=("$(printf '%6d s  %s' $((SECONDS - start)) "$name")")
}

need() { # command, remedy
    command -v "$1" >/dev/null 2>&1 || { echo "test: $1 is needed: $2" >&2; exit 1; }
}

need cargo "install Rust"
need cc "install a C compiler (build-essential, gcc or clang)"
need python3 "install Python 3 with pip"
need npm "install node with npm"
cargo fmt --version >/dev/null 2>&1 || { echo "test: rustfmt is needed: rustup component add rustfmt" >&2; exit 1; }
cargo clippy --version >/dev/null 2>&1 || { echo "test: clippy is needed: rustup component add clippy" >&2; exit 1; }

step "formatting" cargo fmt --all --check
step "the ClickHouse library" sh scripts/clickhouse-library.sh
step "test services" sh scripts/test-services.sh
# With the same targets and features as the tests below, so that nothing is compiled twice.
step "release build" cargo build --release --locked --workspace --all-targets
step "lints" cargo clippy --locked --workspace --all-targets
step "documentation" cargo doc --locked --workspace --no-deps

cache=${TRACEMILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/tracemill}
step "Python tests" "$cache/services/python/bin/python" -m unittest discover --start-directory tests/python

# The whole-system tests run the binary of the release build; everything else is built in the same profile, so that the
# dependencies are compiled once.
if cargo nextest --version >/dev/null 2>&1; then
    parts=(--workspace)
    [[ $what == all ]] || parts+=(--exclude tracemill-tests)
    step "tests" cargo nextest run --release --locked "${parts[@]}"
else
    echo "test: cargo-nextest is not installed, using cargo test (cargo install cargo-nextest --locked is faster to run)"
    step "tests" cargo test --release --locked --workspace --exclude tracemill-tests --lib --bins --tests
    if [[ $what == all ]]; then
        step "system tests" cargo test --release --locked --package tracemill-tests --tests -- --test-threads=1
    fi
fi

printf '\nEverything passed in %d s:\n' $((SECONDS - began))
printf '%s\n' "${done_so_far[@]}"
