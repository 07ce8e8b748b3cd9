from collections.abc import Mapping

import pytest

from ecr_publish.errors import InvalidInputs
from ecr_publish.findings import Severity, Threshold
from ecr_publish.inputs import (
    Inputs,
    Mutability,
    OnUnjudged,
    UnknownSeverity,
    names,
    parse,
    variable,
)
from ecr_publish.reference import RegistryId, Repository
from tests.factories import make_inputs

ROLE = "arn:aws:iam::123456789012:role/visit-counter-publisher"
NEEDED = {"aws-region": "eu-west-1", "repository": "visit-counter-app", "role-to-assume": ROLE}


def environment(given: Mapping[str, str]) -> dict[str, str]:
    return {f"ECR_PUBLISH_{name.upper().replace('-', '_')}": text for name, text in given.items()}


def parsed(**given: str) -> Inputs:
    named = {name.replace("_", "-"): text for name, text in given.items()}
    return parse(environment(NEEDED | named))


def problems(**given: str) -> tuple[str, ...]:
    with pytest.raises(InvalidInputs) as caught:
        parsed(**given)
    return caught.value.problems


def problem(**given: str) -> str:
    (only,) = problems(**given)
    return only


def test_variable__dashes() -> None:
    assert variable("aws-region") == "ECR_PUBLISH_AWS_REGION"


def test_names__order_and_dashes() -> None:
    assert names()[:3] == ("aws-region", "role-to-assume", "role-session-name")
    assert names()[-1] == "report-only"
    assert len(names()) == 26


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
        registry="210987654321",
        repository="team/app",
        create_repository="true",
        image_tag_mutability="IMMUTABLE",
        context="app",
        file="app/Dockerfile",
        target="final",
        build_args="A=1\nB=2",
        labels="a=1\nb=2",
        network="none",
        platforms="linux/amd64,linux/arm64",
        tags="1.4.2\n{short-sha}",
        severity_threshold="low",
        unknown_severity="medium",
        scan_timeout="1h",
        max_scan_age="7d",
        on_timeout="warn",
        on_unsupported="fail",
        on_scan_error="warn",
        report_only="true",
    ) == Inputs(
        aws_region="cn-north-1",
        role_to_assume="arn:aws-cn:iam::123456789012:role/path/to/publisher",
        role_session_name="ci@release",
        role_duration_seconds=7200,
        audience="sts.amazonaws.com.cn",
        registry=RegistryId("210987654321"),
        repository=Repository("team/app"),
        create_repository=True,
        image_tag_mutability=Mutability.IMMUTABLE,
        context="app",
        file="app/Dockerfile",
        target="final",
        platforms=("linux/amd64", "linux/arm64"),
        build_args=("A=1", "B=2"),
        labels=("a=1", "b=2"),
        network="none",
        image=None,
        tags=("1.4.2", "{short-sha}"),
        severity_threshold=Threshold.LOW,
        unknown_severity=Severity.MEDIUM,
        scan_timeout=3600,
        max_scan_age=604_800,
        on_timeout=OnUnjudged.WARN,
        on_unsupported=OnUnjudged.FAIL,
        on_scan_error=OnUnjudged.WARN,
        report_only=True,
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
    given = dict.fromkeys(names(), empty) | NEEDED
    assert parse(environment(given)) == make_inputs()


def test_parse__other_variables_are_not_read() -> None:
    assert parse(environment(NEEDED) | {"INPUT_IMAGE": "x", "IMAGE": "y"}) == make_inputs()


def test_parse__build_args_stay_out_of_the_repr() -> None:
    assert "hunter2" not in repr(parsed(build_args="TOKEN=hunter2"))


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
    "text", ["eu-west-1", "us-gov-east-1", "cn-north-1", "eusc-de-east-1", "ap-southeast-12"]
)
def test_region__taken(text: str) -> None:
    assert parsed(aws_region=text).aws_region == text


@pytest.mark.parametrize("text", ["eu-west", "EU-WEST-1", "eu-west-1a", "west-1-", "e-west-1", "1"])
def test_region__refused(text: str) -> None:
    assert problem(aws_region=text).startswith(f"aws-region: {text!r} is not an AWS region")


@pytest.mark.parametrize("text", ["true", "false"])
def test_boolean__taken(text: str) -> None:
    assert parsed(create_repository=text, report_only=text) == make_inputs(
        create_repository=text == "true", report_only=text == "true"
    )


@pytest.mark.parametrize("text", ["True", "FALSE", "yes", "no", "1", "0", "on"])
@pytest.mark.parametrize("name", ["create_repository", "report_only"])
def test_boolean__refused(name: str, text: str) -> None:
    shown = name.replace("_", "-")
    assert problem(**{name: text}) == f"{shown}: {text!r} is not a boolean; write true or false"


@pytest.mark.parametrize("seconds", [900, 901, 43_199, 43_200])
def test_role_duration__taken(seconds: int) -> None:
    assert (
        parsed(role_duration_seconds=str(seconds), scan_timeout="10s").role_duration_seconds
        == seconds
    )


@pytest.mark.parametrize(
    "text",
    ["899", "43201", "-900", "+900", "900.0", "15m", "\N{ARABIC-INDIC DIGIT NINE}00", "1_000"],
)
def test_role_duration__refused(text: str) -> None:
    assert problem(role_duration_seconds=text) == (
        f"role-duration-seconds: {text!r} is not a number of seconds from 900 to 43200"
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10),
        ("10", 10),
        ("1m", 60),
        ("15m", 900),
        ("360m", 21_600),
        ("1h", 3600),
        ("6h", 21_600),
        ("21600", 21_600),
        ("21600s", 21_600),
    ],
)
def test_scan_timeout__taken(text: str, seconds: int) -> None:
    assert parsed(scan_timeout=text, role_duration_seconds="43200").scan_timeout == seconds


@pytest.mark.parametrize(
    "text",
    [
        "9s",
        "9",
        "0h",
        "21601",
        "361m",
        "7h",
        "1d",
        "1h30m",
        "-10s",
        "10 s",
        "1.5h",
        "\N{ARABIC-INDIC DIGIT THREE}0s",
    ],
)
def test_scan_timeout__refused(text: str) -> None:
    assert problem(scan_timeout=text) == (
        f"scan-timeout: {text!r} is not a duration from 10s to 6h (90s, 15m, 1h, or seconds)"
    )


@pytest.mark.parametrize(
    ("name", "bad", "accepted"),
    [
        ("severity_threshold", "HIGH", "critical, high, medium, low, informational, none"),
        ("image_tag_mutability", "immutable", "MUTABLE, IMMUTABLE"),
        ("unknown_severity", "none", "fail, critical, high, medium, low, informational"),
        ("on_timeout", "ignore", "fail, warn"),
        ("on_unsupported", "Warn", "fail, warn"),
        ("on_scan_error", "pass", "fail, warn"),
    ],
)
def test_choice__refused(name: str, bad: str, accepted: str) -> None:
    given = {"create_repository": "true", name: bad}
    assert problem(**given) == f"{name.replace('_', '-')}: {bad!r} is not one of: {accepted}"


@pytest.mark.parametrize("threshold", list(Threshold))
def test_severity_threshold__taken(threshold: Threshold) -> None:
    assert parsed(severity_threshold=threshold.value).severity_threshold is threshold


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("fail", Severity.UNDEFINED),
        ("critical", Severity.CRITICAL),
        ("high", Severity.HIGH),
        ("medium", Severity.MEDIUM),
        ("low", Severity.LOW),
        ("informational", Severity.INFORMATIONAL),
        ("", Severity.UNDEFINED),
    ],
)
def test_unknown_severity__taken(text: str, severity: Severity) -> None:
    assert parsed(unknown_severity=text).unknown_severity is severity


def test_unknown_severity__every_word_is_a_severity() -> None:
    assert {word.severity for word in UnknownSeverity} == set(Severity)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("300", 300),
        ("5m", 300),
        ("90m", 5400),
        ("12h", 43_200),
        ("1d", 86_400),
        ("365d", 31_536_000),
        ("", None),
    ],
)
def test_max_scan_age__taken(text: str, seconds: int | None) -> None:
    assert parsed(max_scan_age=text).max_scan_age == seconds


@pytest.mark.parametrize("text", ["0", "299s", "4m", "-1d", "1w", "1.5d", "1 d", "off", "1d12h"])
def test_max_scan_age__refused(text: str) -> None:
    assert problem(max_scan_age=text) == (
        f"max-scan-age: {text!r} is not a duration of at least 5m (90m, 12h, 7d, or seconds)"
    )


@pytest.mark.parametrize(
    ("text", "platforms"),
    [
        ("linux/amd64", ("linux/amd64",)),
        ("linux/amd64,linux/arm64", ("linux/amd64", "linux/arm64")),
        (" linux/arm64 , linux/amd64 ,", ("linux/arm64", "linux/amd64")),
        ("linux/amd64\nlinux/arm/v7\n", ("linux/amd64", "linux/arm/v7")),
        ("linux/amd64,linux/amd64", ("linux/amd64",)),
        ("linux/x86_64", ("linux/x86_64",)),
        (",", ()),
        ("", ()),
    ],
)
def test_platforms__taken(text: str, platforms: tuple[str, ...]) -> None:
    assert parsed(platforms=text).platforms == platforms


@pytest.mark.parametrize(
    "text", ["amd64", "linux", "linux/", "linux/AMD64", "windows/amd64", "linux/arm/v7/x", "--push"]
)
def test_platforms__refused(text: str) -> None:
    assert problem(platforms=f"linux/s390x,{text}") == (
        f"platforms: {text!r} is not a platform (linux/amd64, linux/arm64, linux/arm/v7)"
    )


@pytest.mark.parametrize(
    "text",
    [
        "visit-counter-publisher",
        "arn:aws:iam::12345678901:role/x",
        "arn:aws:iam::123456789012:user/x",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam:eu-west-1:123456789012:role/x",
        "arn:aws:sts::123456789012:assumed-role/x/y",
        "arn:aws:iam::123456789012:role/x y",
    ],
)
def test_role__refused(text: str) -> None:
    assert problem(role_to_assume=text).startswith(
        f"role-to-assume: {text!r} is not the ARN of a role"
    )


@pytest.mark.parametrize("text", ["ab", "a" * 64, "a_+=,.@-9"])
def test_session_name__taken(text: str) -> None:
    assert parsed(role_session_name=text).role_session_name == text


@pytest.mark.parametrize("text", ["a", "a" * 65, "a b", "a/b", "é" * 3])
def test_session_name__refused(text: str) -> None:
    assert problem(role_session_name=text).startswith(
        f"role-session-name: {text!r} is not a session name"
    )


def test_registry__refused() -> None:
    assert problem(registry="docker.io").startswith("registry: 'docker.io' is neither")


def test_lines__blank_ones_are_skipped() -> None:
    assert parsed(build_args="\n A=1 \n\n\r\n  B=x=y\n").build_args == ("A=1", "B=x=y")


@pytest.mark.parametrize("line", ["A", "_A=", "A1_b=value with blanks = and more"])
def test_build_args__taken(line: str) -> None:
    assert parsed(build_args=line).build_args == (line,)


@pytest.mark.parametrize("line", ["1A=x", "A-B=x", "=x"])
def test_build_args__refused(line: str) -> None:
    name = line.partition("=")[0]
    assert problem(build_args=line) == (
        f"build-args: {name!r} is not NAME=value (one build-arg per line)"
    )


def test_s3__build_args__line_without_a_name_is_not_shown() -> None:
    assert problem(build_args="KEY=-----BEGIN\nhunter2/hunter2") == (
        "build-args: a line is not NAME=value (one build-arg per line)"
    )


def test_build_args__value_is_not_shown() -> None:
    assert "hunter2" not in problem(build_args="MY-TOKEN=hunter2")


def test_build_args__every_bad_line_is_named() -> None:
    assert problem(build_args="A=1\n1B=2\n2C=3") == (
        "build-args: '1B' is not NAME=value (one build-arg per line); "
        "'2C' is not NAME=value (one build-arg per line)"
    )


def test_labels__taken() -> None:
    text = "org.opencontainers.image.title=a b"
    assert parsed(labels=text).labels == (text,)


@pytest.mark.parametrize("line", ["title", "=x", "a b=c"])
def test_labels__refused(line: str) -> None:
    assert problem(labels=line) == f"labels: {line!r} is not name=value (one label per line)"


@pytest.mark.parametrize("line", ["1.4.2", "{sha}", "{short-sha}", "{branch}-x", "h.io/a:{sha}"])
def test_tags__taken(line: str) -> None:
    assert parsed(tags=line).tags == (line,)


@pytest.mark.parametrize("name", ["version", "Sha", "", "sha ", "date:%Y"])
def test_tags__unknown_placeholder(name: str) -> None:
    line = f"x-{{sha}}-{{{name}}}"
    assert problem(tags=line) == (
        f"tags: {line!r} has the unknown placeholder {{{name}}}; "
        "known: {sha}, {short-sha}, {branch}"
    )


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
    ],
)
def test_conflict__image_and_build(name: str, text: str) -> None:
    found = problem(**{"image": "app:test", name: text})
    assert found.startswith("image: names an image that is already built, so ")
    assert f"so {name.replace('_', '-')} would have no effect" in found


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
