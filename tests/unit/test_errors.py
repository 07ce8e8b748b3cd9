import json
import shlex
import textwrap
from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from ecr_publish.errors import (
    AccountNotAllowed,
    AccountUnknown,
    BakeInvalid,
    BaselineMissing,
    Bug,
    BuilderMissing,
    BuildFailed,
    CacheNotExported,
    CallFailed,
    Cancelled,
    CandidateCannotMove,
    CannotMerge,
    EngineMissing,
    ExitCode,
    GitHubCacheClosed,
    GitHubFailed,
    ImageMissing,
    ImageNotThere,
    InvalidInputs,
    InvalidPolicy,
    LocalEcrMissing,
    NoCredentials,
    NotScanned,
    NoWorkflowRun,
    OidcFailed,
    OidcUnavailable,
    PlatformsMissing,
    PromotionFailed,
    PublishError,
    PushFailed,
    RepositoryMissing,
    RoleRefused,
    SessionPolicyRefused,
    StoreLacks,
    StsFailed,
    TagTaken,
    UnexpectedManifest,
    Unready,
    WrongRegistry,
)
from ecr_publish.trust import Cause
from tests.factories import make_refused

ROLE = "arn:aws:iam::123456789012:role/path/publisher"
ARN = "arn:aws:ecr:eu-west-1:123456789012:repository/app"

EXAMPLES = [
    (InvalidInputs(["a: is bad"]), ExitCode.INPUT),
    (GitHubCacheClosed(), ExitCode.INPUT),
    (CacheNotExported("gha"), ExitCode.BUILD),
    (BakeInvalid("it defines no target"), ExitCode.INPUT),
    (InvalidPolicy(["p.yml, line 1: a: is bad"]), ExitCode.INPUT),
    (NoWorkflowRun(["GITHUB_SHA"]), ExitCode.INPUT),
    (LocalEcrMissing(), ExitCode.INPUT),
    (OidcUnavailable(from_fork=True), ExitCode.CREDENTIALS),
    (OidcUnavailable(from_fork=False), ExitCode.CREDENTIALS),
    (OidcFailed("it answered 500"), ExitCode.CREDENTIALS),
    (RoleRefused(make_refused()), ExitCode.CREDENTIALS),
    (StsFailed(ROLE, "no route", reached=False), ExitCode.CREDENTIALS),
    (AccountNotAllowed("123456789012", ["210987654321"]), ExitCode.CREDENTIALS),
    (AccountUnknown("no route"), ExitCode.CREDENTIALS),
    (SessionPolicyRefused(ROLE, "Packed policy consumes 112%"), ExitCode.CREDENTIALS),
    (NoCredentials(), ExitCode.CREDENTIALS),
    (RepositoryMissing("app", "eu-west-1"), ExitCode.REPOSITORY),
    (NotScanned("app", "eu-west-1"), ExitCode.REPOSITORY),
    (WrongRegistry(found="1 in eu-west-1", wanted="2 in eu-west-1"), ExitCode.REPOSITORY),
    (Unready([NoCredentials(), StoreLacks("an image for 2 platforms")]), ExitCode.CREDENTIALS),
    (ImageNotThere("1.4.2", "app"), ExitCode.REPOSITORY),
    (BaselineMissing("latest", "there is none"), ExitCode.REPOSITORY),
    (CannotMerge("they are odd"), ExitCode.INPUT),
    (BuilderMissing("native", "no such builder"), ExitCode.BUILD),
    (StoreLacks("an image for 2 platforms"), ExitCode.BUILD),
    (CandidateCannotMove("an index", "app", mode="IMMUTABLE", excluded=()), ExitCode.BUILD),
    (EngineMissing("no socket"), ExitCode.BUILD),
    (BuildFailed(1), ExitCode.BUILD),
    (ImageMissing("app:test"), ExitCode.BUILD),
    (PushFailed("it failed", fix="Try."), ExitCode.PUSH),
    (UnexpectedManifest("sha256:1", "it is odd"), ExitCode.PUSH),
    (PlatformsMissing(["linux/arm64"]), ExitCode.PUSH),
    (CallFailed("PutImage", "X", "no", transient=True), ExitCode.PROMOTE),
    (TagTaken("latest", "sha256:1", "app", "Why."), ExitCode.PROMOTE),
    (PromotionFailed(NoCredentials(), applied=[], missing=["latest"]), ExitCode.PROMOTE),
    (Cancelled(), ExitCode.CANCELLED),
    (Bug(ValueError("no")), ExitCode.BUG),
]


def pasted(text: str) -> str:
    """The lines to paste: those that are indented."""
    lines = [line for line in text.splitlines() if line.startswith("    ")]
    return textwrap.dedent("\n".join(lines))


def pasted_yaml(text: str) -> Any:
    return yaml.safe_load(pasted(text))


def pasted_json(text: str) -> Any:
    return json.loads(text[text.index("{") :])


def test_examples__name_every_error() -> None:
    assert {type(error) for error, _ in EXAMPLES} == set(PublishError.__subclasses__())


@pytest.mark.parametrize(("error", "code"), EXAMPLES, ids=lambda item: type(item).__name__)
def test_error__exit_code(error: PublishError, code: ExitCode) -> None:
    assert error.exit_code is code


@pytest.mark.parametrize("error", [error for error, _ in EXAMPLES])
def test_error__says_what_happened_and_what_to_do(error: PublishError) -> None:
    assert error.what
    assert str(error) == error.what
    assert error.fix
    assert not error.link or error.link.startswith("https://")
    assert not any(line != line.rstrip() for line in f"{error.why}\n{error.fix}".splitlines())


def test_call_failed__by_the_session_s_own_policy_is_no_mistake_of_the_role() -> None:
    message = (
        "User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized to perform: "
        f"ecr:PutImage on resource: {ARN} because no session policy allows the ecr:PutImage action"
    )
    error = CallFailed("PutImage", "AccessDeniedException", message, resource=ARN, transient=False)
    assert "session-policy: repository" in error.why
    assert pasted_yaml(error.fix) == {"session-policy": "none"}
    assert "report" in error.fix
    assert "Add this statement" not in error.fix


def test_session_policy_refused__says_what_to_set() -> None:
    error = SessionPolicyRefused(ROLE, "Packed policy consumes 112%")
    assert ROLE in error.what
    assert "112%" in error.what
    assert pasted_yaml(error.fix) == {"session-policy": "none"}


def test_exit_codes__are_the_documented_ones() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "PASSED": 0,
        "INPUT": 2,
        "CREDENTIALS": 3,
        "REPOSITORY": 4,
        "BUILD": 5,
        "PUSH": 6,
        "SCAN": 7,
        "PROMOTE": 8,
        "REFUSED": 9,
        "BUG": 70,
        "CANCELLED": 130,
    }


def test_publish_error__unforeseen_by_default() -> None:
    error = PublishError("it broke")
    assert error.exit_code is ExitCode.BUG
    assert (error.what, error.why, error.fix, error.link) == ("it broke", "", "", "")


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (BuildFailed(1), "build-failed"),
        (GitHubCacheClosed(), "github-cache-closed"),
        (Bug(ValueError()), "bug"),
        (PushFailed("it failed", kind="throttled"), "push-failed-throttled"),
        (CallFailed("PutImage", "AccessDenied", "no", transient=False), "call-failed-denied"),
    ],
)
def test_docs__section_of_the_class_and_of_its_kind(error: PublishError, place: str) -> None:
    assert error.docs == (
        f"https://github.com/org/ecr-publish/blob/main/docs/troubleshooting.md#{place}"
    )


def test_github_failed__says_where_to_read_on() -> None:
    error = GitHubFailed("it was not taken", why="Because.", fix="Do this.")
    assert str(error) == (
        "it was not taken\nBecause.\nDo this.\n"
        "More: https://github.com/org/ecr-publish/blob/main/docs/troubleshooting.md#github-failed"
    )


def test_publish_error__what_is_one_line() -> None:
    error = PublishError(" a\r\n::error::b \n", why="w\nw", fix="f\nf", link="l")
    assert error.what == str(error) == "a ::error::b"
    assert (error.why, error.fix, error.link) == ("w\nw", "f\nf", "l")


def test_invalid_inputs__one() -> None:
    error = InvalidInputs(["tags: 'x y' is not a tag"])
    assert error.what == "1 input cannot be used: tags: 'x y' is not a tag"
    assert error.why == "Nothing was built or pushed."
    assert error.fix == "Correct\n- tags: 'x y' is not a tag"
    assert error.problems == ("tags: 'x y' is not a tag",)


def test_invalid_inputs__several() -> None:
    error = InvalidInputs(["a: one", "b: two"])
    assert error.what == "2 inputs cannot be used: a: one; b: two"
    assert error.fix.endswith("\n- a: one\n- b: two")
    assert error.problems == ("a: one", "b: two")


def test_no_workflow_run__names_the_variables() -> None:
    error = NoWorkflowRun(["GITHUB_SHA", "GITHUB_RUN_ID"])
    assert error.what.endswith(": GITHUB_SHA, GITHUB_RUN_ID not set")


def test_oidc_unavailable__permission_to_paste() -> None:
    error = OidcUnavailable(from_fork=False)
    assert error.what == "GitHub offers this job no OIDC token, so role-to-assume cannot be used"
    assert "lacks the permission" in error.why
    assert pasted_yaml(error.fix) == {"permissions": {"id-token": "write", "contents": "read"}}


def test_oidc_unavailable__fork_condition_lets_pushes_run() -> None:
    error = OidcUnavailable(from_fork=True)
    assert error.what == "this pull request comes from a fork, so the run gets no credentials"
    assert "no OIDC token" in error.why
    assert "permissions" not in error.fix
    assert "Do not use pull_request_target" in error.fix
    assert pasted_yaml(error.fix) == {
        "on-fork": "build-only",
        "if": "github.event_name != 'pull_request' || "
        "github.event.pull_request.head.repo.full_name == github.repository",
    }


def test_oidc_failed__detail() -> None:
    assert OidcFailed("it answered 503").what == (
        "GitHub's OIDC endpoint gave no token: it answered 503"
    )


def test_role_refused__is_what_the_refusal_says() -> None:
    refusal = make_refused(code="AccessDenied", message="Not authorized")
    error = RoleRefused(refusal)
    assert error.what == (
        f"AWS did not let this run assume {refusal.role}: Not authorized (AccessDenied)"
    )
    assert (error.why, error.fix) == (refusal.why, refusal.fix)
    assert error.cause is Cause.NOT_TRUSTED


def test_sts_failed__out_of_reach() -> None:
    error = StsFailed(ROLE, "no route", reached=False)
    assert error.what == f"STS could not be asked to assume {ROLE}: no route"
    assert error.why == "The runner could not reach the regional STS endpoint."
    assert "HTTPS_PROXY" in error.fix


def test_sts_failed__with_a_fault_of_its_own() -> None:
    error = StsFailed(ROLE, "Rate exceeded (Throttling)", reached=True)
    assert error.why.startswith("STS was reached, and had a passing fault")
    assert error.fix.startswith("Run the job again")


def test_account_not_allowed__yaml_to_paste_keeps_leading_zeros() -> None:
    error = AccountNotAllowed("000000000012", ["111111111111", "222222222222"])
    assert error.what == (
        "the credentials are of the account 000000000012, which is none of allowed-account-ids "
        "(111111111111, 222222222222)"
    )
    assert pasted_yaml(error.fix) == {
        "allowed-account-ids": "111111111111,222222222222,000000000012"
    }


def test_account_unknown__detail_and_step_to_paste() -> None:
    error = AccountUnknown("expired (ExpiredToken)")
    assert error.what.endswith("could not be found out: expired (ExpiredToken)")
    assert pasted(error.fix) == "aws sts get-caller-identity"


def test_no_credentials__yaml_to_paste() -> None:
    in_a_workflow, _, in_a_terminal = NoCredentials().fix.partition("In a terminal, ")
    assert pasted_yaml(in_a_workflow) == {
        "role-to-assume": "arn:aws:iam::123456789012:role/my-publisher",
        "permissions": {"id-token": "write", "contents": "read"},
    }
    assert pasted(in_a_terminal).splitlines() == [
        "aws sso login --profile my-profile",
        "export AWS_PROFILE=my-profile",
    ]


def test_no_credentials__profile_that_is_not_there() -> None:
    error = NoCredentials(profile="nobody")
    assert error.what == "there is no AWS profile 'nobody' on this machine"
    assert "role-to-assume" not in f"{error.what}{error.why}{error.fix}"


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("GetAuthorizationToken", ExitCode.CREDENTIALS),
        ("DescribeRepositories", ExitCode.REPOSITORY),
        ("CreateRepository", ExitCode.REPOSITORY),
        ("BatchGetImage", ExitCode.PUSH),
        ("GetDownloadUrlForLayer", ExitCode.PUSH),
        ("StartImageScan", ExitCode.SCAN),
        ("DescribeImageScanFindings", ExitCode.SCAN),
        ("PutImage", ExitCode.PROMOTE),
        ("DescribeImages", ExitCode.PROMOTE),
        ("BatchDeleteImage", ExitCode.PROMOTE),
        ("SomethingElse", ExitCode.BUG),
    ],
)
def test_call_failed__exit_code_of_the_room(operation: str, code: ExitCode) -> None:
    assert CallFailed(operation, "X", "no", transient=False).exit_code is code


@pytest.mark.parametrize("transient", [True, False])
def test_call_failed__keeps_what_callers_ask_for(transient: bool) -> None:  # noqa: FBT001
    error = CallFailed("PutImage", "ServerException", "broken", transient=transient)
    assert error.what == "ecr:PutImage failed: broken (ServerException)"
    assert (error.operation, error.code, error.transient) == (
        "PutImage",
        "ServerException",
        transient,
    )


@pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied", "UnauthorizedOperation"])
def test_call_failed__statement_to_paste(code: str) -> None:
    error = CallFailed("PutImage", code, "not authorized", resource=ARN, transient=False)
    assert error.why == "The credentials lack a permission."
    assert pasted_json(error.fix) == {
        "Effect": "Allow",
        "Action": ["ecr:PutImage"],
        "Resource": ARN,
    }
    assert error.link.endswith("/security-iam.html")


def test_call_failed__token_is_not_of_a_repository() -> None:
    error = CallFailed("GetAuthorizationToken", "AccessDenied", "no", resource=ARN, transient=False)
    assert pasted_json(error.fix) == {
        "Effect": "Allow",
        "Action": ["ecr:GetAuthorizationToken"],
        "Resource": "*",
    }


def test_call_failed__enhanced_scanning_needs_inspector() -> None:
    message = "User: arn:x is not authorized to perform: inspector2:ListCoverage on resource: *"
    error = CallFailed(
        "DescribeImageScanFindings", "AccessDeniedException", message, resource=ARN, transient=False
    )
    assert pasted_json(error.fix) == {
        "Effect": "Allow",
        "Action": ["inspector2:ListCoverage", "inspector2:ListFindings"],
        "Resource": "*",
    }


def test_call_failed__explicit_deny_is_no_missing_statement() -> None:
    message = "not authorized with an explicit deny in a service control policy"
    error = CallFailed("PutImage", "AccessDeniedException", message, resource=ARN, transient=False)
    assert error.why.startswith("A policy forbids this explicitly")
    assert "{" not in error.fix


def test_call_failed__words_of_a_denial_in_another_error() -> None:
    error = CallFailed("PutImage", "SomethingNew", "the tag `explicit deny`", transient=False)
    assert error.kind == "unknown"


@pytest.mark.parametrize(
    ("code", "transient", "why"),
    [
        ("ThrottlingException", True, "Most often a passing fault"),
        ("ExpiredTokenException", True, "The credentials have expired"),
        ("ExpiredTokenException", False, "The credentials have expired"),
        ("ExpiredToken", False, "The credentials have expired"),
        ("UnrecognizedClientException", False, "The credentials are wrong or revoked"),
        ("InvalidClientTokenId", False, "The credentials are wrong or revoked"),
        ("InvalidSignatureException", False, "The credentials are wrong or revoked"),
        ("EndpointConnectionError", True, "This machine does not reach AWS there"),
        ("ConnectTimeoutError", True, "This machine does not reach AWS there"),
        ("ProxyConnectionError", True, "This machine does not reach AWS there"),
        ("SSLError", True, "This machine does not reach AWS there"),
        ("ReadTimeoutError", True, "Most often a passing fault"),
        ("SomethingNew", False, "AWS names no cause that is known here."),
    ],
)
def test_call_failed__cause_by_code(code: str, transient: bool, why: str) -> None:  # noqa: FBT001
    error = CallFailed("PutImage", code, "no", transient=transient)
    assert error.why.startswith(why)
    assert error.fix
    assert error.link.endswith("/CommonErrors.html")


def test_call_failed__unknown_code_guesses_nothing() -> None:
    error = CallFailed("PutImage", "SomethingNew", "no", resource=ARN, transient=False)
    assert error.why == "AWS names no cause that is known here."
    assert "{" not in error.fix


@pytest.mark.parametrize(
    ("operation", "action", "more"),
    [
        ("PutImage", "ecr:PutImage", []),
        ("BatchGetFindingDetails", "inspector2:BatchGetFindingDetails", []),
        ("ListCoverage", "inspector2:ListCoverage", ["inspector2:ListFindings"]),
    ],
)
def test_call_failed__names_the_service_and_what_goes_with_it(
    operation: str, action: str, more: list[str]
) -> None:
    error = CallFailed(operation, "AccessDeniedException", "no", transient=False)
    assert error.what == f"{action} failed: no (AccessDeniedException)"
    assert pasted_json(error.fix)["Action"] == [action, *more]


def test_call_failed__longer_session_to_paste() -> None:
    error = CallFailed("PutImage", "ExpiredTokenException", "no", transient=False)
    in_a_workflow, _, in_a_terminal = error.fix.partition("In a terminal, ")
    assert pasted_yaml(in_a_workflow) == {"role-duration-seconds": 7200}
    assert pasted(in_a_terminal) == "aws sso login --profile my-profile"


def test_repository_missing__input_and_command_to_paste() -> None:
    error = RepositoryMissing("team/app", "eu-west-1")
    assert error.what == "the repository team/app does not exist in eu-west-1"
    assert pasted(error.fix) == (
        "create-repository: true\n"
        "aws ecr create-repository --repository-name team/app --region eu-west-1 \\\n"
        "  --image-scanning-configuration scanOnPush=true"
    )


def test_not_scanned__rule_to_paste() -> None:
    error = NotScanned("team/app", "eu-west-1")
    assert error.what == "the repository team/app is never scanned, so no image of it can pass"
    assert "Nothing was built." in error.why
    command, rule = pasted(error.fix).splitlines()
    # The command that writes would replace the other rules of the registry, so it is only named.
    assert command == "aws ecr get-registry-scanning-configuration --region eu-west-1"
    assert "put-registry-scanning-configuration, which replaces them all" in error.fix
    assert json.loads(rule) == {
        "scanFrequency": "SCAN_ON_PUSH",
        "repositoryFilters": [{"filter": "team/app", "filterType": "WILDCARD"}],
    }


def test_platforms_missing__names_them() -> None:
    error = PlatformsMissing(["linux/arm64", "linux/s390x"])
    assert error.what == "the image that was pushed lacks linux/arm64, linux/s390x"
    assert "group «Build»" in error.fix


def test_builder_missing__name_and_detail() -> None:
    error = BuilderMissing("native", "no builder found")
    assert error.what == "the builder native cannot be used: no builder found"
    made, published = pasted_yaml(error.fix)
    assert made == {"uses": "docker/setup-buildx-action@v4", "id": "buildx"}
    assert published == {
        "uses": "org/ecr-publish@v1",
        "with": {"builder": "${{ steps.buildx.outputs.name }}"},
    }


def test_store_lacks__image_store_or_a_builder_to_paste() -> None:
    error = StoreLacks("an image for 2 platforms")
    assert error.what == "an image for 2 platforms cannot be built in this Docker Engine"
    assert "Nothing was built." in error.why
    step, builder = pasted_yaml(error.fix)
    assert builder == {"uses": "docker/setup-buildx-action@v4"}
    settings, change, write = step["run"].splitlines()[:3]
    # What is in the file already stays, and it may be missing or empty.
    assert settings == 'settings="$({ sudo cat /etc/docker/daemon.json || true; } |'
    assert """jq --slurp 'add // {} | .features["containerd-snapshotter"] = true')\"""" in change
    assert write == 'echo "$settings" | sudo tee /etc/docker/daemon.json'
    assert step["run"].splitlines()[3:] == ["sudo systemctl restart docker"]


@pytest.mark.parametrize(
    ("mode", "excluded", "filters"),
    [
        ("IMMUTABLE", [], ["candidate-*"]),
        ("IMMUTABLE_WITH_EXCLUSION", ["latest"], ["latest", "candidate-*"]),
        ("IMMUTABLE_WITH_EXCLUSION", ["v*", "latest"], ["v*", "latest", "candidate-*"]),
    ],
)
def test_candidate_cannot_move__command_keeps_what_is_excluded(
    mode: str, excluded: Sequence[str], filters: Sequence[str]
) -> None:
    error = CandidateCannotMove("an index", "team/app", mode=mode, excluded=excluded)
    assert error.what == (
        "an index cannot be pushed by this Docker Engine to team/app, where a candidate tag cannot "
        "move"
    )
    assert "Nothing was built." in error.why
    command, _, builder = pasted(error.fix).partition("\n- ")
    assert shlex.split(command.replace("\\\n", "")) == [
        *("aws", "ecr", "put-image-tag-mutability", "--repository-name", "team/app"),
        *("--image-tag-mutability", "IMMUTABLE_WITH_EXCLUSION"),
        "--image-tag-mutability-exclusion-filters",
        *(f"filterType=WILDCARD,filter={item}" for item in filters),
    ]
    assert builder == "uses: docker/setup-buildx-action@v4"


def test_candidate_cannot_move__where_the_exclusions_are_what_cannot_move() -> None:
    error = CandidateCannotMove(
        "an index", "app", mode="MUTABLE_WITH_EXCLUSION", excluded=["v*", "cand*"]
    )
    first, _, rest = error.fix.partition("\n")
    assert first == (
        "Let candidate tags move: of the repository's exclusions (v*, cand*), change the one that "
        "names candidate-…"
    )
    assert "IMMUTABLE" not in error.fix
    assert pasted(rest) == "- uses: docker/setup-buildx-action@v4"


def test_image_not_there__reference_and_command_to_paste() -> None:
    error = ImageNotThere("1.4.2", "team/app")
    assert error.what == "the repository team/app has no image 1.4.2"
    assert pasted(error.fix) == "aws ecr list-images --repository-name team/app"
    assert "`promote: never`" in error.fix


def test_cannot_merge__problem() -> None:
    error = CannotMerge("sha256:1 and sha256:2 are both for linux/amd64")
    assert error.what == (
        "the images cannot be merged: sha256:1 and sha256:2 are both for linux/amd64"
    )


def test_engine_missing__detail() -> None:
    assert EngineMissing("no socket").what == "Docker cannot be used: no socket"


def test_build_failed__status() -> None:
    error = BuildFailed(17)
    assert error.what == "docker buildx build exited with 17"
    assert "group «Build»" in error.why


def test_build_failed__although_buildx_ended_well() -> None:
    error = BuildFailed(0, said="no image of the target 'web'")
    assert error.what == "docker buildx built nothing"
    assert "no image of the target 'web'" in error.why


def test_image_missing__name() -> None:
    error = ImageMissing("app:test")
    assert error.what == "the Docker Engine has no image app:test"
    assert pasted(error.fix) == "docker build --tag app:test ."


def test_unexpected_manifest__digest_and_detail() -> None:
    error = UnexpectedManifest("sha256:1", "it is odd")
    assert error.what == "the manifest sha256:1 cannot be gated: it is odd"
    assert "no release tag was applied" in error.fix


def test_tag_taken__image_and_why() -> None:
    error = TagTaken("1.4.2", "sha256:1", "team/app", "It is another one.")
    assert error.what == "the tag 1.4.2 is on sha256:1 already, and team/app does not let it move"
    assert error.why == "It is another one."
    assert pasted_yaml(error.fix) == {"tags": "git-{short-sha}"}


CAUSE = PublishError("it is taken", why="Because.", fix="Do this.", link="https://e.example")
AGAIN = "Running it again is safe: tags that are in place stay as they are."


@pytest.mark.parametrize(
    ("applied", "missing", "why"),
    [
        ([], ["latest"], "Applied: none. Not applied: latest."),
        (["1.4.2", "1.4"], ["latest", "1"], "Applied: 1.4.2, 1.4. Not applied: latest, 1."),
    ],
)
def test_s6_promotion_failed__names_every_tag(
    applied: list[str], missing: list[str], why: str
) -> None:
    error = PromotionFailed(CAUSE, applied=applied, missing=missing)
    assert error.what == "the release tag latest could not be applied: it is taken"
    assert error.why == why
    assert error.fix == f"Because.\nDo this.\n{AGAIN}"
    assert error.link == "https://e.example"


def test_promotion_failed__cause_without_advice() -> None:
    error = PromotionFailed(PublishError("it broke"), applied=[], missing=["latest"])
    assert (error.fix, error.link) == (AGAIN, "")


def test_bug__type_and_text_on_one_line() -> None:
    error = Bug(ValueError("one\ntwo"))
    assert error.what == "ecr-publish met an error that it does not know: ValueError: one two"
    assert "not «passed»" in error.why


@pytest.mark.parametrize(
    ("problems", "count"), [(["p: one"], "1 problem"), (["p", "q"], "2 problems")]
)
def test_invalid_policy__names_every_place(problems: list[str], count: str) -> None:
    error = InvalidPolicy(problems)
    assert error.what == f"the policy has {count}: {'; '.join(problems)}"
    assert error.fix == "\n".join(["Correct", *(f"- {item}" for item in problems)])
    assert error.problems == tuple(problems)


def test_baseline_missing__names_it_and_how_to_do_without() -> None:
    error = BaselineMissing("team/base:latest", "there is no image latest")
    assert error.what == ("the baseline team/base:latest cannot be used: there is no image latest")
    assert "on-baseline-error: warn" in error.fix
