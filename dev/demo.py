"""`make demo`: the example's own workflow, run twice against a local ECR, on a real engine.

First with a clean scan: the image gets its release tags, and docker pulls it by one of them. Then
with a vulnerable scan: the step fails and no release tag moves. No AWS account, no GitHub, no
Docker Hub; whatever is not as promised makes the demo fail.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dev import act
from dev.base_image import VISIT_COUNTER, BaseImageError, provide
from dev.engine import Engine, EngineError, engine_host
from dev.root import RootNeededError
from local_ecr import LocalEcr

REPOSITORY = "visit-counter-app"
EXAMPLE = act.CHECKOUT / "examples" / REPOSITORY
AWS = act.CHECKOUT / ".venv" / "bin" / "aws"
SCAN_SECONDS = 3.0
PAYLOAD: Mapping[str, object] = {
    "ref": "refs/heads/main",
    "repository": {"full_name": f"org/{REPOSITORY}", "default_branch": "main"},
}


class DemoError(Exception):
    """A command of the demo failed, not a promise of the action."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What both acts of the demo play on."""

    ecr: LocalEcr
    consumer: Path
    engine: Mapping[str, str]
    """DOCKER_HOST, and a private DOCKER_CONFIG."""
    broken: list[str] = field(default_factory=list)
    """The promises that were not kept."""

    def promise(self, what: str, *, kept: bool) -> None:
        """Say whether a promise was kept, and remember it if not."""
        say(f"  {'✓' if kept else '✗'} {what}")
        if not kept:
            self.broken.append(what)

    def publish(self) -> act.Result:
        """Run the example's publish.yml and print what a user would see."""
        environment = {
            name: value
            for name, value in self.ecr.environment().items()
            # The role gives the credentials; the workflow names the region.
            if name == "AWS_ENDPOINT_URL" or name.startswith("ACTIONS_ID_TOKEN_REQUEST_")
        }
        began = time.monotonic()
        result = act.run(
            act.Run(
                consumer=self.consumer,
                payload=PAYLOAD,
                environment={**environment, **self.engine},
                variables={"BASE_IMAGE": VISIT_COUNTER.tag, "BUILD_NETWORK": "none"},
            )
        )
        title(f"The log ({time.monotonic() - began:.0f} s, exit code {result.exit_code})")
        say(indented(result.log))
        title("The step summary")
        say(indented(folded("\n".join(result.summaries)) or "(none)"))
        return result

    def run(self, *command: str, stdin: str | None = None) -> str:
        """Run a command as a developer would by hand, and give what it prints."""
        say(f"  $ {' '.join(command)}")
        done = subprocess.run(
            [str(AWS) if command[0] == "aws" else command[0], *command[1:]],
            env={**os.environ, **self.ecr.environment(), **self.engine, "AWS_PAGER": ""},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DemoError(f"{' '.join(command)}\n{done.stderr.strip()}")
        return done.stdout

    def tags(self) -> dict[str, str]:
        """Give the repository's tags and the digest behind each."""
        answer = self.run(
            "aws", "ecr", "describe-images", "--repository-name", REPOSITORY, "--output", "json"
        )
        return {
            tag: image["imageDigest"]
            for image in json.loads(answer)["imageDetails"]
            for tag in image.get("imageTags", ())
        }


def say(text: str) -> None:
    """Write a line at once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def title(text: str) -> None:
    """Write a heading."""
    say(f"\n── {text} {'─' * max(3, 94 - len(text))}")


def indented(text: str) -> str:
    """Set a quoted text off from what the demo says itself."""
    return "\n".join(f"  │ {line}" for line in text.splitlines())


def folded(markdown: str) -> str:
    """Shorten what GitHub shows folded."""
    return re.sub(r"(<details>.*?</summary>).*?(</details>)", r"\1 … \2", markdown, flags=re.DOTALL)


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """Set everything up, and take it down again."""
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="demo-")))
        # Of its own, so that the demo's logins never reach the user's.
        engine = {"DOCKER_CONFIG": str(scratch / "docker")}
        if host := engine_host(os.environ):
            say("Using the Docker Engine that is running")
            engine["DOCKER_HOST"] = host
        else:
            say("Starting a private Docker Engine")
            engine |= stack.enter_context(Engine(store="containerd")).environment()
        say("Preparing the example's base image (about 40 s the first time)")
        provide(VISIT_COUNTER, {**os.environ, **engine})
        say("Starting a local ECR on 127.0.0.1")
        ecr = stack.enter_context(LocalEcr(mode="basic", scan_seconds=SCAN_SECONDS))
        act.consumer_repository(EXAMPLE, scratch / REPOSITORY)
        yield Stage(ecr=ecr, consumer=scratch / REPOSITORY, engine=engine)


def create_repository(here: Stage) -> None:
    """Create the repository the way its owner does, once."""
    title("The repository")
    here.run(
        "aws", "ecr", "create-repository", "--repository-name", REPOSITORY,
        "--image-scanning-configuration", "scanOnPush=true",
    )  # fmt: skip


def publish_clean(here: Stage) -> dict[str, str]:
    """Act one: nothing is found, so the image is released. Gives the release tags."""
    title("A push to main, and ECR finds nothing severe: publish.yml")
    here.ecr.set_scenario("clean")
    result = here.publish()
    title("What came of it")
    tags = here.tags()
    short = act.git(here.consumer, "rev-parse", "HEAD")[:7]
    here.promise("the step is green", kept=result.exit_code == 0 and not result.complaints)
    here.promise(f"{show(tags)}: exactly the release tags", kept=set(tags) == {short, "latest"})
    pulled = pull(here, short) if short in tags else ""
    here.promise("docker pulls the image by its release tag", kept=tags.get(short, "-") in pulled)
    return tags


def publish_vulnerable(here: Stage, before: Mapping[str, str]) -> None:
    """Act two: a severe finding, so nothing is released."""
    title("The next commit, and ECR finds something severe: publish.yml")
    here.ecr.set_scenario("vulnerable")
    source = here.consumer / "app.py"
    source.write_text(source.read_text(encoding="utf-8") + "# The next version.\n", "utf-8")
    short = act.commit(here.consumer, "The next version")[:7]
    result = here.publish()
    title("What came of it")
    tags = here.tags()
    added = {tag: digest for tag, digest in tags.items() if tag not in before}
    here.promise("the step is red", kept=result.exit_code != 0 and not result.complaints)
    here.promise("it says why, as an annotation", kept=bool(result.annotations("error")))
    here.promise(f"no release tag {short}", kept=short not in tags)
    here.promise(
        "latest is still the clean image",
        kept="latest" in before and tags.get("latest") == before["latest"],
    )
    here.promise(
        f"{show(added)}: only the candidate, kept for those who fix it",
        kept=len(added) == 1 and all(tag.startswith("candidate-") for tag in added),
    )


def show(tags: Mapping[str, str]) -> str:
    """Write tags with the digests behind them."""
    return ", ".join(f"{tag} → {digest[:19]}…" for tag, digest in tags.items()) or "no tag"


def pull(here: Stage, tag: str) -> str:
    """Log in by hand and pull; gives what docker printed."""
    password = here.run("aws", "ecr", "get-login-password")
    host = here.ecr.host
    here.run("docker", "login", "--username", "AWS", "--password-stdin", host, stdin=password)
    pulled = here.run("docker", "pull", f"{host}/{REPOSITORY}:{tag}")
    here.run("docker", "image", "rm", f"{host}/{REPOSITORY}:{tag}")
    return pulled


def play(acts: Callable[[Stage], None]) -> int:
    """Play on a fresh stage; give the exit code."""
    try:
        with stage() as here:
            acts(here)
    except (DemoError, EngineError, RootNeededError, BaseImageError, act.ActError) as error:
        say(f"\nThe demo could not go on: {error}")
        return 1
    if here.broken:
        say(f"\n{len(here.broken)} promises were not kept: {'; '.join(here.broken)}")
        return 1
    say("\nAll promises were kept.")
    return 0


def both(here: Stage) -> None:
    """Play the two acts, one after the other."""
    create_repository(here)
    publish_vulnerable(here, publish_clean(here))


if __name__ == "__main__":
    raise SystemExit(play(both))
