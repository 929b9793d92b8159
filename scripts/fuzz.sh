#!/bin/sh
# Fuzzes the decoders, one target after the other.
#
#   scripts/fuzz.sh                    60 seconds a target
#   scripts/fuzz.sh 1200               1200 seconds a target
#   scripts/fuzz.sh 1200 otlp jobs     these targets alone
#
# It begins with the seeds of tests/fuzz and what the clients sent in tests/fixtures/sdk. $TRACEMILL_FUZZ_SANITIZER is
# `none` unless set: `address` is slower and looks at the C code too. What is found on the way is kept below
# target/fuzz/corpus; a crash ends the script, and is below target/fuzz/artifacts.
#
# Needs rustup's nightly toolchain, and a C++ compiler.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
target="${CARGO_TARGET_DIR:-$root/target}/fuzz"
corpus="$target/corpus"
seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- otlp ingestion jobs

# The versions are those of the workspace; what only the fuzzer needs is pinned in its own file.
cp "$root/Cargo.lock" "$root/tests/fuzz/targets/Cargo.lock"

PATH="$target/tools/bin:$PATH"
command -v cargo-fuzz >/dev/null 2>&1 || cargo install cargo-fuzz --version 0.13.2 --locked --root "$target/tools"
rustup run nightly rustc --version >/dev/null 2>&1 || {
    echo "fuzz: a nightly compiler is needed: rustup toolchain install nightly" >&2
    exit 1
}

# The first two bytes choose how a target reads the rest: see tests/fuzz/src.
seed() { # target, name, chooser, file or - for standard input
    { printf '%s' "$3"; cat "$4"; } > "$corpus/$1/seed-$2"
}

captured() { # folder
    for file in "$1"/*; do
        name=$(basename "$file")
        case $name in
            *headers*) ;;
            *otlp.json | *otlp.decoded.json)
                seed otlp "$name" 10 "$file"
                seed otlp "$name-stored" 2p "$file"
                ;;
            *otlp*.pb) seed otlp "$name" 00 "$file" ;;
            *otlp*.pb.gz) seed otlp "$name" 40 "$file" ;;
            *scores.json) seed ingestion "$name" 80 "$file" ;;
            *ingestion.json) seed ingestion "$name" 00 "$file" ;;
        esac
    done
}

mkdir -p "$corpus/otlp" "$corpus/ingestion" "$corpus/jobs"
for file in "$root"/tests/fuzz/seeds/otlp-*.json; do
    seed otlp "$(basename "$file")" 10 "$file"
done
for file in "$root"/tests/fuzz/seeds/batch-*.json; do
    seed ingestion "$(basename "$file")" 00 "$file"
done
for file in "$root"/tests/fuzz/seeds/events-*.json; do
    seed ingestion "$(basename "$file")" 40 "$file"
    seed ingestion "$(basename "$file")-internal" 60 "$file"
done
for file in "$root"/operators/src/decode/events/fixtures/*.json; do
    case $file in
        *-scores.json) seed ingestion "$(basename "$file")" 80 "$file" ;;
    esac
    seed ingestion "$(basename "$file")" 00 "$file"
done
# A file of jobs holds one a line: the chooser, then the payload or path, whose lines are divided by a vertical bar.
for file in "$root"/tests/fuzz/seeds/jobs-*.txt; do
    number=0
    while IFS= read -r line; do
        number=$((number + 1))
        printf '%s' "$line" | tr '|' '\n' > "$corpus/jobs/seed-$(basename "$file")-$number"
    done < "$file"
done
captured "$root/tests/fixtures/sdk"

mkdir -p "$target/artifacts"
for name in "$@"; do
    echo "fuzz: $name for $seconds s"
    mkdir -p "$target/artifacts/$name"
    cargo +nightly fuzz run --fuzz-dir "$root/tests/fuzz/targets" --target-dir "$target" --release --debug-assertions \
        --sanitizer "${TRACEMILL_FUZZ_SANITIZER:-none}" "$name" "$corpus/$name" -- \
        -max_total_time="$seconds" -max_len=20000 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -dict="$root/tests/fuzz/words.dict" -artifact_prefix="$target/artifacts/$name/"
done
