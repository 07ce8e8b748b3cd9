from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest

from ecr_publish.cache import Cache
from ecr_publish.errors import ExitCode, GitHubCacheClosed, InvalidInputs
from ecr_publish.findings import Severity, Threshold
from ecr_publish.inputs import (
    FailOn,
    Inputs,
    Job,
    Mutability,
    OnFork,
    OnRefusal,
    OnUnjudged,
    Promote,
    SessionPolicy,
    UnknownSeverity,
    hidden,
    inherited,
    parse,
    variable,
)
from ecr_publish.reference import ImageName, RegistryId, Repository, Tag
from ecr_publish.secret import Secret, SecretFile
from tests.factories import make_digest, make_inputs

ROLE = "arn:aws:iam::123456789012:role/visit-counter-publisher"
NEEDED = {"aws-region": "eu-west-1", "repository": "visit-counter-app", "role-to-assume": ROLE}

JOB = {
    "PIP_TOKEN": "hunter3",
    "GEM_TOKEN": "hunter4",
    "EMPTY": "",
    "ACTIONS_RUNTIME_TOKEN": "hunter5",
    "ACTIONS_RESULTS_URL": "https://results.example/",
}
"""What the environment of the job holds beside the inputs."""


def environment(given: Mapping[str, str]) -> dict[str, str]:
    return {f"ECR_PUBLISH_{name.upper().replace('-', '_')}": text for name, text in given.items()}


def parsed(**given: str) -> Inputs:
    named = {name.replace("_", "-"): text for name, text in given.items()}
    return parse(JOB | environment(NEEDED | named))


def problems(**given: str) -> tuple[str, ...]:
    with pytest.raises(InvalidInputs) as caught:
        parsed(**given)
    return caught.value.problems


def problem(**given: str) -> str:
    (only,) = problems(**given)
    return only


def test_variable__dashes() -> None:
    assert variable("aws-region") == "ECR_PUBLISH_AWS_REGION"


def test_parse__defaults() -> None:
    assert parsed() == make_inputs()


def test_parse__without_role() -> None:
    assert parsed(role_to_assume="").role_to_assume is None


def test_parse__everything() -> None:
    assert parsed(
        aws_region="cn-north-1",
        role_to_assume="arn:aws-cn:iam::123456789012:role/path/to/publisher",
        role_session_name="ci@release",
        role_duration_seconds="7200",
        audience="sts.amazonaws.com.cn",
        allowed_account_ids="123456789012, 000000000012\n210987654321",
        session_policy="none",
        on_fork="fail",
        registry="210987654321",
        repository="team/app",
        create_repository="true",
        image_tag_mutability="IMMUTABLE",
        context="app",
        build_contexts="lib=../lib\nbase=docker-image://alpine:3",
        file="app/Dockerfile",
        target="final",
        build_args="A=1\nB=2",
        secrets='npm=hunter2\n"key=two\nlines\n"',
        secret_envs="pip=PIP_TOKEN,gem=GEM_TOKEN",
        secret_files="rc=home/.npmrc",
        ssh="default\nother=key",
        labels="a=1\nb=2",
        annotations="a=1,2\nindex:b=2",
        cache_from="type=gha,scope=a\nr.io/app:cache",
        cache_to="type=inline",
        no_cache="true",
        no_cache_filters="one,two",
        pull="true",
        network="none",
        add_hosts="a:10.0.0.1,b:10.0.0.2",
        shm_size="2g",
        ulimit="nofile=1:2\nnproc=3",
        cgroup_parent="builds",
        allow="network.host,security.insecure",
        platforms="linux/amd64,linux/arm64",
        provenance="mode=max",
        sbom="generator=r.io/scanner:1",
        builder="native",
        rebuild="true",
        tags="1.4.2\n{short-sha}",
        promote="always",
        promote_only_forward="true",
        on_refusal="delete",
        severity_threshold="low",
        unknown_severity="medium",
        only_fixable="true",
        policy_file="policy/images.yml",
        baseline="team/base:1.4",
        fail_on="new",
        on_baseline_error="warn",
        scan_timeout="1h",
        max_scan_age="7d",
        on_timeout="warn",
        on_unsupported="fail",
        on_scan_error="warn",
        report_only="true",
        github_token="ghs_hunter2",
        check_run="true",
        comment="true",
        sarif_file="reports/scan.sarif",
        report_file="reports/scan.json\nscan.csv\nscan.html",
    ) == Inputs(
        job=Job.PUBLISH,
        aws_region="cn-north-1",
        role_to_assume="arn:aws-cn:iam::123456789012:role/path/to/publisher",
        role_session_name="ci@release",
        role_duration_seconds=7200,
        audience="sts.amazonaws.com.cn",
        allowed_account_ids=("123456789012", "000000000012", "210987654321"),
        session_policy=SessionPolicy.NONE,
        on_fork=OnFork.FAIL,
        registry=RegistryId("210987654321"),
        repository=Repository("team/app"),
        create_repository=True,
        image_tag_mutability=Mutability.IMMUTABLE,
        context="app",
        build_contexts=("lib=../lib", "base=docker-image://alpine:3"),
        file="app/Dockerfile",
        target="final",
        platforms=("linux/amd64", "linux/arm64"),
        build_args=("A=1", "B=2"),
        secrets=(
            Secret(id="npm", variable="ECR_PUBLISH_SECRET_1", value="hunter2"),
            Secret(id="key", variable="ECR_PUBLISH_SECRET_2", value="two\nlines\n"),
        ),
        secret_envs=(
            Secret(id="pip", variable="PIP_TOKEN", value="hunter3"),
            Secret(id="gem", variable="GEM_TOKEN", value="hunter4"),
        ),
        secret_files=(SecretFile(id="rc", path="home/.npmrc"),),
        ssh=("default", "other=key"),
        labels=("a=1", "b=2"),
        annotations=("a=1,2", "index:b=2"),
        cache_from=(
            Cache(type="gha", attributes=(("scope", "a"),)),
            Cache(type="registry", attributes=(("ref", "r.io/app:cache"),)),
        ),
        cache_to=(Cache(type="inline"),),
        no_cache=True,
        no_cache_filters=("one", "two"),
        pull=True,
        network="none",
        add_hosts=("a:10.0.0.1", "b:10.0.0.2"),
        shm_size="2g",
        ulimit=("nofile=1:2", "nproc=3"),
        cgroup_parent="builds",
        allow=("network.host", "security.insecure"),
        provenance="mode=max",
        sbom="generator=r.io/scanner:1",
        builder="native",
        rebuild=True,
        image=None,
        bake_file=(),
        targets=(),
        reference=None,
        digests=(),
        tags=("1.4.2", "{short-sha}"),
        promote_to=(),
        promote=Promote.ALWAYS,
        promote_only_forward=True,
        on_refusal=OnRefusal.DELETE,
        severity_threshold=Threshold.LOW,
        unknown_severity=Severity.MEDIUM,
        only_fixable=True,
        policy_file="policy/images.yml",
        baseline=ImageName(Tag("1.4"), Repository("team/base")),
        fail_on=FailOn.NEW,
        on_baseline_error=OnUnjudged.WARN,
        scan_timeout=3600,
        max_scan_age=604_800,
        on_timeout=OnUnjudged.WARN,
        on_unsupported=OnUnjudged.FAIL,
        on_scan_error=OnUnjudged.WARN,
        report_only=True,
        github_token="ghs_hunter2",
        check_run=True,
        comment=True,
        sarif_file="reports/scan.sarif",
        report_file=("reports/scan.json", "scan.csv", "scan.html"),
    )


@pytest.mark.parametrize("name", ["on_timeout", "on_unsupported", "on_scan_error"])
def test_parse__each_case_has_its_own_input(name: str) -> None:
    assert parsed(**{name: "warn"}) == make_inputs(**{name: OnUnjudged.WARN})


def test_parse__image() -> None:
    assert parsed(image="app:test") == make_inputs(image="app:test")


def test_parse__blanks_around_values() -> None:
    assert parsed(repository="  visit-counter-app\n", audience=" x ") == make_inputs(audience="x")


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_parse__empty_is_not_given(empty: str) -> None:
    given = {field.name: empty for field in fields(Inputs)}
    assert parse(environment(given | NEEDED)) == make_inputs()


def test_parse__other_variables_are_not_read() -> None:
    assert parse(environment(NEEDED) | {"INPUT_IMAGE": "x", "IMAGE": "y"}) == make_inputs()


def test_parse__build_args_stay_out_of_the_repr() -> None:
    assert "hunter2" not in repr(parsed(build_args="TOKEN=hunter2"))


def test_s3_parse__token_stays_out_of_the_repr() -> None:
    inputs = parsed(github_token="hunter2", check_run="true", comment="true")
    assert inputs.github_token == "hunter2"
    assert "hunter2" not in repr(inputs)


def test_s3_parse__token_is_in_no_problem() -> None:
    found = problems(github_token="hunter2", repository="", report_file="a.txt", check_run="yes")
    assert len(found) == 3
    assert "hunter2" not in repr(found)


SECRETS = {"secrets": "npm=hunter2", "secret_envs": "pip=PIP_TOKEN"}


def test_s3_parse__secrets_stay_out_of_the_repr() -> None:
    inputs = parsed(**SECRETS)
    assert [secret.value for secret in (*inputs.secrets, *inputs.secret_envs)] == [
        *("hunter2", "hunter3")
    ]
    assert "hunter" not in repr(inputs)


@pytest.mark.parametrize(
    "bad",
    [
        {"secrets": "npm hunter2"},
        {"secrets": '"key=one\nhunter2'},
        {"secrets": '"key=one\nhunter2" hunter2'},
        {"secrets": "=hunter2"},
        {"secrets": "hunter2=="},
        {"secret_envs": "hunter2"},
        {"secret_envs": "npm=hunter-2"},
        {"secret_files": "hunter2"},
        {"secret_files": "=hunter2"},
    ],
)
def test_s3_parse__secret_that_is_written_wrongly_is_not_shown(bad: dict[str, str]) -> None:
    found = problem(**bad)
    assert found.startswith(f"{next(iter(bad)).replace('_', '-')}: ")
    assert "hunter" not in found


def test_secrets__empty_one_is_most_often_not_set() -> None:
    assert "or has no value (is that secret set" in problem(secrets="npm=")


@pytest.mark.parametrize("name", ["NOBODY", "EMPTY"])
def test_secret_envs__variable_that_is_not_set(name: str) -> None:
    expected = f"secret-envs: npm: {name} is not set in the job's environment, or is empty"
    assert problem(secret_envs=f"pip=PIP_TOKEN\nnpm={name}") == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ()),
        (SECRETS, ("hunter2", "hunter3")),
        ({"cache_from": "type=gha"}, ("hunter5",)),
        ({**SECRETS, "cache_to": "type=gha"}, ("hunter2", "hunter3", "hunter5")),
        ({"cache_to": "type=inline"}, ()),
    ],
)
def test_s3_hidden__every_secret_of_the_build(
    given: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert hidden(parsed(**given), JOB) == expected


def test_s3_inherited__neither_inputs_nor_what_secret_envs_names() -> None:
    given = environment({"secrets": "npm=hunter2", "secret-envs": "pip=PIP_TOKEN, gem=GEM_TOKEN"})
    kept = {name: JOB[name] for name in JOB if name not in ("PIP_TOKEN", "GEM_TOKEN")}
    assert inherited(given | JOB | {"PATH": "/bin"}) == kept | {"PATH": "/bin"}


def test_inherited__the_proxy_of_the_job() -> None:
    proxy = {"HTTPS_PROXY": "http://proxy.example:3128", "no_proxy": "localhost"}
    assert inherited(environment(NEEDED) | proxy) == proxy


def test_inherited__of_inputs_that_cannot_be_read() -> None:
    given = environment({"secret-envs": "pip=PIP_TOKEN\nbad"})
    assert inherited(given | {"PIP_TOKEN": "x"}) == {"PIP_TOKEN": "x"}


GITHUB_CACHE = {
    "ACTIONS_RUNTIME_TOKEN": "hunter5",
    "ACTIONS_RESULTS_URL": "https://results.example/",
}


@pytest.mark.parametrize("name", ["cache-from", "cache-to"])
@pytest.mark.parametrize(
    ("job", "opened"),
    [
        (GITHUB_CACHE, True),
        ({"ACTIONS_RUNTIME_TOKEN": "x", "ACTIONS_CACHE_URL": "https://cache.example/"}, True),
        ({"ACTIONS_RUNTIME_TOKEN": "x"}, False),
        (GITHUB_CACHE | {"ACTIONS_RUNTIME_TOKEN": ""}, False),
        (GITHUB_CACHE | {"ACTIONS_RESULTS_URL": ""}, False),
        ({}, False),
    ],
)
def test_github_cache__needs_what_the_runner_gives_to_others(
    name: str,
    job: dict[str, str],
    opened: bool,  # noqa: FBT001
) -> None:
    given = job | environment(NEEDED | {name: "type=gha,mode=max"})
    if opened:
        assert parse(given).pull is False
        return
    with pytest.raises(GitHubCacheClosed) as caught:
        parse(given)
    assert caught.value.exit_code is ExitCode.INPUT
    assert "core.exportVariable(name, process.env[name])" in caught.value.fix


def test_github_cache__other_problems_come_first() -> None:
    with pytest.raises(InvalidInputs):
        parse(environment(NEEDED | {"cache-to": "type=gha", "pull": "yes"}))


def test_github_cache__is_not_asked_for_where_another_is_used() -> None:
    assert parse(environment(NEEDED | {"cache-to": "type=inline"})).cache_to


def test_report_file__all_bad_lines_at_once() -> None:
    assert problem(report_file="a.json\nb.txt\nc.yml") == (
        "report-file: 'b.txt' does not end in .json, .csv, .html, which is the format; "
        "'c.yml' does not end in .json, .csv, .html, which is the format"
    )


def test_parse__all_problems_at_once() -> None:
    found = problems(repository="", scan_timeout="9s", on_timeout="pass", report_only="yes")
    assert [text.partition(":")[0] for text in found] == [
        "repository",
        "scan-timeout",
        "on-timeout",
        "report-only",
    ]


def test_parse__conflicts_are_told_with_the_rest() -> None:
    found = problems(report_only="yes", image_tag_mutability="MUTABLE")
    assert [text.partition(":")[0] for text in found] == ["report-only", "image-tag-mutability"]


@pytest.mark.parametrize("name", ["repository", "aws_region"])
def test_required__missing(name: str) -> None:
    shown = name.replace("_", "-")
    assert problem(**{name: " "}) == f"{shown}: is not set, and the action cannot do without it"


def region(ambient: dict[str, str], own: str = "") -> str:
    return parse(environment(NEEDED | {"aws-region": own}) | ambient).aws_region


@pytest.mark.parametrize(
    ("own", "ambient", "expected"),
    [
        ("", {"AWS_REGION": "us-east-1"}, "us-east-1"),
        ("", {"AWS_DEFAULT_REGION": "us-east-2"}, "us-east-2"),
        ("", {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-2"}, "us-east-1"),
        ("", {"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-east-2"}, "us-east-2"),
        ("eu-west-1", {"AWS_REGION": "us-east-1"}, "eu-west-1"),
        ("eu-west-1", {"AWS_REGION": "nonsense"}, "eu-west-1"),
    ],
)
def test_region__input_then_job(own: str, ambient: dict[str, str], expected: str) -> None:
    assert region(ambient, own) == expected


def test_region__job_has_a_bad_one() -> None:
    with pytest.raises(InvalidInputs) as caught:
        region({"AWS_REGION": "Frankfurt"})
    (only,) = caught.value.problems
    assert only.startswith("AWS_REGION (aws-region is not set): 'Frankfurt' is not an AWS region")


def test_region__bad_input_does_not_fall_back() -> None:
    with pytest.raises(InvalidInputs, match="aws-region: 'Ireland' is not an AWS region"):
        region({"AWS_REGION": "us-east-1"}, "Ireland")


@pytest.mark.parametrize(
    "name",
    [
        *("create_repository", "promote_only_forward", "report_only", "check_run", "comment"),
        *("no_cache", "pull"),
    ],
)
@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("", False)])
def test_boolean__off_by_default(name: str, text: str, value: bool) -> None:  # noqa: FBT001
    assert parsed(**{name: text}) == make_inputs(**{name: value})


@pytest.mark.parametrize("name", ["rebuild", "only_fixable"])
@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("", None)])
def test_boolean__not_given_is_neither(name: str, text: str, value: bool | None) -> None:  # noqa: FBT001
    assert parsed(**{name: text}) == make_inputs(**{name: value})


@pytest.mark.parametrize("threshold", list(Threshold))
def test_severity_threshold__taken(threshold: Threshold) -> None:
    assert parsed(severity_threshold=threshold.value).severity_threshold is threshold


@pytest.mark.parametrize("promote", list(Promote))
def test_promote__taken(promote: Promote) -> None:
    assert parsed(promote=promote.value) == make_inputs(promote=promote)


@pytest.mark.parametrize(
    ("text", "expected"), [("keep", OnRefusal.KEEP), ("delete", OnRefusal.DELETE), ("", None)]
)
def test_on_refusal__taken(text: str, expected: OnRefusal | None) -> None:
    assert parsed(on_refusal=text) == make_inputs(on_refusal=expected)


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("fail", Severity.UNDEFINED),
        ("critical", Severity.CRITICAL),
        ("high", Severity.HIGH),
        ("medium", Severity.MEDIUM),
        ("low", Severity.LOW),
        ("informational", Severity.INFORMATIONAL),
        ("", None),
    ],
)
def test_unknown_severity__taken(text: str, severity: Severity | None) -> None:
    assert parsed(unknown_severity=text).unknown_severity is severity


def test_unknown_severity__every_word_is_a_severity() -> None:
    assert {word.severity for word in UnknownSeverity} == set(Severity)


@pytest.mark.parametrize(
    ("name", "bad", "problem"),
    [
        ("aws_region", "Ireland", "'Ireland' is not an AWS region"),
        ("role_to_assume", "publisher", "'publisher' is not the ARN of a role"),
        ("role_session_name", "a b", "'a b' is not a session name"),
        ("role_duration_seconds", "899", "'899' is not a number of seconds"),
        ("registry", "docker.io", "'docker.io' is neither"),
        ("repository", "App", "'App' is not a repository name"),
        ("create_repository", "yes", "'yes' is not a boolean"),
        ("image_tag_mutability", "mutable", "'mutable' is not one of: MUTABLE, IMMUTABLE"),
        ("platforms", "amd64", "'amd64' is not a platform"),
        ("build_args", "A=1\n1B=2", "'1B' is not NAME=value"),
        ("labels", "a=1\ntitle", "'title' is not name=value"),
        ("build_contexts", "a=b\nlib", "'lib' is not name=path or name=URL"),
        ("secrets", "a=1\nhunter2", "an entry is not id=value"),
        ("secret_envs", "a=EMPTY", "a: EMPTY is not set in the job's environment, or is empty"),
        ("secret_files", "a", "an entry is not id=path"),
        ("annotations", "a=1\nindex:b", "'index:b' is not name=value, or level:name=value"),
        ("cache_from", "type=gha\nmode=max", "a line is neither type="),
        ("cache_to", "type=s3,token=hunter2", "holds token, which"),
        ("no_cache", "yes", "'yes' is not a boolean"),
        ("pull", "1", "'1' is not a boolean"),
        ("add_hosts", "a:1,b", "'b' is not host:ip"),
        ("shm_size", "big", "'big' is not a size"),
        ("ulimit", "nofile", "'nofile' is not type=soft"),
        ("sbom", "yes", "'yes' is not one of: false, true, generator=<image>"),
        ("provenance", "max", "'max' is not one of: false, true, mode=min, mode=max"),
        ("rebuild", "yes", "'yes' is not a boolean"),
        ("reference", "a/b:1", "'a/b:1' is neither a tag nor a digest"),
        ("digests", f"{make_digest()}\n1.4.2", "'1.4.2' is not a digest"),
        ("tags", "{sha}\n{Sha}", "'{Sha}' has the unknown placeholder"),
        ("promote_to", "{sha}\n{Sha}", "'{Sha}' has the unknown placeholder"),
        ("promote", "Never", "'Never' is not one of: auto, always, never"),
        ("promote_only_forward", "1", "'1' is not a boolean"),
        ("on_refusal", "remove", "'remove' is not one of: keep, delete"),
        ("severity_threshold", "HIGH", "'HIGH' is not one of: critical, high, medium, low, info"),
        ("unknown_severity", "none", "'none' is not one of: fail, critical, high, medium, low"),
        ("scan_timeout", "9s", "'9s' is not a duration from 10s to 6h"),
        ("max_scan_age", "4m", "'4m' is not a duration of at least 5m"),
        ("on_timeout", "ignore", "'ignore' is not one of: fail, warn"),
        ("on_unsupported", "Warn", "'Warn' is not one of: fail, warn"),
        ("on_scan_error", "pass", "'pass' is not one of: fail, warn"),
        ("report_only", "yes", "'yes' is not a boolean"),
        ("check_run", "yes", "'yes' is not a boolean"),
        ("comment", "True", "'True' is not a boolean"),
        ("report_file", "scan.sarif", "'scan.sarif' does not end in .json, .csv, .html"),
        ("job", "build", "'build' is not one of: publish, gate, merge"),
    ],
)
def test_parse__each_input_is_read_by_its_own_rule(name: str, bad: str, problem: str) -> None:
    (only,) = problems(**{name: bad})
    assert only.startswith(f"{name.replace('_', '-')}: {problem}")


def test_s3_parse__build_arg_s_value_is_not_shown() -> None:
    assert "hunter2" not in problem(build_args="MY-TOKEN=hunter2")


DIGESTS = f"{make_digest('amd')}\n{make_digest('arm')}"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"job": "gate", "reference": "1.4.2"}, {"job": Job.GATE, "reference": Tag("1.4.2")}),
        (
            {"job": "gate", "reference": str(make_digest()), "promote_to": "a\n{branch}"},
            {"job": Job.GATE, "reference": make_digest(), "promote_to": ("a", "{branch}")},
        ),
        (
            {"job": "merge", "digests": DIGESTS},
            {"job": Job.MERGE, "digests": (make_digest("amd"), make_digest("arm"))},
        ),
        ({"job": "publish"}, {}),
    ],
)
def test_job__of_each_action(given: dict[str, str], expected: dict[str, Any]) -> None:
    assert parsed(**given) == make_inputs(**expected)


def test_s1_job__gate_without_an_image_is_no_build() -> None:
    expected = "reference: is not set; give the tag or the digest of the image to gate"
    assert problem(job="gate", digests=DIGESTS) == expected


AMD, ARM, RISC = (str(make_digest(name)) for name in ("amd", "arm", "riscv64"))


@pytest.mark.parametrize(
    ("digests", "found"),
    [
        ([], "0 lines name 0 images"),
        ([""], "0 lines name 0 images"),
        ([AMD], "1 lines name 1 images"),
        (["", AMD, " "], "1 lines name 1 images"),
        ([AMD, AMD], "2 lines name 1 images"),
        ([AMD, ARM, AMD], "3 lines name 2 images"),
        ([AMD, ARM, RISC, ARM], "4 lines name 3 images"),
    ],
)
def test_s1_job__merge_of_fewer_images_than_platforms(digests: list[str], found: str) -> None:
    assert problem(job="merge", reference="1.4.2", digests="\n".join(digests)) == (
        f"digests: {found}; give one digest per platform, at least two (is the output of a job "
        "misspelt, or empty, as it is of one that ran for a fork's pull request?)"
    )


@pytest.mark.parametrize("digests", [[AMD, ARM], [ARM, AMD], [AMD, "", ARM, RISC]])
def test_job__merge_of_different_images(digests: list[str]) -> None:
    asked = parsed(job="merge", digests="\n".join(digests)).digests
    assert [str(item) for item in asked] == [item for item in digests if item]


@pytest.mark.parametrize("job", ["publish", "gate"])
@pytest.mark.parametrize("digests", ["", AMD, f"{AMD}\n{AMD}"])
def test_job__digests_count_for_merge_alone(job: str, digests: str) -> None:
    assert parsed(job=job, reference="1.4.2", digests=digests).job is Job(job)


@pytest.mark.parametrize(("job", "name"), [("gate", "reference"), ("merge", "digests")])
def test_job__what_is_given_wrongly_is_not_called_missing(job: str, name: str) -> None:
    found = problem(**{"job": job, name: "a/b"})
    assert "'a/b' is n" in found
    assert "is not set" not in found
    assert "lines name" not in found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("context", "app"),
        ("file", "Dockerfile"),
        ("target", "final"),
        ("platforms", "linux/amd64"),
        ("build_args", "A=1"),
        ("labels", "a=1"),
        ("network", "host"),
        ("provenance", "true"),
        ("builder", "native"),
        ("rebuild", "true"),
        ("build_contexts", "a=b"),
        ("secrets", "a=b"),
        ("secret_envs", "a=PIP_TOKEN"),
        ("secret_files", "a=b"),
        ("ssh", "default"),
        ("annotations", "a=b"),
        ("cache_from", "type=gha"),
        ("cache_to", "type=gha"),
        ("no_cache", "true"),
        ("no_cache_filters", "one"),
        ("pull", "true"),
        ("add_hosts", "a:b"),
        ("shm_size", "1g"),
        ("ulimit", "nofile=1"),
        ("cgroup_parent", "a"),
        ("allow", "network.host"),
        ("sbom", "true"),
    ],
)
def test_conflict__image_and_build(name: str, text: str) -> None:
    found = problem(**{"image": "app:test", name: text})
    assert found.startswith("image: names an image that is already built, so ")
    assert f"so {name.replace('_', '-')} would have no effect" in found


@pytest.mark.parametrize(
    ("name", "text"),
    [(name, "false") for name in ("provenance", "sbom", "rebuild", "no_cache", "pull")],
)
def test_conflict__image_and_what_is_so_anyway(name: str, text: str) -> None:
    assert parsed(**{"image": "app:test", name: text}).image == "app:test"


def test_conflict__image_and_several() -> None:
    found = problem(image="app:test", context="app", build_args="A=1")
    assert "so context, build-args would have no effect" in found


def test_conflict__mutability_without_creation() -> None:
    found = problem(image_tag_mutability="IMMUTABLE")
    assert found.startswith("image-tag-mutability: is used only when")
    assert "add `create-repository: true`" in found


@pytest.mark.parametrize("timeout", ["1h", "2h"])
def test_conflict__session_that_ends_before_the_wait(timeout: str) -> None:
    found = problem(scan_timeout=timeout)
    assert found.startswith("scan-timeout: waits for up to ")
    assert "ends after 3600 s; raise role-duration-seconds" in found


def test_conflict__session_that_outlasts_the_wait() -> None:
    assert parsed(scan_timeout="3599s").scan_timeout == 3599
    assert parsed(scan_timeout="6h", role_to_assume="").scan_timeout == 21_600


def test_conflict__one_file_for_two_reports() -> None:
    found = problem(sarif_file="a.json", report_file="b.csv\na.json")
    assert found == "sarif-file: names a file of report-file too, and one would overwrite the other"
    assert parsed(sarif_file="a.json", report_file="b/a.json").sarif_file == "a.json"


def test_conflict__registry_of_another_region() -> None:
    assert problem(registry="123456789012.dkr.ecr.us-east-1.amazonaws.com").startswith(
        "registry: is in us-east-1, but aws-region is eu-west-1"
    )


def test_conflict__registry_of_the_same_region() -> None:
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    assert parsed(registry=host).registry == RegistryId("123456789012", host, "eu-west-1")


def test_conflict__no_region_to_compare() -> None:
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    assert problem(registry=host, aws_region="").startswith("aws-region: is not set")


@pytest.mark.parametrize(
    ("role", "region", "expected"),
    [
        ("arn:aws:iam::123456789012:role/r", "cn-north-1", "aws-cn"),
        ("arn:aws:iam::123456789012:role/r", "us-gov-west-1", "aws-us-gov"),
        ("arn:aws-us-gov:iam::123456789012:role/r", "us-east-1", "aws"),
        ("arn:aws-cn:iam::123456789012:role/r", "eusc-de-east-1", "aws-eusc"),
    ],
)
def test_conflict__role_of_another_partition(role: str, region: str, expected: str) -> None:
    own = role.split(":")[1]
    assert problem(role_to_assume=role, aws_region=region) == (
        f"role-to-assume: is a role of the partition {own}, but aws-region {region} is in "
        f"{expected}, whose accounts are others; take a role of an account there "
        f"(arn:{expected}:iam::…), or a region of {own}"
    )


@pytest.mark.parametrize(
    ("partition", "region"),
    [("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-east-1"), ("aws-eusc", "eusc-de-east-1")],
)
def test_conflict__role_of_the_same_partition(partition: str, region: str) -> None:
    role = f"arn:{partition}:iam::123456789012:role/r"
    assert parsed(role_to_assume=role, aws_region=region).role_to_assume == role


def test_conflict__partition_of_a_role_without_a_region_to_compare() -> None:
    role = "arn:aws-cn:iam::123456789012:role/r"
    assert problem(role_to_assume=role, aws_region="").startswith("aws-region: is not set")


def test_parse__region_of_a_partition_that_is_not_known() -> None:
    assert "aws-region: 'us-iso-east-1' is in none of the partitions" in problem(
        aws_region="us-iso-east-1", role_to_assume=""
    )


def test_s2_conflict__role_of_an_account_that_is_not_allowed() -> None:
    assert problem(allowed_account_ids="210987654321,111111111111") == (
        "role-to-assume: is a role of the account 123456789012, which is none of "
        "allowed-account-ids (210987654321, 111111111111); take a role of one of these, or add "
        "the account"
    )


def test_conflict__accounts_are_no_matter_of_the_registry() -> None:
    found = parsed(allowed_account_ids="123456789012", registry="210987654321")
    assert found.allowed_account_ids == ("123456789012",)


def test_parse__allowed_accounts_without_a_role_are_for_the_ambient_credentials() -> None:
    found = parsed(allowed_account_ids="210987654321", role_to_assume="")
    assert found.allowed_account_ids == ("210987654321",)


@pytest.mark.parametrize("text", [",", ", ,"])
def test_allowed_account_ids__none_named_is_not_any(text: str) -> None:
    assert problem(allowed_account_ids=text, role_to_assume="") == (
        f"allowed-account-ids: {text!r} names no account; give ids of 12 digits, or leave it away"
    )


def test_parse__account_ids_of_which_yaml_took_the_zeros() -> None:
    assert problem(allowed_account_ids="123456789012,12", role_to_assume="") == (
        "allowed-account-ids: '12' is not an account id (12 digits; in quotes, or YAML drops "
        "leading zeros)"
    )


# Many images ------------------------------------------------------------------------------------


def test_parse__bake() -> None:
    given = {"repository": "team/{target}", "tags": "v1-{target}", "builder": "native"}
    assert parsed(
        **given, bake_file="docker-bake.hcl\nci/meta.json", targets="web, api\njob", rebuild="true"
    ) == make_inputs(
        repository=Repository("team/{target}"),
        tags=("v1-{target}",),
        builder="native",
        rebuild=True,
        bake_file=("docker-bake.hcl", "ci/meta.json"),
        targets=("web", "api", "job"),
    )


def test_parse__bake_file_excludes_what_it_says_itself() -> None:
    given = {"context": ".", "file": "F", "target": "t", "network": "none"}
    given |= {"platforms": "linux/arm64", "build_args": "A=1", "labels": "a=1"}
    assert problem(bake_file="docker-bake.hcl", provenance="true", **given) == (
        "bake-file: says itself what is built and how, so context, file, target, platforms, "
        "build-args, labels, network, provenance would have no effect; say it in the bake "
        "file, or remove bake-file"
    )


def test_parse__image_and_bake_file_are_told_once() -> None:
    assert problem(bake_file="docker-bake.hcl", image="app:test").startswith(
        "bake-file: says itself what is built and how, so image would have no effect"
    )


def test_parse__targets_without_a_bake_file() -> None:
    said = "targets: names targets of a bake file; set bake-file, or remove it (target: a stage)"
    assert problem(targets="web") == said


@pytest.mark.parametrize(
    ("name", "text"), [("repository", "team/{target}"), ("tags", "1.0\nv-{target}")]
)
def test_parse__target_is_known_only_with_a_bake_file(name: str, text: str) -> None:
    assert (
        problem(**{name: text}) == f"{name}: holds {{target}}, which is known only with bake-file"
    )


def test_parse__repository_with_a_target_is_a_repository_all_the_same() -> None:
    (said,) = problems(repository="Team/{target}", bake_file="b.hcl")
    assert said.startswith("repository: 'Team/target' is not a repository name")
