"""Build -> the argument list of buildx. One pure function, so that no shell is ever involved."""

from __future__ import annotations

from ecr_publish.plan import Build


def command(build: Build, reference: str) -> list[str]:
    """The `docker buildx build` that makes an image and loads it into the engine.

    Args:
        build: What the user asked for.
        reference: The name that the image gets in the engine.

    Docker's reference: "docker buildx build".
    """
    options = {
        "--file": build.file,
        "--target": build.target,
        "--network": build.network,
        "--platform": ",".join(build.platforms),
    }
    return [
        *("docker", "buildx", "build", "--load", "--progress", "plain", "--tag", reference),
        *(word for name, value in options.items() if value for word in (name, value)),
        *(word for item in build.build_args for word in ("--build-arg", item)),
        *(word for item in build.labels for word in ("--label", item)),
        *(() if build.provenance else ("--provenance=false",)),
        *("--", build.context),
    ]


def stated_error(output: bytes) -> str:
    """What buildx says in the end of why it failed; empty where it says nothing."""
    lines = output.decode(errors="replace").splitlines()
    stated = [line for line in lines if line.startswith("ERROR: ")]
    return stated[-1].removeprefix("ERROR: ") if stated else ""
