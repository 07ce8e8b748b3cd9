"""The whole step as a runner starts it: start.sh on a private engine and a local ECR, five times.

The first run makes the step's Python environment, as every job of a hosted runner does; the others
find it, as the second use in a job does. Own time is all but the build, the push and the scan.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dev.engine import Engine, Store
from local_ecr import LocalEcr

CHECKOUT = Path(__file__).resolve().parent.parent
RUNS = 5
STORES: tuple[Store, ...] = ("classic", "containerd")


def step(environment: dict[str, str]) -> str:
    """Run the step once; gives its log's line of durations."""
    began = time.monotonic()
    done = subprocess.run(
        [str(CHECKOUT / "start.sh")], env=environment, capture_output=True, text=True, check=False
    )
    wall = time.monotonic() - began
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    (line,) = re.findall(r"^Time: (.*) \(all but", done.stdout, re.MULTILINE)
    return f"wall {wall:5.2f} s; {line}"


def main() -> None:
    """Print one row per store and run."""
    for store in STORES:
        with (
            Engine(store=store) as engine,
            LocalEcr() as ecr,
            tempfile.TemporaryDirectory() as scratch,
        ):
            folder = Path(scratch)
            (folder / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
            (folder / "output").touch()
            environment = {
                "PATH": f"{CHECKOUT}/.cache/bin:{os.environ['PATH']}",
                "HOME": scratch,
                "UV_CACHE_DIR": f"{CHECKOUT}/.cache/uv-cache",
                "RUNNER_TEMP": scratch,
                "GITHUB_WORKSPACE": scratch,
                "GITHUB_OUTPUT": str(folder / "output"),
                "GITHUB_SHA": "0" * 40,
                "GITHUB_RUN_ID": "1",
                "ECR_PUBLISH_REPOSITORY": "bench",
                "ECR_PUBLISH_CREATE_REPOSITORY": "true",
                "ECR_PUBLISH_ROLE_TO_ASSUME": "arn:aws:iam::123456789012:role/bench",
                **ecr.environment(),
                **engine.environment(),
            }
            for number in range(RUNS):
                print(f"{store:10} run {number + 1}: {step(environment)}")  # noqa: T201


if __name__ == "__main__":
    main()
