"""`ecr-publish iam`: what its options hand over, and that it prints all or nothing."""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from ecr_publish.errors import ExitCode
from ecr_publish.terminal import main

ACTIONS = "ecr:PutImage"
SUBJECT = "repo:org/app:ref:refs/heads/main"


class Shell:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def run(self, *options: str, **environ: str) -> tuple[int, str, str]:
        given = ("iam", "--repository=app", "--github-repository=org/app", *options)
        code = main(given, {"AWS_REGION": "eu-west-1", **environ})
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err


@pytest.fixture
def shell(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(capsys)


def test_iam__of_a_plain_step_is_for_the_branch_main(shell: Shell) -> None:
    code, out, err = shell.run()
    assert (code, err) == (ExitCode.PASSED, "")
    assert out.startswith("# A role for ecr-publish (publish): app in eu-west-1.\n")
    assert f'"{SUBJECT}"' in out
    assert ACTIONS in out
    assert "ecr:CreateRepository" not in out


@pytest.mark.parametrize(
    ("options", "subjects"),
    [
        (["--for-branch=dev"], ["ref:refs/heads/dev"]),
        (["--for-branch=a", "--for-branch=b"], ["ref:refs/heads/a", "ref:refs/heads/b"]),
        (["--for-environment=production"], ["environment:production"]),
        (["--for-tag=v*"], ["ref:refs/tags/v*"]),
        (["--for-pull-requests"], ["pull_request"]),
        (
            ["--for-pull-requests", "--for-tag=v*", "--for-branch=main"],
            ["ref:refs/heads/main", "ref:refs/tags/v*", "pull_request"],
        ),
    ],
)
def test_iam__names_the_runs_that_are_asked_for_and_no_others(
    shell: Shell, options: list[str], subjects: list[str]
) -> None:
    code, out, _ = shell.run(*options)
    assert code == ExitCode.PASSED
    for subject in subjects:
        assert f'"repo:org/app:{subject}"' in out
    assert (f'"{SUBJECT}"' in out) is ("ref:refs/heads/main" in subjects)
    assert out.count('"repo:org/app:') == len(subjects)


@pytest.mark.parametrize(
    ("options", "environ", "shown"),
    [
        (["--create-repository"], {}, "ecr:CreateRepository"),
        ([], {"ECR_PUBLISH_CREATE_REPOSITORY": "true"}, "ecr:CreateRepository"),
        (["--job=gate"], {}, "(gate): app in eu-west-1"),
        (["--job=merge"], {}, "(merge): app in eu-west-1"),
        (["--aws-region=us-east-1"], {}, "app in us-east-1"),
        ([], {"AWS_DEFAULT_REGION": "us-east-1"}, "app in eu-west-1"),
        ([], {"AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": ""}, "app in us-east-1"),
    ],
)
def test_iam__is_for_the_inputs(
    shell: Shell, options: list[str], environ: dict[str, str], shown: str
) -> None:
    code, out, _ = shell.run(*options, **environ)
    assert code == ExitCode.PASSED
    assert shown in out


def test_iam__script_that_did_not_arrive_is_an_error(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    code, _, err = shell.run()
    assert (code, err) == (ExitCode.INPUT, "[Errno 28] No space left on device\n")


def test_iam__hands_over_what_is_not_asked_of_the_registry(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def document(_: object, __: object, **more: Any) -> list[str]:
        asked.append(more)
        return ["::line\x1b"]

    monkeypatch.setattr("ecr_publish.iam_script.document", document)
    assert shell.run()[1] == ": :line\ufffd\n"
    shell.run("--scanning", "basic", "--signing-profile", "mine")
    plain, more = asked
    assert (plain["scanning"].value, plain["signing_profile"]) == ("unknown", "")
    assert (more["scanning"].value, more["signing_profile"]) == ("basic", "mine")


def test_iam__of_a_step_with_a_policy_grants_what_that_needs(shell: Shell) -> None:
    before = shell.run("--scanning=enhanced")[1]
    Path(".ecr-publish.yml").write_text("known-exploited: fail\n")
    assert "inspector2:BatchGetFindingDetails" not in before
    assert "inspector2:BatchGetFindingDetails" in shell.run("--scanning=enhanced")[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--github-repository=org"], "github-repository: 'org' is not owner/name"),
        (["--severity-threshold=x"], "severity-threshold: 'x' is not one of"),
        (["--secrets=a=b"], "secrets: is a secret"),
    ],
)
def test_iam__prints_nothing_of_what_cannot_be_made(
    shell: Shell, options: list[str], said: str
) -> None:
    code, out, err = shell.run(*options)
    assert (code, out) == (ExitCode.INPUT, "")
    assert said in err
