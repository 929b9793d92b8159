"""Sends requests that the document of the API allows, and such that it forbids, and holds every answer against it.

    run.py FOLDER

Runs on the Python of scripts/test-services.sh. The server and its keys are in the environment: TRACEMILL_URL,
TRACEMILL_PUBLIC_KEY, TRACEMILL_SECRET_KEY. What it keeps goes to FOLDER. The requests are always the same. Exits with what
schemathesis exits with: 0 where nothing was found.
"""

import os
import pathlib
import sys

from schemathesis.cli import schemathesis

URL = os.environ["TRACEMILL_URL"]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    settings = pathlib.Path(__file__).with_name("schemathesis.toml")
    os.chdir(folder)
    os.environ["FORCE_COLOR"] = ""
    schemathesis(
        [
            "--config-file",
            str(settings),
            "run",
            f"{URL}/api/public/openapi.json",
            "--url",
            URL,
            "--auth",
            f"{os.environ['TRACEMILL_PUBLIC_KEY']}:{os.environ['TRACEMILL_SECRET_KEY']}",
            "--no-color",
        ]
    )


if __name__ == "__main__":
    main()
