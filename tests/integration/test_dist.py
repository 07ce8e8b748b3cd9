"""The bundle of a release, made as `make dist` makes it, and Python started with nothing else."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path

import pytest

from dev import act, dist
from tests.contract.test_lock import locked

NOBODY = "http://127.0.0.1:9"
"""Port 9 discards, and nothing listens there."""
CHECKED = b"\x03\x00\x00\x00"
"""The flags of bytecode that holds the hash of its source (PEP 552): hash-based, and checked."""
PROFILES = """
[profile plain]
sso_start_url = https://example.awsapps.example/start
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = publisher

[sso-session company]
sso_start_url = https://example.awsapps.example/start
sso_region = eu-west-1
sso_registration_scopes = sso:account:access

[profile session]
sso_session = company
sso_account_id = 123456789012
sso_role_name = publisher
"""


def run(release: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code as start.sh runs entrypoint.py."""
    paths = [str(release), str(release / "dist")]
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path += {paths!r}\n{code}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def imports(path: Path) -> Iterator[str]:
    """All modules that a file may import at some time, but for those of type checkers."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_dist__is_the_same_when_made_again(release: Path, tmp_path: Path) -> None:
    again = dist.build(act.action_copy(tmp_path / "another-place"))

    assert again == dist.added(release)


def test_dist__is_for_every_machine(release: Path) -> None:
    assert [name for name in dist.added(release) if name.endswith(dist.MACHINE_CODE)] == []


def test_dist__names_its_lock(release: Path) -> None:
    lock = Path("requirements/runtime.txt")
    assert (release / "dist" / lock.name).read_bytes() == (act.CHECKOUT / lock).read_bytes()


@pytest.mark.parametrize("name", locked(act.CHECKOUT / "requirements" / "runtime.txt"))
def test_dist__has_the_licence_of_each_package(release: Path, name: str) -> None:
    (info,) = (release / "dist").glob(f"{name.replace('-', '_')}-*.dist-info")
    assert [path for path in info.rglob("*") if path.name.startswith("LICEN")]


def test_dist__has_the_bytecode_of_every_source_and_the_hash_of_that(release: Path) -> None:
    sources = [path for name in dist.FOLDERS for path in (release / name).rglob("*.py")]
    tag = sys.implementation.cache_tag
    for path in sources:
        bytecode = path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc"
        assert bytecode.read_bytes()[4:8] == CHECKED, bytecode
    assert len(sources) > 400
    assert sum(name.endswith(".pyc") for name in dist.added(release)) == len(sources)


def test_dist__every_import_of_ours_works_from_it_alone(release: Path) -> None:
    names = {
        name
        for path in (release / "ecr_publish").rglob("*.py")
        for name in imports(path)
        if not name.startswith("mypy_boto3_")
    }
    assert {"boto3", "docker", "requests", "actions_toolkit", "ruamel.yaml"} <= names
    shown = "print(*(m.__file__ for m in list(sys.modules.values()) if getattr(m, '__file__', '')))"
    done = run(release, f"import {', '.join(sorted(names))}\n{shown}")

    assert not done.returncode, done.stderr
    ours = [file for file in done.stdout.split() if "site-packages" in file or "dist-" in file]
    assert ours == []


def test_dist__has_the_data_of_every_service_that_we_ask(release: Path) -> None:
    code = """
import boto3
session = boto3.Session("key", "secret", region_name="eu-west-1")
for service in ("ecr", "inspector2", "sts"):
    client = session.client(service)
    print(client.meta.endpoint_url, len(client.meta.service_model.operation_names) > 5)
print(session.client("ecr").get_paginator("describe_images"))
"""
    done = run(release, code)

    assert not done.returncode, done.stderr
    assert done.stdout.splitlines()[:-1] == [
        "https://api.ecr.eu-west-1.amazonaws.com True",
        "https://inspector2.eu-west-1.amazonaws.com True",
        "https://sts.eu-west-1.amazonaws.com True",
    ]


@pytest.mark.parametrize(
    ("profile", "key", "asked"),
    [
        ("plain", "https://example.awsapps.example/start", "/federation/credentials"),
        ("session", "company", "/token"),
    ],
)
def test_dist__a_profile_of_sso_gets_as_far_as_the_network(
    release: Path, tmp_path: Path, profile: str, key: str, asked: str
) -> None:
    """A login that is valid is asked for credentials, one that is over for its successor."""
    (tmp_path / "config").write_text(PROFILES)
    cache = tmp_path / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    token = {
        "accessToken": "token",
        "expiresAt": "2099-01-01T00:00:00Z" if profile == "plain" else "2020-01-01T00:00:00Z",
        "refreshToken": "refresh",
        "clientId": "client",
        "clientSecret": "secret",
        "registrationExpiresAt": "2099-01-01T00:00:00Z",
    }
    name = sha1(key.encode(), usedforsecurity=False).hexdigest()
    (cache / f"{name}.json").write_text(json.dumps(token))
    code = f"""
import boto3
boto3.Session(profile_name={profile!r}).client("sts", "eu-west-1").get_caller_identity()
"""
    done = run(
        release,
        code,
        HOME=str(tmp_path),
        AWS_CONFIG_FILE=str(tmp_path / "config"),
        AWS_ENDPOINT_URL=NOBODY,
        AWS_MAX_ATTEMPTS="1",
    )

    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("botocore.exceptions.EndpointConnectionError"), done.stderr
    assert f"{NOBODY}{asked}" in last
