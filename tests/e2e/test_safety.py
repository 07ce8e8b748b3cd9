"""The safety properties (design: "The promise"), held by every job that this tier runs by act."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from local_ecr.faults import Call
from tests.e2e.conftest import Played
from tests.e2e.support import ACTION, Job, one_store

PREFIX = 24
"""Characters of a secret that are enough to betray it, and too many to come about by chance."""
ALLOWED = {
    "GetIdToken",
    "AssumeRoleWithWebIdentity",
    "GetAuthorizationToken",
    "DescribeRepositories",
    "CreateRepository",
    "BatchGetRepositoryScanningConfiguration",
    "GetRegistryScanningConfiguration",
    "DescribeImageScanFindings",
    "DescribeImages",
    "BatchCheckLayerAvailability",
    "BatchGetImage",
    "GetDownloadUrlForLayer",
    "GetObject",
    "PutImage",
    "BatchDeleteImage",
}
WAIVED = {"report-only", "failed-unsupported-warn"}
"""The jobs in which the user asked for release tags on an image that did not pass."""


def test_s1__release_tags_are_on_what_passed(published: Played) -> None:
    assert _released_without_pass(published) == []


@one_store
def test_s1__release_tags_are_on_what_passed__any_verdict(verdicts: Played) -> None:
    assert _released_without_pass(verdicts) == []


def test_s2__only_a_pass_is_green(published: Played) -> None:
    assert _green_without_pass(published) == []


@one_store
def test_s2__only_a_pass_is_green__any_verdict(verdicts: Played) -> None:
    assert _green_without_pass(verdicts) == []


def test_s3__no_secret_in_log_summary_or_output(published: Played) -> None:
    lines = published.result.lines
    shown = [line.text for line in lines]
    shown += [line.argument for line in lines if line.command in ("set-output", "summary")]
    shown += [published.result.stderr, *published.result.summaries]

    assert _found("\n".join(shown).encode(), published.secrets) == []


def test_s3__no_secret_in_a_file_that_stays(published: Played) -> None:
    here = published.stage
    files = [*_files(here.kept), *_files(here.home), *_files(here.consumer)]

    # What is looked through is what it should be: both workspaces, and both temporary folders.
    for name in ("passes", "refused"):
        assert (here.kept / f"{name}.workspace" / "index.html") in files
        assert any((here.kept / f"{name}.temp").rglob("packages-*/runtime.txt"))
    assert {str(f): _found(f.read_bytes(), published.secrets) for f in files} == {
        str(f): [] for f in files
    }
    assert [f for f in _files(here.home) if f.name == "config.json"] == []


def test_s3__no_secret_in_a_command_line(published: Played) -> None:
    # Of act itself, dev/act.py makes the environment of the steps by arguments.
    lines = [line for line in published.command_lines if not _program(line).endswith(b"/act")]

    assert any(b"entrypoint.py" in line for line in lines), "nobody looked while it ran"
    assert any(b"buildx" in line and b"candidate-" in line for line in lines)
    assert [line for line in lines if _found(line, published.secrets)] == []


def test_s3__every_secret_is_masked_before_it_can_be_shown(published: Played) -> None:
    masked = {
        line.argument: _room(job, index)
        for job in published.jobs
        for index, line in enumerate(job.lines)
        if line.command == "add-mask"
    }
    # GitHub masks these two itself.
    given = (published.secrets[0], published.stage.github["ACTIONS_ID_TOKEN_REQUEST_TOKEN"])
    own = set(published.secrets) - set(given)

    assert len(own) >= 6 * len(published.jobs) - 4, "some end before they ask for a token"
    # Some are a part of what is masked, as in the address of a blob; nothing else is masked.
    assert {secret for secret in own if not any(secret in value for value in masked)} == set()
    assert {value for value in masked if not any(secret in value for secret in own)} == set()
    # Role and token, the login to the registry, and the addresses of configurations where it is
    # looked what the release tags name; a re-run, which needs no login, does not wait for it.
    assert "Preflight" in masked.values()
    assert set(masked.values()) <= {"Preflight", "Find"}


def test_s4__only_what_was_named_is_touched(published: Played) -> None:
    jobs = set(published.result.job_results)

    assert _unexpected(published.calls, jobs) == []
    assert not [call for call in published.calls if call.operation == "CreateRepository"]


@one_store
def test_s4__only_what_was_named_is_touched__any_verdict(verdicts: Played) -> None:
    jobs = set(verdicts.result.job_results)

    assert _unexpected(verdicts.calls, jobs) == []
    created = [call for call in verdicts.calls if call.operation == "CreateRepository"]
    assert [call.repository for call in created] == ["create-repository"]


def test_s6__every_end_is_reported(published: Played) -> None:
    assert _silent(published) == []


@one_store
def test_s6__every_end_is_reported__any_verdict(verdicts: Played) -> None:
    assert _silent(verdicts) == []


@one_store
def test_s6__every_end_is_reported__before_anything(no_token: Played, fork: Played) -> None:
    assert _silent(no_token) == _silent(fork) == []


def test_workspace__is_as_it_was(published: Played) -> None:
    for name in ("passes", "refused"):
        status = published.stage.kept / f"{name}.status"
        assert status.read_text("utf-8") == ""


def test_engine__has_no_candidate_left(published: Played) -> None:
    """What the consumer built itself stays."""
    assert published.new_images == {"visit-counter-app:built"}


@one_store
def test_engine__has_no_candidate_left__any_verdict(verdicts: Played, enhanced: Played) -> None:
    assert verdicts.new_images == enhanced.new_images == frozenset()


def _released_without_pass(played: Played) -> list[str]:
    tagged = [job for job in played.jobs if _release_tags(played, job.name)]
    verdicts = {job.name: {job.outputs(use)["verdict"] for use in job.uses} for job in tagged}
    assert tagged, "nothing was released, so nothing is shown"
    return [name for name in verdicts if verdicts[name] != {"passed"} and name not in WAIVED]


def _release_tags(played: Played, repository: str) -> list[str]:
    try:
        tags = played.stage.tags(repository)
    except played.stage.api.exceptions.RepositoryNotFoundException:
        return []
    return [tag for tag in tags if not tag.startswith("candidate-")]


def _green_without_pass(played: Played) -> list[str]:
    green = {
        (job.name, use): job.outputs(use)["verdict"]
        for job in played.jobs
        for use in job.uses
        if played.result.step_results[job.name, use] == "success"
    }
    assert green, "nothing was green, so nothing is shown"
    return [
        name for (name, _), verdict in green.items() if verdict != "passed" and name not in WAIVED
    ]


def _silent(played: Played) -> list[str]:
    """The jobs that lack an output, a summary, a verdict or, if they failed, an annotation."""
    return [job.name for job in played.jobs if not _is_reported(job)]


def _is_reported(job: Job) -> bool:
    outputs = [job.outputs(use) for use in job.uses]
    whole = all(set(values) == set(ACTION["outputs"]) for values in outputs)
    judged = all(values["verdict"] in ("passed", "refused", "unknown") for values in outputs)
    reasoned = all(values["reason"] for values in outputs)
    errors = sum(annotation.kind == "error" for annotation in job.alerts)
    summed = len(job.summaries) == len(job.uses) > 0
    return whole and judged and reasoned and summed and errors == len(job.exit_codes)


def _unexpected(calls: tuple[Call, ...], repositories: set[str]) -> list[Call]:
    return [
        call
        for call in calls
        if not (call.operation in ALLOWED or call.operation.startswith("v2."))
        or call.repository not in (repositories | {None})
    ]


def _found(content: bytes, secrets: tuple[str, ...]) -> list[str]:
    return [secret[:4] for secret in secrets if secret[:PREFIX].encode() in content]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _program(command_line: bytes) -> bytes:
    return re.split(rb"\0", command_line)[0]


def _room(job: Job, index: int) -> str:
    return next(line.argument for line in reversed(job.lines[:index]) if line.command == "group")
