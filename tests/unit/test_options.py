"""An action's inputs as options, and options as the variables of its inputs."""

from __future__ import annotations

import pytest

from ecr_publish.errors import ExitCode, InvalidInputs
from ecr_publish.inputs import OIDC, Job, parse
from ecr_publish.options import Option, options, refuse_what_github_has, variables

ACTION = """name: x
inputs:
  repository:
    description: "Name, 100 %."
    required: true
  pull:
    description: "`true` says \\"yes\\"."
    required: false
  tags:
    description: "Tags."
    required: false

outputs:
  image:
    description: "No input."
"""
ROLE = "arn:aws:iam::123456789012:role/publisher"


def test_options__are_the_inputs_by_their_groups() -> None:
    found = {title: options for title, options in options(ACTION).items() if options}
    assert found == {
        "AWS and the repository": (
            Option(name="repository", meaning="Name, 100 %.", many=False, switch=False),
        ),
        "the image": (Option(name="pull", meaning='`true` says "yes".', many=False, switch=True),),
        "tags": (Option(name="tags", meaning="Tags.", many=True, switch=False),),
    }


@pytest.mark.parametrize("job", list(Job))
def test_variables__hand_over_what_was_given(job: Job) -> None:
    given = {"repository": "app", "tags": ["a", "b"], "pull": None, "build_args": "", "output": "x"}
    assert variables(job, given) == {
        "ECR_PUBLISH_JOB": job.value,
        "ECR_PUBLISH_REPOSITORY": "app",
        "ECR_PUBLISH_TAGS": "a\nb",
        "ECR_PUBLISH_BUILD_ARGS": "",
    }


def test_variables__of_lists_are_read_as_lists() -> None:
    given = {
        "aws_region": "eu-west-1",
        "repository": "app",
        "tags": ["1.4", "latest"],
        "platforms": ["linux/amd64", "linux/arm64"],
        "build_args": ["A=1,2", "B=3 4"],
        "allow": ["network.host", "security.insecure"],
        "report_file": ["a.json", "b.csv"],
    }
    found = parse(variables(Job.PUBLISH, given))
    assert (found.tags, found.platforms) == (("1.4", "latest"), ("linux/amd64", "linux/arm64"))
    assert found.build_args == ("A=1,2", "B=3 4")
    assert found.allow == ("network.host", "security.insecure")
    assert found.report_file == ("a.json", "b.csv")


def test_s3_variables__no_secret_stands_in_a_command_line() -> None:
    with pytest.raises(InvalidInputs) as caught:
        variables(Job.PUBLISH, {"secrets": ["npm=hunter2"], "github_token": "hunter2"})
    secrets, token = caught.value.problems
    assert secrets == (
        "secrets: is a secret, and every user of this machine can read a command line; set the "
        "variable ECR_PUBLISH_SECRETS, or use --secret-envs or --secret-files"
    )
    assert token.startswith("github-token: is a secret")
    assert "hunter2" not in str(caught.value)


def refused(**given: str) -> tuple[str, ...]:
    with pytest.raises(InvalidInputs) as caught:
        refuse_what_github_has({f"ECR_PUBLISH_{name.upper()}": it for name, it in given.items()})
    assert caught.value.exit_code is ExitCode.INPUT
    return caught.value.problems


def test_refuse__what_is_shown_on_github() -> None:
    assert refused(check_run="true", comment="true") == (
        "check-run: is shown on GitHub, and this is no run of a workflow; leave it out",
        "comment: is shown on GitHub, and this is no run of a workflow; leave it out",
    )


def test_refuse__role_without_a_token_says_what_to_do_in_a_terminal() -> None:
    (problem,) = refused(role_to_assume=ROLE)
    assert problem.startswith("role-to-assume: is assumed by a token that GitHub gives")
    assert f"`aws configure set profile.NAME.role_arn {ROLE}`" in problem


@pytest.mark.parametrize("held", [{}, *({name: "x"} for name in OIDC), dict.fromkeys(OIDC, "")])
def test_refuse__role_without_all_of_the_token_s_variables(held: dict[str, str]) -> None:
    with pytest.raises(InvalidInputs):
        refuse_what_github_has({"ECR_PUBLISH_ROLE_TO_ASSUME": ROLE, **held})


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"ECR_PUBLISH_CHECK_RUN": "false", "ECR_PUBLISH_COMMENT": ""},
        # The local ECR gives such tokens too.
        {"ECR_PUBLISH_ROLE_TO_ASSUME": ROLE, **dict.fromkeys(OIDC, "x")},
    ],
)
def test_refuse__nothing_that_works(environ: dict[str, str]) -> None:
    refuse_what_github_has(environ)
