#!/usr/bin/env bash
# The benchmarks: makes the data once, runs the exporter and its peers in turns on one ClickHouse and one store, and prints
# the ratios that the goals are stated in. Figures also go into a JSON file.
#
#   scripts/bench.sh                 the reference day (1.5 GiB), three rounds each after one to warm up
#   scripts/bench.sh --quick         a tenth of it, one round
#   scripts/bench.sh --big           also the exporter's memory for a day of 10 GiB
#   scripts/bench.sh --micro         then the micro benchmarks too: bridge, dedup index, encoder, parts of ingestion
#   scripts/bench.sh --ingest ...    ingestion instead: HTTP to rows against plain inserts, CPU an event, time to the row;
#                                    its own arguments: --quick, --rounds N, --backlog, --parts load,latency,backlog, --json FILE
#   scripts/bench.sh --isolation ...  what readers, ingestion and an export do to each other: table and plots (about 20 minutes);
#                                    its own arguments: --quick, --span S, --days N, --queries QPS, --events RATE, --rows NAME,
#                                    --step, --json FILE
#   scripts/bench.sh --flood ...     what one project's flood does to nine others: time to the row without and with it (about 4
#                                    minutes); its own arguments: --quick, --span S, --rate EVENTS, --times N, --json FILE
#   scripts/bench.sh --queries ...   what pages and routes read, against the reference's queries, on 5 million observations (made once);
#                                    its own arguments: --quick, --rounds N, --page NAME, --json FILE
#   scripts/bench.sh ARGS...         --store local, --rounds N, --sides tracemill,reference, --json FILE
#
# Needs cargo, python3 with pip, npm (which fetches the ClickHouse library once), and 10 GB of disk (40 GB with --big) in the
# cache folder ($TRACEMILL_CACHE, else $XDG_CACHE_HOME/tracemill, else ~/.cache/tracemill); TRACEMILL_BENCH_DIR names another
# folder. Measure on a machine that does nothing else.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${TRACEMILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/tracemill}
folder=${TRACEMILL_BENCH_DIR:-$cache/bench}
target=${CARGO_TARGET_DIR:-$root/target}/release

micro=no
ingest=no
isolation=no
flood=no
queries=no
json=
args=()
while [[ $# -gt 0 ]]; do
    case $1 in
        --micro) micro=yes ;;
        --ingest) ingest=yes ;;
        --isolation) isolation=yes ;;
        --flood) flood=yes ;;
        --queries) queries=yes ;;
        --json) json=${2:?--json needs a file}; shift ;;
        *) args+=("$1") ;;
    esac
    shift
done

# The Python peer in an environment of its own, made anew when its pinned packages change. Prints its python, or nothing.
peer_python() {
    local digest place
    digest=$(python3 -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()[:16])' \
        "$root/benches/requirements.txt")
    place=$folder/python-$digest
    if [[ ! -e $place/.complete ]]; then
        echo "bench: installing clickhouse-connect and pyarrow into $place" >&2
        rm -rf "$folder"/python-*
        export PIP_DISABLE_PIP_VERSION_CHECK=1
        if python3 -m venv "$place" 2>/dev/null; then
            timeout 600 "$place/bin/python" -m pip install --quiet -r "$root/benches/requirements.txt" >&2 || return 1
        else
            # Debian ships python3 without venv: a folder of packages, and a python that finds them, do as well.
            rm -rf "$place"
            mkdir -p "$place/bin"
            timeout 600 python3 -m pip install --quiet --target "$place/packages" -r "$root/benches/requirements.txt" >&2 \
                || return 1
            printf '#!/bin/sh\nPYTHONPATH=%s exec python3 "$@"\n' "'$place/packages'" >"$place/bin/python"
            chmod +x "$place/bin/python"
        fi
        touch "$place/.complete"
    fi
    echo "$place/bin/python"
}

mkdir -p "$folder"
# One run at a time: two would measure each other, and share the folder.
if command -v flock >/dev/null; then
    exec 9>"$folder/.lock"
    flock --nonblock 9 || { echo "bench: another run is under way in $folder" >&2; exit 1; }
fi
if ! command -v clickhouse >/dev/null 2>&1; then
    sh "$root/scripts/clickhouse-library.sh" >/dev/null
fi
cargo build --release --locked --manifest-path "$root/Cargo.toml" --package tracemill-pipeline --package tracemill-benches
if [[ $ingest == yes ]]; then
    exec "$target/ingest" "${args[@]}" --dir "$folder" --json "${json:-$folder/ingest.json}" --tracemill "$target/tracemill" 9>&-
fi
if [[ $isolation == yes ]]; then
    exec "$target/isolation" "${args[@]}" --dir "$folder" --json "${json:-$folder/isolation.json}" --tracemill "$target/tracemill" 9>&-
fi
if [[ $flood == yes ]]; then
    exec "$target/flood" "${args[@]}" --dir "$folder" --json "${json:-$folder/flood.json}" --tracemill "$target/tracemill" 9>&-
fi
if [[ $queries == yes ]]; then
    exec "$target/queries" "${args[@]}" --dir "$folder" --json "${json:-$folder/queries.json}" --tracemill "$target/tracemill" 9>&-
fi
if python=$(peer_python); then
    args+=(--python "$python")
else
    echo "bench: the Python peer could not be installed: it is left out" >&2
fi

"$target/export" "${args[@]}" --dir "$folder" --json "${json:-$folder/bench.json}" --root "$root" --tracemill "$target/tracemill" 9>&-

if [[ $micro == yes ]]; then
    for name in bridge dedup encode ingest_parts; do
        printf '\n==> %s\n' "$name"
        timeout 600 "$target/$name" 9>&-
    done
fi
