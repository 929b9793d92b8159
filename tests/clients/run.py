"""Runs the real clients against a server, and judges the rows that come of it.

    run.py --packages DIR --out DIR [--clickhouse URL --project ID] [--only NAME...] [--wait SECONDS] [--at-once N]

The packages are those that scripts/test-clients.sh installed; it prints their folder. The server and its keys are in the
environment: TRACEMILL_URL, TRACEMILL_PUBLIC_KEY, TRACEMILL_SECRET_KEY; the project should be empty. What each client says that
it did goes to a file in --out. Prints a table, and what is wrong. Exits with 1 where a client failed or, with --clickhouse, a row is not as it was sent.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
# Name -> its packages, its script.
CLIENTS = {
    "python-2": ("langfuse-2", "python/ingestion_client.py"),
    "python-3": ("langfuse-3", "python/otel_client.py"),
    "python-4": ("langfuse-4", "python/otel_client.py"),
    "python-5": ("langfuse-5", "python/otel_client.py"),
    "pydantic-ai": ("pydantic-ai", "python/pydantic_ai_client.py"),
    "js-3": ("js-langfuse-3", "node/ingestion_client.mjs"),
    "js-4": ("js-otel-4", "node/otel_client.mjs"),
    "js-5": ("js-otel-5", "node/otel_client.mjs"),
    "ai-5": ("js-otel-5", "node/ai_client.mjs"),
}


def run(name, packages, out):
    """How the client ended (empty: well) and after how many seconds; its own words go to a file."""
    folder, script = packages / CLIENTS[name][0], HERE / CLIENTS[name][1]
    python = script.suffix == ".py"
    command = [folder / "bin" / "python", "-W", "ignore", script] if python else ["node", script]
    environment = os.environ | {"TRACEMILL_CLIENT_PACKAGES": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    began = time.monotonic()
    with open(out / f"{name}.json", "wb") as said:
        try:
            code = subprocess.run(command, env=environment, stdout=said, timeout=120).returncode
            end = f"ended with {code}" if code else ""
        except subprocess.TimeoutExpired:
            end = "no end within 120 s"
    return end, time.monotonic() - began


def judged(options, files):
    """The judge's report, {} without a ClickHouse."""
    if not options.clickhouse:
        return {}
    command = [sys.executable, HERE / "judge.py", "--clickhouse", options.clickhouse, "--project", options.project]
    found = subprocess.run([*command, "--wait", str(options.wait), *files], stdout=subprocess.PIPE)
    return json.loads(found.stdout) if found.stdout else {"right": False, "rows": {}, "faults": {"judge": [f"ended with {found.returncode}"]}}


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--packages", type=pathlib.Path, required=True)
    options.add_argument("--out", type=pathlib.Path, required=True)
    options.add_argument("--clickhouse")
    options.add_argument("--project")
    options.add_argument("--only", nargs="+", choices=CLIENTS, default=list(CLIENTS))
    options.add_argument("--wait", type=float, default=15)
    options.add_argument("--at-once", type=int, default=4, help="how many clients run at the same time")
    options = options.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(options.at_once) as pool:
        ends = dict(zip(options.only, pool.map(lambda name: run(name, options.packages, options.out), options.only)))
    said = {name: path for name in options.only if (path := options.out / f"{name}.json").stat().st_size}
    report = judged(options, said.values())
    faults = report.get("faults", {})
    print(f"{'client':12} {'package':24} {'seconds':>7} {'rows':>5}  verdict")
    for name, (end, seconds) in ends.items():
        sdk = json.loads(said[name].read_text())["sdk"] if name in said else "?"
        verdict = end or (f"{len(faults[sdk])} faults" if sdk in faults else "right" if report else "ended well")
        print(f"{name:12} {sdk:24} {seconds:7.1f} {report.get('rows', {}).get(sdk, '-'):>5}  {verdict}")
    for sdk, found in faults.items():
        print(f"\n{sdk}:", *found, sep="\n  ")
    return 0 if report.get("right", True) and not any(end for end, _ in ends.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
