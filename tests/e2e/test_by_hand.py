"""The hand-made way that people know, with the real aws, docker, buildx and skopeo, beside ours."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dev.engine import Engine
from tests.e2e.support import Stage, stage

REPOSITORY = "visit-counter-app"
LOCAL = f"{REPOSITORY}:local"
SEVERITIES = ("critical", "high", "medium", "low", "informational", "undefined")


@dataclass(frozen=True, kw_only=True)
class HandMade:
    """What was pushed by hand."""

    stage: Stage
    created: dict[str, Any]
    login: str
    digest: str
    findings: dict[str, Any]
    """What ECR says about the image. On the containerd store the tag is on an index."""


@pytest.fixture(scope="module")
def by_hand(engine: Engine) -> Iterator[HandMade]:
    """Create, log in, build, tag, push, wait, look at the findings: command by command."""
    with stage(engine, scenario="vulnerable") as here:
        uri = f"{here.ecr.host}/{REPOSITORY}"
        created = here.aws(
            *("ecr", "create-repository", "--repository-name", REPOSITORY),
            *("--image-scanning-configuration", "scanOnPush=true"),
        )
        password = here.aws("ecr", "get-login-password", "--region", "eu-west-1")
        login = here.docker(
            "login", "--username", "AWS", "--password-stdin", here.ecr.host, stdin=password
        )
        here.docker("build", "--tag", LOCAL, ".")
        here.docker("tag", LOCAL, f"{uri}:1.0")
        pushed = here.docker("push", f"{uri}:1.0")
        digest = re.search(r"1\.0: digest: (sha256:[0-9a-f]{64})", pushed)
        assert digest, pushed
        yield HandMade(
            stage=here,
            created=json.loads(created)["repository"],
            login=login,
            digest=digest[1],
            findings=_findings(here, _image_digest(here, "1.0")),
        )
        here.docker("image", "rm", LOCAL, f"{uri}:1.0")


def test_by_hand__every_command_works(by_hand: HandMade) -> None:
    here = by_hand.stage

    assert by_hand.created["imageScanningConfiguration"] == {"scanOnPush": True}
    assert by_hand.created["repositoryUri"] == f"{here.ecr.host}/{REPOSITORY}"
    assert "Login Succeeded" in by_hand.login
    assert here.tags(REPOSITORY)["1.0"] == by_hand.digest
    assert by_hand.findings["imageScanStatus"]["status"] == "COMPLETE"
    counts = by_hand.findings["imageScanFindings"]["findingSeverityCounts"]
    assert counts == {"CRITICAL": 2, "HIGH": 5, "MEDIUM": 14, "LOW": 30}


def test_by_hand__ours_gates_the_same_image_by_the_same_findings(by_hand: HandMade) -> None:
    here = by_hand.stage
    here.ecr.reset()

    with here.start(repository=REPOSITORY, image=LOCAL, tags="2.0") as step:
        assert step.wait() == 9
        outputs = step.outputs

    assert outputs["verdict"] == "refused"
    assert outputs["digest"] == by_hand.digest
    counts = by_hand.findings["imageScanFindings"]["findingSeverityCounts"]
    assert {name: int(outputs[name]) for name in SEVERITIES} == {
        name: counts.get(name.upper(), 0) for name in SEVERITIES
    }
    assert "v2.StartUpload" not in here.operations(REPOSITORY), "ECR has every layer already"
    # What people pushed by hand is theirs, also where we would have refused it.
    assert here.tags(REPOSITORY)["1.0"] == by_hand.digest
    assert "2.0" not in here.tags(REPOSITORY)


def test_by_hand__ours_is_pulled_inspected_and_copied_by_others(
    by_hand: HandMade, tmp_path: Path
) -> None:
    here = by_hand.stage
    here.ecr.set_scenario("clean")

    with here.start(repository=REPOSITORY, image=LOCAL, tags="3.0") as step:
        assert step.wait() == 0
        digest = step.outputs["digest"]

    assert digest == by_hand.digest
    assert here.skopeo_digest(REPOSITORY, "3.0") == digest
    source = f"docker://{here.ecr.host}/{REPOSITORY}:3.0"
    here.skopeo("copy", "--all", "--src-tls-verify=false", source, f"dir:{tmp_path}")
    manifest = (tmp_path / "manifest.json").read_bytes()
    assert f"sha256:{hashlib.sha256(manifest).hexdigest()}" == digest
    pulled = here.docker("pull", f"{here.ecr.host}/{REPOSITORY}:3.0")
    assert f"Digest: {digest}" in pulled
    here.docker("image", "rm", f"{here.ecr.host}/{REPOSITORY}:3.0")


def test_by_hand__a_login_of_the_user_is_neither_used_nor_changed(by_hand: HandMade) -> None:
    """An earlier step has logged docker in, and that was too long ago."""
    here = by_hand.stage
    here.ecr.set_scenario("clean")
    config = here.home / ".docker" / "config.json"
    config.parent.mkdir(parents=True, exist_ok=True)
    stale = base64.b64encode(b"AWS:a token of the day before yesterday").decode()
    text = json.dumps({"auths": {here.ecr.host: {"auth": stale}}})
    config.write_text(text, encoding="utf-8")

    with here.start(repository=REPOSITORY, image=LOCAL, tags="4.0") as step:
        assert step.wait() == 0

    assert here.tags(REPOSITORY)["4.0"] == by_hand.digest
    assert config.read_text("utf-8") == text


@pytest.mark.parametrize("how", ["--push", "--output=type=registry"])
def test_by_hand__buildx_pushes_by_itself(by_hand: HandMade, how: str, tmp_path: Path) -> None:
    here = by_hand.stage
    tag = f"buildx{len(how)}"
    metadata = tmp_path / "metadata.json"

    reference = f"{here.ecr.host}/{REPOSITORY}:{tag}"
    here.docker(
        *("buildx", "build", how, "--tag", reference, "--metadata-file", str(metadata), ".")
    )

    digest = json.loads(metadata.read_text("utf-8"))["containerimage.digest"]
    assert here.tags(REPOSITORY)[tag] == digest
    assert here.skopeo_digest(REPOSITORY, tag) == digest


def _image_digest(here: Stage, tag: str) -> str:
    """The digest that ECR scans: of the image itself, where the tag is on an index."""
    reference = f"docker://{here.ecr.host}/{REPOSITORY}:{tag}"
    manifest = json.loads(here.skopeo("inspect", "--raw", "--tls-verify=false", reference))
    platforms = {
        child["platform"]["os"]: child["digest"] for child in manifest.get("manifests", [])
    }
    return str(platforms.get("linux") or here.tags(REPOSITORY)[tag])


def _findings(here: Stage, digest: str) -> dict[str, Any]:
    """Ask until the scan is over, as people press the up arrow and return."""
    deadline = time.monotonic() + 60
    while True:
        said: dict[str, Any] = json.loads(
            here.aws(
                *("ecr", "describe-image-scan-findings", "--repository-name", REPOSITORY),
                *("--image-id", f"imageDigest={digest}", "--output", "json"),
            )
        )
        if said["imageScanStatus"]["status"] not in ("PENDING", "IN_PROGRESS"):
            return said
        assert time.monotonic() < deadline, said
