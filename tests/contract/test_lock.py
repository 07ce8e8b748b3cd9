"""The lock files: few packages, each with hashes, and no host named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
LOCKS = sorted((CHECKOUT / "requirements").glob("*.txt"))
DECLARED = re.findall(
    r"(?m)^  \"([\w.-]+)\",",
    (CHECKOUT / "pyproject.toml")
    .read_text()
    .partition("\ndependencies = [")[2]
    .partition("\n]")[0],
)


def locked(path: Path) -> dict[str, list[str]]:
    """Package -> its hashes."""
    entries = re.split(r"\n(?=\S)", path.read_text().strip())
    return {
        entry.partition("==")[0]: re.findall(r"sha256:[0-9a-f]{64}", entry) for entry in entries
    }


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_lock__every_package_has_hashes(path: Path) -> None:
    assert [name for name, hashes in locked(path).items() if not hashes] == []


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_lock__names_no_host_and_no_path(path: Path) -> None:
    assert not re.search(r"://|^-|@ |/", path.read_text().replace("--hash", "hash"), re.MULTILINE)


def test_lock__users_get_what_is_declared_and_what_that_needs() -> None:
    needed = {
        *("botocore", "certifi", "charset-normalizer", "idna", "jmespath", "python-dateutil"),
        *("s3transfer", "six", "urllib3"),
    }
    assert DECLARED == ["boto3", "docker", "actions-toolkit", "ruamel.yaml", "requests"]
    # A lock names packages as an index does.
    declared = {name.replace(".", "-") for name in DECLARED}
    assert set(locked(CHECKOUT / "requirements" / "runtime.txt")) == declared | needed


def test_lock__developers_test_what_users_get() -> None:
    runtime = locked(CHECKOUT / "requirements" / "runtime.txt")
    dev = locked(CHECKOUT / "requirements" / "dev.txt")
    assert {name: dev[name] for name in runtime} == runtime
