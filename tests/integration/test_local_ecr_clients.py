"""The local ECR as a process, worked by the clients that people have: aws, docker login, skopeo."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def program(name: str, package: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.fail(f"this test needs the program '{name}': install {package}")
    return found


@dataclass(frozen=True, kw_only=True)
class Served:
    process: subprocess.Popen[str]
    host: str
    environment: dict[str, str]
    folder: Path

    def run(self, *command: str, ok: bool = True) -> str:
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        output = done.stdout + done.stderr
        assert (done.returncode == 0) is ok, output
        return done.stdout if ok else output

    def aws(self, *arguments: str) -> Any:
        output = self.run(program("aws", "awscli from PyPI"), "--output", "json", *arguments)
        return json.loads(output) if output.strip() else None

    def skopeo(self, *arguments: str, ok: bool = True) -> str:
        name = program("skopeo", "the Debian package skopeo")
        return self.run(name, "--insecure-policy", *arguments, ok=ok)

    def login(self) -> str:
        name = program("aws", "awscli from PyPI")
        return self.run(name, "ecr", "get-login-password").strip()


def serve(folder: Path, *arguments: str) -> Served:
    ready = folder / "ready.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "local_ecr", "--env-file", str(ready), *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 20
    while not ready.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert ready.exists(), process.communicate()
    told = json.loads(ready.read_text())
    own = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return Served(
        process=process,
        host=f"127.0.0.1:{told['port']}",
        environment=own | told["environment"],
        folder=folder,
    )


def end(served: Served, number: int = signal.SIGTERM) -> tuple[str, str]:
    served.process.send_signal(number)
    output = served.process.communicate(timeout=10)
    assert served.process.returncode == 0
    return output


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    running = serve(tmp_path, "--scenario", "vulnerable", "--scan-seconds", "0", "--quiet")
    yield running
    end(running)


def write_image(folder: Path, content: bytes = b"layer", architecture: str = "amd64") -> str:
    """Write an OCI layout of one image, tagged `x`, and return the manifest's digest."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def blob(data: bytes, kind: str) -> dict[str, Any]:
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        media_type = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(data)}

    layer = blob(content, "layer.v1.tar")
    rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
    config = {"os": "linux", "architecture": architecture, "rootfs": rootfs}
    body = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(json.dumps(config).encode(), "config.v1+json"),
        "layers": [layer],
    }
    manifest = blob(json.dumps(body).encode(), "manifest.v1+json")
    tagged = manifest | {"annotations": {"org.opencontainers.image.ref.name": "x"}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [tagged]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return str(manifest["digest"])


def push(served: Served, password: str, target: str, *, ok: bool = True) -> str:
    return served.skopeo(
        "copy",
        "--preserve-digests",
        "--dest-tls-verify=false",
        f"--dest-creds=AWS:{password}",
        "oci:image:x",
        f"docker://{served.host}/{target}",
        ok=ok,
    )


def test_hand_made_way__with_aws_and_skopeo(served: Served) -> None:
    digest = write_image(served.folder / "image")
    created = served.aws(
        *("ecr", "create-repository", "--repository-name", "app"),
        *("--image-scanning-configuration", "scanOnPush=true"),
    )
    assert created["repository"]["repositoryUri"] == f"{served.host}/app"
    password = served.login()
    push(served, password, "app:1.0")
    served.aws(
        "ecr",
        "wait",
        "image-scan-complete",
        "--repository-name",
        "app",
        "--image-id",
        "imageTag=1.0",
    )
    found = served.aws(
        "ecr",
        "describe-image-scan-findings",
        "--repository-name",
        "app",
        "--image-id",
        "imageTag=1.0",
    )
    assert found["imageId"] == {"imageDigest": digest, "imageTag": "1.0"}
    assert found["imageScanFindings"]["findingSeverityCounts"]["CRITICAL"] == 2
    assert len(found["imageScanFindings"]["findings"]) == 51


def test_skopeo__reads_back_what_it_wrote(served: Served) -> None:
    digest = write_image(served.folder / "image", os.urandom(3_000_000))
    served.aws("ecr", "create-repository", "--repository-name", "team/app")
    password = served.login()
    push(served, password, "team/app:1.0")
    source = (
        "--tls-verify=false",
        f"--creds=AWS:{password}",
        f"docker://{served.host}/team/app:1.0",
    )
    seen = json.loads(served.skopeo("inspect", *source))
    assert (seen["Digest"], seen["RepoTags"]) == (digest, ["1.0"])
    copy = ("copy", "--preserve-digests", "--src-tls-verify=false", *source[1:])
    served.skopeo(*(part.replace("--creds", "--src-creds") for part in copy), "oci:back:x")
    name = digest.removeprefix("sha256:")
    copies = [(served.folder / layout / "blobs/sha256" / name) for layout in ("image", "back")]
    assert copies[0].read_bytes() == copies[1].read_bytes()


def test_skopeo__refusals_in_the_words_of_ecr(served: Served) -> None:
    write_image(served.folder / "image")
    password = served.login()
    text = "name unknown: The repository with name 'nope' does not exist in the registry with id"
    assert text in push(served, password, "nope:1", ok=False)
    mutability = ("--image-tag-mutability", "IMMUTABLE")
    served.aws("ecr", "create-repository", "--repository-name", "app", *mutability)
    push(served, password, "app:1")
    write_image(served.folder / "image", b"another layer")
    text = "cannot be overwritten because the tag is immutable"
    assert text in push(served, password, "app:1", ok=False)


def test_aws__promotion_by_hand(served: Served) -> None:
    digest = write_image(served.folder / "image")
    served.aws("ecr", "create-repository", "--repository-name", "app")
    push(served, served.login(), "app:candidate")
    named = ("--repository-name", "app")
    got = served.aws("ecr", "batch-get-image", *named, "--image-ids", f"imageDigest={digest}")
    manifest = got["images"][0]["imageManifest"]
    served.aws("ecr", "put-image", *named, "--image-tag", "1.0", "--image-manifest", manifest)
    served.aws("ecr", "batch-delete-image", *named, "--image-ids", "imageTag=candidate")
    left = served.aws("ecr", "list-images", *named)["imageIds"]
    assert left == [{"imageDigest": digest, "imageTag": "1.0"}]


def test_aws__role_and_identity(served: Served) -> None:
    assumed = served.aws(
        *("sts", "assume-role", "--role-arn", "arn:aws:iam::123456789012:role/publisher"),
        *("--role-session-name", "run"),
    )
    assert assumed["AssumedRoleUser"]["Arn"].endswith(":assumed-role/publisher/run")
    assert served.aws("sts", "get-caller-identity")["Account"] == "123456789012"


def test_aws__coverage_of_an_image_by_its_digest(tmp_path: Path) -> None:
    served = serve(tmp_path, "--scenario", "late-waves", "--scan-seconds", "0", "--quiet")
    digest = write_image(tmp_path / "image")
    served.aws("ecr", "create-repository", "--repository-name", "app")
    push(served, served.login(), "app:1")
    wanted = f"arn:aws:ecr:eu-west-1:123456789012:repository/app/{digest}"
    criteria = {"resourceId": [{"comparison": "EQUALS", "value": wanted}]}
    found = served.aws("inspector2", "list-coverage", "--filter-criteria", json.dumps(criteria))
    (resource,) = found["coveredResources"]
    assert resource["scanStatus"] == {"statusCode": "ACTIVE", "reason": "SUCCESSFUL"}
    assert resource["resourceMetadata"]["ecrImage"]["tags"] == ["1"]
    end(served)


def test_process__says_what_to_export_and_logs_each_request(tmp_path: Path) -> None:
    served = serve(tmp_path, "--account", "210987654321", "--region", "us-east-2")
    created = served.aws("ecr", "create-repository", "--repository-name", "app")
    arn = "arn:aws:ecr:us-east-2:210987654321:repository/app"
    assert created["repository"]["repositoryArn"] == arn
    said, logged = end(served, signal.SIGINT)
    assert f"export AWS_ENDPOINT_URL='http://{served.host}'" in said
    assert "export ACTIONS_ID_TOKEN_REQUEST_TOKEN='" in said
    assert logged == "CreateRepository app 200\n"


def test_process__scenario_from_a_file(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.json"
    rule = {
        "repository": "app",
        "script": [{"after": 0, "status": "COMPLETE", "counts": {"LOW": 3}}],
    }
    scenario.write_text(json.dumps({"rules": [rule]}))
    served = serve(tmp_path, "--scenario", str(scenario), "--quiet")
    write_image(tmp_path / "image")
    served.aws(
        *("ecr", "create-repository", "--repository-name", "app"),
        *("--image-scanning-configuration", "scanOnPush=true"),
    )
    push(served, served.login(), "app:1")
    found = served.aws(
        "ecr",
        "describe-image-scan-findings",
        "--repository-name",
        "app",
        "--image-id",
        "imageTag=1",
    )
    assert found["imageScanFindings"]["findingSeverityCounts"] == {"LOW": 3}
    end(served)


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "no such file, nor one of clean"), ("{", "Expecting"), ('{"x": 1}', "unknown key x")],
)
def test_process__bad_scenario(tmp_path: Path, text: str | None, message: str) -> None:
    scenario = tmp_path / "scenario.json"
    if text:
        scenario.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "local_ecr", "--scenario", str(scenario)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_process__help_explains_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local_ecr", "--help"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    for word in (
        "example:",
        "docker login",
        "/_local/fail",
        "presets:\n  clean  ",
        "repush_docker",
    ):
        assert word in done.stdout
