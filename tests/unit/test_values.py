from collections.abc import Callable
from typing import Any

import pytest

from ecr_publish import values
from ecr_publish.inputs import Mutability, OnUnjudged, UnknownSeverity
from ecr_publish.reference import Digest, Repository, Tag
from ecr_publish.secret import SecretFile
from tests.factories import make_digest

Read = Callable[[str], Any]


def said(read: Read, text: str) -> str:
    """What a reader says against a text."""
    with pytest.raises(ValueError, match=r".") as caught:
        read(text)
    return str(caught.value)


def test_boolean__taken() -> None:
    assert values.boolean("true") is True
    assert values.boolean("false") is False


@pytest.mark.parametrize("text", ["True", "FALSE", "yes", "no", "1", "0", "on", ""])
def test_boolean__refused(text: str) -> None:
    assert said(values.boolean, text) == f"{text!r} is not a boolean; write true or false"


@pytest.mark.parametrize(
    ("kind", "bad", "accepted"),
    [
        (Mutability, "immutable", "MUTABLE, IMMUTABLE"),
        (OnUnjudged, "ignore", "fail, warn"),
        (UnknownSeverity, "none", "fail, critical, high, medium, low, informational"),
    ],
)
def test_one_of__refused(kind: Any, bad: str, accepted: str) -> None:
    assert said(values.one_of(kind), bad) == f"{bad!r} is not one of: {accepted}"


@pytest.mark.parametrize("member", list(UnknownSeverity))
def test_one_of__taken(member: UnknownSeverity) -> None:
    assert values.one_of(UnknownSeverity)(member.value) is member


def test_lines_of__blank_ones_are_skipped() -> None:
    assert values.lines_of(str)("\n A=1 \n\n\r\n  B=x=y\n") == ("A=1", "B=x=y")
    assert values.lines_of(str)(" \n ") == ()


def test_lines_of__order_and_repetition_are_kept() -> None:
    assert values.lines_of(str)("b\na\nb") == ("b", "a", "b")


def test_lines_of__every_bad_line_is_named() -> None:
    assert said(values.lines_of(values.boolean), "yes\ntrue\nno") == (
        "'yes' is not a boolean; write true or false; 'no' is not a boolean; write true or false"
    )


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:iam::123456789012:role/x",
        "arn:aws-cn:iam::123456789012:role/path/to/publisher",
        "arn:aws-us-gov:iam::123456789012:role/a_+=,.@-9",
    ],
)
def test_role__taken(text: str) -> None:
    assert values.role(text) == text


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
        "arn:aws:iam::123456789012:role/é",
    ],
)
def test_role__refused(text: str) -> None:
    assert said(values.role, text).startswith(f"{text!r} is not the ARN of a role")


@pytest.mark.parametrize(
    "text", ["eu-west-1", "us-gov-east-1", "cn-north-1", "eusc-de-east-1", "ap-southeast-12"]
)
def test_region__taken(text: str) -> None:
    assert values.region(text) == text


@pytest.mark.parametrize("text", ["eu-west", "EU-WEST-1", "eu-west-1a", "west-1-", "e-west-1", "1"])
def test_region__refused(text: str) -> None:
    assert said(values.region, text).startswith(f"{text!r} is not an AWS region")


@pytest.mark.parametrize("text", ["ab", "a" * 64, "a_+=,.@-9"])
def test_session_name__taken(text: str) -> None:
    assert values.session_name(text) == text


@pytest.mark.parametrize("text", ["a", "a" * 65, "a b", "a/b", "é" * 3])
def test_session_name__refused(text: str) -> None:
    assert said(values.session_name, text).startswith(f"{text!r} is not a session name")


@pytest.mark.parametrize("seconds", [900, 901, 43_199, 43_200])
def test_session_seconds__taken(seconds: int) -> None:
    assert values.session_seconds(str(seconds)) == seconds


@pytest.mark.parametrize(
    "text",
    ["899", "43201", "-900", "+900", "900.0", "15m", "\N{ARABIC-INDIC DIGIT NINE}00", "1_000"],
)
def test_session_seconds__refused(text: str) -> None:
    assert said(values.session_seconds, text) == (
        f"{text!r} is not a number of seconds from 900 to 43200"
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
    assert values.scan_timeout(text) == seconds


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
        "9" * 5000,
        "\N{ARABIC-INDIC DIGIT THREE}0s",
    ],
)
def test_scan_timeout__refused(text: str) -> None:
    assert said(values.scan_timeout, text) == (
        f"{text!r} is not a duration from 10s to 6h (90s, 15m, 1h, or seconds)"
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("300", 300),
        ("5m", 300),
        ("90m", 5400),
        ("12h", 43_200),
        ("1d", 86_400),
        ("365d", 31_536_000),
    ],
)
def test_scan_age__taken(text: str, seconds: int) -> None:
    assert values.scan_age(text) == seconds


@pytest.mark.parametrize("text", ["0", "299s", "4m", "-1d", "1w", "1.5d", "1 d", "off", "1d12h"])
def test_scan_age__refused(text: str) -> None:
    assert said(values.scan_age, text) == (
        f"{text!r} is not a duration of at least 5m (90m, 12h, 7d, or seconds)"
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
    ],
)
def test_platforms__taken(text: str, platforms: tuple[str, ...]) -> None:
    assert values.platforms(text) == platforms


@pytest.mark.parametrize(
    "text", ["amd64", "linux", "linux/", "linux/AMD64", "windows/amd64", "linux/arm/v7/x", "--push"]
)
def test_platforms__refused(text: str) -> None:
    assert said(values.platforms, f"linux/s390x,{text}") == (
        f"{text!r} is not a platform (linux/amd64, linux/arm64, linux/arm/v7)"
    )


@pytest.mark.parametrize("text", ["false", "true", "mode=min", "mode=max"])
def test_provenance__taken(text: str) -> None:
    assert values.provenance(text) == text


@pytest.mark.parametrize("text", ["True", "mode=all", "max", "true,builder-id=x", "mode=max "])
def test_provenance__refused(text: str) -> None:
    assert said(values.provenance, text) == (
        f"{text!r} is not one of: false, true, mode=min, mode=max"
    )


@pytest.mark.parametrize("line", ["A", "_A=", "A1_b=value with blanks = and more"])
def test_build_arg__taken(line: str) -> None:
    assert values.build_arg(line) == line


@pytest.mark.parametrize("line", ["1A=x", "A-B=x", "=x"])
def test_build_arg__refused(line: str) -> None:
    name = line.partition("=")[0]
    assert said(values.build_arg, line) == f"{name!r} is not NAME=value (one build-arg per line)"


@pytest.mark.parametrize("line", ["hunter2/hunter2", "hunter2/hunter=", "hunter2/hunte==", "="])
def test_s3_build_arg__line_that_may_be_a_secret_s_is_not_shown(line: str) -> None:
    assert said(values.build_arg, line) == "a line is not NAME=value (one build-arg per line)"


def test_s3_build_arg__value_is_not_shown() -> None:
    assert "hunter2" not in said(values.build_arg, "MY-TOKEN=hunter2")


def test_label__taken() -> None:
    text = "org.opencontainers.image.title=a b"
    assert values.label(text) == text
    assert values.label("empty=") == "empty="


@pytest.mark.parametrize("line", ["title", "=x", "a b=c"])
def test_label__refused(line: str) -> None:
    assert said(values.label, line) == f"{line!r} is not name=value (one label per line)"


@pytest.mark.parametrize("line", ["1.4.2", "{sha}", "{short-sha}", "{branch}-x", "h.io/a:{sha}"])
def test_tag_template__taken(line: str) -> None:
    assert values.tag_template(line) == line


@pytest.mark.parametrize("name", ["version", "Sha", "", "sha ", "date:%Y"])
def test_tag_template__unknown_placeholder(name: str) -> None:
    line = f"x-{{sha}}-{{{name}}}"
    assert said(values.tag_template, line) == (
        f"{line!r} has the unknown placeholder {{{name}}}; "
        "known: {sha}, {short-sha}, {branch}, {target}"
    )


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("1.4.2", Tag("1.4.2")),
        ("candidate-42-1-0badcafe", Tag("candidate-42-1-0badcafe")),
        ("sha256", Tag("sha256")),
        (str(make_digest()), make_digest()),
    ],
)
def test_reference__taken(text: str, reference: Tag | Digest) -> None:
    assert values.reference(text) == reference


@pytest.mark.parametrize(
    "text", ["app:1.4.2", "app@sha256:0", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:1", "-"]
)
def test_reference__neither(text: str) -> None:
    assert said(values.reference, text) == (
        f"{text!r} is neither a tag nor a digest; give only that, without the repository"
    )


def test_reference__digest_that_is_cut_short() -> None:
    assert said(values.reference, "sha256:12").startswith("'sha256:12' is not a digest")


@pytest.mark.parametrize("line", ["scan.json", "a b/scan.csv", "/tmp/x.html", ".json", "a.b.json"])
def test_report_file__taken(line: str) -> None:
    assert values.report_file(line) == line


@pytest.mark.parametrize("line", ["scan", "scan.JSON", "json", "scan.json.gz", "scan.json/", "."])
def test_report_file__refused(line: str) -> None:
    assert said(values.report_file, line) == (
        f"{line!r} does not end in .json, .csv, .html, which is the format"
    )


def entries(text: str) -> tuple[str, ...]:
    return values.entries_of(str)(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb", ("a", "b")),
        ("  a \r\n\r\n b", ("a", "b")),
        ("a,b", ("a,b",)),
        ('"a"', ("a",)),
        ('"a"\n"b"', ("a", "b")),
        ('"a\nb\n"\nc', ("a\nb\n", "c")),
        ('"a ""b"" c"', ('a "b" c',)),
        ('a={"b":"c","d":"e"}', ('a={"b":"c","d":"e"}',)),
        ('"b":"c"', ('"b":"c"',)),
        ('type=local,"dest=a,b"', ('type=local,"dest=a,b"',)),
        ('""', ()),
        ("", ()),
    ],
)
def test_entries_of__as_build_push_action_reads_them(text: str, expected: tuple[str, ...]) -> None:
    assert entries(text) == expected


@pytest.mark.parametrize("text", ['"', '"hunter2', 'a\n"hunter2\nb', '"hunter2""'])
def test_s3_entries_of__quote_that_is_not_closed_shows_nothing(text: str) -> None:
    assert said(values.entries_of(str), text) == "a quote that opens a value is never closed"


def test_entries_of__all_bad_ones_at_once() -> None:
    found = said(values.entries_of(values.ulimit), "a\nnofile=1\nb")
    assert found.count(" is not type=soft") == 2


@pytest.mark.parametrize("text", ["a,b", "a\nb", " a ,\n b,", "a\r\nb"])
def test_words_of__commas_or_lines(text: str) -> None:
    assert values.words_of(str)(text) == ("a", "b")


@pytest.mark.parametrize(
    ("read", "taken", "refused"),
    [
        (values.annotation, ["a=b", "index,manifest:a=b", "a="], ["a", "=b", "a b=c"]),
        (values.build_context, ["a=.", "a=docker-image://b"], ["a", "a=", "=b", "a b=c"]),
        (values.host, ["a:10.0.0.1", "a=10.0.0.1", "a:::1", "a:host-gateway"], ["a", ":1", "a:"]),
        (values.size, ["64", "64m", "2g", "2GB", "1.5 GiB"], ["", "g", "2x", "-1"]),
        (
            values.ulimit,
            ["nofile=1", "nofile=1:2", "core=-1:-1"],
            ["nofile", "nofile=a", "1=1:2:3"],
        ),
        (values.sbom, ["true", "false", "generator=a/b:1"], ["yes", "generator=", "mode=max"]),
    ],
)
def test_build_inputs__taken_or_refused(read: Read, taken: list[str], refused: list[str]) -> None:
    assert [read(text) for text in taken] == taken
    for text in refused:
        assert said(read, text).startswith(f"{text!r} is not ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("npm=a=b", ("npm", "a=b")),
        ("npm= a ", ("npm", " a ")),
        ("my.key-1=a\nb\n", ("my.key-1", "a\nb\n")),
    ],
)
def test_secret__taken(text: str, expected: tuple[str, str]) -> None:
    assert values.secret(text) == expected


@pytest.mark.parametrize("text", ["npm", "npm=", "npm==", "a b=c", "a,b=c", 'a"b=c', "=c", ""])
def test_s3_secret__refused_and_not_shown(text: str) -> None:
    assert said(values.secret, text).startswith("an entry is not id=value, or has no value (is")


@pytest.mark.parametrize("text", ["a", "a=", "a=1B", "a=B-C", "=B", "a,b=C"])
def test_s3_secret_env__refused_and_not_shown(text: str) -> None:
    expected = "an entry is not id=VARIABLE, the name of a variable of the job"
    assert said(values.secret_env, text) == expected
    assert values.secret_env("npm=NPM_TOKEN2") == ("npm", "NPM_TOKEN2")


@pytest.mark.parametrize("text", ["a", "a=", "=b", "a,b=c"])
def test_s3_secret_file__refused_and_not_shown(text: str) -> None:
    assert said(values.secret_file, text) == "an entry is not id=path (one per line)"
    assert values.secret_file("a=b,c d") == SecretFile(id="a", path="b,c d")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("web", ("web",)),
        ("web,api", ("web", "api")),
        (" web\n api , web ", ("web", "api")),
        ("A_1-b", ("A_1-b",)),
    ],
)
def test_bake_targets__taken(text: str, names: tuple[str, ...]) -> None:
    assert values.bake_targets(text) == names


@pytest.mark.parametrize("name", ["web*", "a.b", "a/b", "--push=1", "w\u00e9b"])
def test_bake_targets__refused(name: str) -> None:
    assert said(values.bake_targets, f"web,{name}") == (
        f"{name!r} is not a target of a bake file (A-Z a-z 0-9 _ -)"
    )


def test_repository__with_a_target() -> None:
    assert values.repository("team/{target}") == Repository("team/{target}")
    assert "not a repository name" in said(values.repository, "team/{other}")
