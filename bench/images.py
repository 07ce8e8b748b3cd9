"""1, 5 and 20 images of a bake file: the step against buildx and `docker push` on the same engine.

Raw is what there is without the step: one `docker buildx bake --load`, then `docker push` of all
images, four at a time. The ratio is the step's wall time to raw and the slowest scan together; each
run has files of its own, so that nothing comes from a cache.
"""

from __future__ import annotations

import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import boto3

from dev.engine import Engine
from local_ecr import LocalEcr

CHECKOUT = Path(__file__).resolve().parent.parent
NUMBERS = (1, 5, 20)
RUNS = 5
FILE_BYTES = 3_000_000
SCAN_SECONDS = 6.0
AT_ONCE = 4


@dataclass(frozen=True, kw_only=True)
class Place:
    """A workspace on a private engine and a local ECR."""

    folder: Path
    host: str
    environment: dict[str, str]

    def fill(self, number: int) -> list[str]:
        """Write so many targets, each with content that was never there; give their names."""
        names = [f"image-{each}" for each in range(number)]
        for name in names:
            (self.folder / name).mkdir(exist_ok=True)
            (self.folder / name / "Dockerfile").write_text("FROM scratch\nCOPY content /\n")
            (self.folder / name / "content").write_bytes(secrets.token_bytes(FILE_BYTES))
        bake = {
            "group": {"default": {"targets": names}},
            "target": {name: {"context": name} for name in names},
        }
        (self.folder / "bake.json").write_text(json.dumps(bake))
        return names

    def run(self, *words: str) -> str:
        """Run a program, which succeeds; give its output."""
        done = subprocess.run(
            words,
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
        return done.stdout


def raw(place: Place, number: int) -> float:
    """Seconds of a bake and the pushes by hand."""
    names = place.fill(number)
    tags = {name: f"{place.host}/raw/{name}:{secrets.token_hex(4)}" for name in names}
    sets = [word for name, tag in tags.items() for word in ("--set", f"{name}.tags={tag}")]
    began = time.monotonic()
    place.run("docker", "buildx", "bake", "--provenance=false", "--load", "-f", "bake.json", *sets)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda tag: place.run("docker", "push", "--quiet", tag), tags.values()))
    return time.monotonic() - began


def ours(place: Place, number: int) -> float:
    """Seconds of the step, scans included."""
    place.fill(number)
    began = time.monotonic()
    place.run(str(CHECKOUT / "start.sh"))
    return time.monotonic() - began


def measure(place: Place, number: int) -> str:
    """One row of the table: medians, and the ratio of what they are."""
    found = [(raw(place, number), ours(place, number)) for _ in range(RUNS)]
    by_hand, step = (statistics.median(column) for column in zip(*found, strict=True))
    ratio = step / (by_hand + SCAN_SECONDS)
    return f"| {number} | {by_hand:.2f} | {SCAN_SECONDS:.2f} | {step:.2f} | {ratio:.2f} |"


def main() -> None:
    """Print the table."""
    with (
        Engine(store="classic") as engine,
        LocalEcr(scan_seconds=SCAN_SECONDS) as ecr,
        tempfile.TemporaryDirectory() as scratch,
    ):
        folder = Path(scratch)
        place = Place(folder=folder, host=ecr.host, environment=_environment(folder, ecr, engine))
        _prepare(place, ecr)
        print("| images | bake and push | slowest scan | the step | ratio |")  # noqa: T201
        print("|---:|---:|---:|---:|---:|")  # noqa: T201
        for number in NUMBERS:
            print(measure(place, number), flush=True)  # noqa: T201


def _environment(folder: Path, ecr: LocalEcr, engine: Engine) -> dict[str, str]:
    (folder / "output").touch()
    return {
        "PATH": f"{CHECKOUT}/.cache/bin:{os.environ['PATH']}",
        "HOME": str(folder),
        "UV_CACHE_DIR": f"{CHECKOUT}/.cache/uv-cache",
        "RUNNER_TEMP": str(folder),
        "GITHUB_WORKSPACE": str(folder),
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_SHA": "0" * 40,
        "GITHUB_RUN_ID": "1",
        "ECR_PUBLISH_REPOSITORY": "ours/{target}",
        "ECR_PUBLISH_BAKE_FILE": "bake.json",
        "ECR_PUBLISH_TAGS": "latest",
        "ECR_PUBLISH_CREATE_REPOSITORY": "true",
        "ECR_PUBLISH_ROLE_TO_ASSUME": "arn:aws:iam::123456789012:role/bench",
        **ecr.environment(),
        **engine.environment(),
    }


def _prepare(place: Place, ecr: LocalEcr) -> None:
    """Repositories, docker's login, and the step's own Python environment."""
    own = ecr.environment()
    api = boto3.client(
        "ecr",
        endpoint_url=ecr.url,
        region_name=own["AWS_REGION"],
        aws_access_key_id=own["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=own["AWS_SECRET_ACCESS_KEY"],
    )
    for number in range(max(NUMBERS)):
        api.create_repository(repositoryName=f"raw/image-{number}")
    token = api.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    (place.folder / ".docker").mkdir()
    config = {"auths": {ecr.host: {"auth": token}}}
    (place.folder / ".docker" / "config.json").write_text(json.dumps(config))
    ours(place, 1)


if __name__ == "__main__":
    main()
