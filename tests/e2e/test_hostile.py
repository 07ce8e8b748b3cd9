"""What a build prints reaches people, and never the runner's command parser.

act is kinder than GitHub's runner (dev/act.py), so the raw bytes are read here as the runner reads
them: `obeyed`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from dev import act
from dev.engine import Engine
from tests.e2e.conftest import HOSTILE_SCENARIO, Played
from tests.e2e.support import CONSUMER, Annotation, Stage, obeyed, stage

OURS = {"group", "endgroup", "add-mask", "stop-commands"}


@pytest.fixture(scope="module")
def unbuilt(engine: Engine) -> Iterator[Stage]:
    with stage(engine, scenario=HOSTILE_SCENARIO) as made:
        made.create("hostile", "hostile-failure")
        yield made


@pytest.fixture
def here(unbuilt: Stage) -> Stage:
    # What comes from the cache of builds is not printed.
    unbuilt.forget_builds()
    return unbuilt


def test_hostile_build__sets_no_output_and_no_annotation(published: Played) -> None:
    here, job = published.stage, published.job("hostile")

    refusal = "Refused: 1 HIGH: at or above the threshold high"
    assert job.alerts == (Annotation(kind="error", message=refusal),)
    assert job.outputs()["verdict"] == "refused"
    assert here.tags("hostile") == {here.candidates("hostile")[0]: job.outputs()["digest"]}
    assert {line.command for line in job.lines} <= {
        *("", "group", "endgroup", "add-mask", "stop-commands", "error", "set-output", "summary"),
        *_tokens(job.lines),
    }


def test_hostile_build__is_shown_to_people(published: Played) -> None:
    printed = re.findall(r'(?:echo|printf) ["\'](.*)["\']', (CONSUMER / "hostile.sh").read_text())
    plain = [text for text in printed if "\\" not in text]

    assert len(plain) >= 15
    assert [text for text in plain if text not in published.job("hostile").log] == []


def test_hostile_build__that_fails_has_one_annotation(published: Played) -> None:
    job = published.job("hostile-failure")

    failed = "Not published: docker buildx build exited with 1"
    assert job.alerts == (Annotation(kind="error", message=failed),)
    assert "::error title=hostile::from the Dockerfile" in job.log


def test_hostile_build__raw_bytes_obey_nothing_of_it(here: Stage) -> None:
    with here.start(repository="hostile", file="hostile.Dockerfile", network="none") as step:
        assert step.wait() == 9

        assert set(obeyed(step.log)) == OURS | {"error"}
        # Of the step, and of its one finding.
        assert obeyed(step.log).count("error") == 2
        assert step.outputs["verdict"] == "refused"
        # It is the brackets that protect: without them the runner would have obeyed.
        assert set(obeyed(_without_brackets(step.log))) >= {"error", "warning", "set-output"}
        # And the findings of the scan, which are outside of them, hold commands as well.
        after = step.log.partition(b"::group::Scan")[2]
        assert b"::set-output name=verdict::hostile" in after


def test_hostile_build__raw_bytes_obey_nothing_of_its_failure(here: Stage) -> None:
    inputs = {"file": "hostile.Dockerfile", "network": "none", "build_args": "FAIL=1"}
    with here.start(repository="hostile-failure", **inputs) as step:
        assert step.wait() == 5

        assert set(obeyed(step.log)) == OURS | {"error"}
        assert obeyed(step.log).count("error") == 1
        assert step.outputs["reason"] == "docker buildx build exited with 1"


def test_bad_inputs__raw_bytes_obey_nothing_of_them(here: Stage) -> None:
    hostile = "::error::x\n##[error]x\n  ::add-mask::x\r::stop-commands::x"
    names = ("repository", "severity_threshold", "tags", "labels", "registry", "image", "file")
    with here.start(**dict.fromkeys(names, hostile)) as step:
        assert step.wait() == 2

        assert obeyed(step.log) == ["group", "endgroup", "error"]
        assert step.outputs["verdict"] == "unknown"


def test_s3__raw_bytes_hold_secrets_in_masks_alone(here: Stage) -> None:
    """What the runner masks is not looked at here: the bytes are the action's own."""
    with here.start(repository="hostile", file="hostile.Dockerfile", network="none") as step:
        step.wait()
        lines = step.log.splitlines()
        masks = [line for line in lines if line.startswith(b"::add-mask::")]
        others = b"\n".join(line for line in lines if line not in masks)
        files = (step.files / name for name in ("output", "summary"))
        written = others + b"".join(file.read_bytes() for file in files)

    assert len(masks) == 6
    secrets = here.ecr.secrets()
    assert [secret[:4] for secret in secrets if secret[:24].encode() in written] == []


def _without_brackets(raw: bytes) -> bytes:
    return re.sub(rb"::stop-commands::\w+\n", b"", raw)


def _tokens(lines: tuple[act.Line, ...]) -> set[str]:
    return {line.argument for line in lines if line.command == "stop-commands"}
