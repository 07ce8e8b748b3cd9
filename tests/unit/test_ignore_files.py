"""Another tool's rule hides no more here than it does there, and what is left out is said."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.ignore_files import IgnoreFile, read
from ecr_publish.ignore_files.openvex_file import STATUSES
from ecr_publish.ignore_files.rules import TIME, Loose, moment
from ecr_publish.ignores import Ignore, Ignores
from ecr_publish.shape import LARGEST, TEXT, Malformed, Node
from tests.factories import DAY, make_finding, make_package

PLAIN, TRIVY, GRYPE, VEX = ".trivyignore", "a/.trivyignore.yaml", ".grype.yaml", "app.vex.json"
EVERY = (PLAIN, TRIVY, GRYPE, VEX)
REPOSITORY = "team/app"
IMAGE = "pkg:oci/app"
CVE, OTHER = "CVE-2024-0001", "CVE-2024-0002"


def taken(text: str | bytes, name: str) -> IgnoreFile:
    return read(text if isinstance(text, bytes) else text.encode(), name, REPOSITORY)


def ignores(text: str | bytes, name: str) -> tuple[Ignore, ...]:
    """All that a file accepts, where nothing of it is left out."""
    file = taken(text, name)
    assert file.skipped == ()
    return file.ignores


def ignore(text: str | bytes, name: str) -> Ignore:
    (only,) = ignores(text, name)
    return only


def skipped(text: str | bytes, name: str) -> str:
    """The one sentence of a file that accepts nothing."""
    file = taken(text, name)
    assert file.ignores == ()
    (only,) = file.skipped
    return only


def problems(text: str | bytes, name: str) -> list[str]:
    with pytest.raises(Malformed) as caught:
        taken(text, name)
    return caught.value.problems


def problem(text: str | bytes, name: str) -> str:
    (only,) = problems(text, name)
    return only


# Names of files -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".trivyignore", CVE),
        ("security/base.trivyignore", CVE),
        (".trivyignore.yaml", f"vulnerabilities: [{{id: {CVE}}}]"),
        ("x/app.trivyignore.yml", f"vulnerabilities: [{{id: {CVE}}}]"),
        (".grype.yaml", f"ignore: [{{vulnerability: {CVE}}}]"),
        ("grype.yml", f"ignore: [{{vulnerability: {CVE}}}]"),
    ],
)
def test_read__name_decides_the_format(name: str, text: str) -> None:
    assert ignore(text, name) == Ignore(id=CVE, place=f"{name}, line 1")


@pytest.mark.parametrize(
    "name", ["trivyignore", ".trivyignore.txt", "ignore.yaml", ".trivyignore/x", "json", ""]
)
def test_read__unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    assert problem(CVE, name) == (
        f"{name}: the name of an ignore file ends with "
        ".trivyignore, .trivyignore.yaml, .grype.yaml, or .json for OpenVEX"
    )


# All formats ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_read__file_that_is_too_large(name: str) -> None:
    assert problem(b" " * (LARGEST + 1), name) == f"{name}: is larger than 256 KiB"


@pytest.mark.parametrize("name", [PLAIN, VEX])
def test_read__largest_file_is_still_read(name: str) -> None:
    text = vex() if name == VEX else CVE
    assert len(taken(text.encode().ljust(LARGEST), name).ignores) == 1


@pytest.mark.parametrize("name", EVERY)
def test_read__file_that_is_not_utf8(name: str) -> None:
    assert problem(b"\n\n\xff", name) == f"{name}: line 3: is not UTF-8"


@given(st.sampled_from(EVERY), st.one_of(st.binary(max_size=60), st.text(max_size=60)))
def test_read__anything_is_read_or_refused_with_the_name_of_the_file(
    name: str, content: bytes | str
) -> None:
    try:
        file = taken(content, name)
        said = [*(ignore.place for ignore in file.ignores), *file.skipped]
    except Malformed as refusal:
        said = refusal.problems
    assert all(text.startswith((f"{name}, ", f"{name}: ")) for text in said)


def test_read__long_sentence_is_cut() -> None:
    sentence = skipped(f"vulnerabilities: [{{id: {CVE}, paths: ['{'?' * 600}']}}]", TRIVY)
    assert len(sentence) == 501
    assert sentence.endswith("??…")


def test_read__rule_that_multiplies_is_refused() -> None:
    def crossed(paths: int, purls: int) -> str:
        rule = {"id": CVE, "paths": ["a"] * paths, "purls": ["pkg:npm/a"] * purls}
        return json.dumps({"vulnerabilities": [rule]})

    assert problem(crossed(101, 100), TRIVY) == f"{TRIVY}: has more than 10000 rules"
    assert len(ignores(crossed(100, 100), TRIVY)) == 10_000


# .trivyignore ---------------------------------------------------------------------------------


def test_plain__words_are_ids() -> None:
    text = f"# accepted\n\n{CVE}\n  {OTHER}\t\n#{CVE}\nAVD-DS-0002\nprivate-key\n"
    assert ignores(text, PLAIN) == (
        Ignore(id=CVE, place=".trivyignore, line 3"),
        Ignore(id=OTHER, place=".trivyignore, line 4"),
        Ignore(id="AVD-DS-0002", place=".trivyignore, line 6"),
        Ignore(id="private-key", place=".trivyignore, line 7"),
    )


def test_plain__expiry_alone_is_a_word_like_any_other() -> None:
    rule = ignore("exp:2027-01-31", PLAIN)
    assert (rule.id, rule.until) == ("exp:2027-01-31", None)


@pytest.mark.parametrize("text", ["", "\n", "# nothing\r\n", "\ufeff"])
def test_plain__empty_file_accepts_nothing(text: str) -> None:
    assert ignores(text, PLAIN) == ()


def test_plain__mark_and_line_ends_of_windows_are_no_part_of_an_id() -> None:
    first, second = ignores(f"\ufeff{CVE}\r\n{OTHER} exp:2027-01-31\r\n", PLAIN)
    assert (first.id, second.id, second.until) == (CVE, OTHER, date(2027, 1, 30))


@pytest.mark.parametrize("separator", ["\v", "\f", "\x1c", "\x85", "\u2028", "\r"])
def test_plain__only_a_new_line_ends_a_rule(separator: str) -> None:
    assert "line 1: 'CVE-2024-0002' is neither" in problem(f"{CVE}{separator}{OTHER}", PLAIN)


def test_plain__expiry_names_the_first_day_without_the_rule() -> None:
    rule = ignore(f"{CVE} exp:2026-08-02", PLAIN)
    assert rule.until == date(2026, 8, 1) == DAY
    assert not rule.expired(DAY)
    assert rule.expired(date(2026, 8, 2))


@pytest.mark.parametrize(
    ("line", "until", "reason"),
    [
        (f"{CVE} # not reachable", None, "not reachable"),
        (f"{CVE} ## a # b", None, "a # b"),
        (f"{CVE} exp:2027-01-01 # a", date(2026, 12, 31), "a"),
        # Trivy looks for the expiry in the whole line, and the first one counts.
        (f"{CVE} # a exp:2027-01-01", date(2026, 12, 31), "a exp:2027-01-01"),
        (f"{CVE} exp:2027-01-01 # exp:2028-01-01", date(2026, 12, 31), "exp:2028-01-01"),
        (f"{CVE} #exp:2027-01-01", None, "exp:2027-01-01"),
    ],
)
def test_plain__comment_at_the_end_of_a_line(line: str, until: date | None, reason: str) -> None:
    rule = ignore(line, PLAIN)
    assert (rule.id, rule.until, rule.reason) == (CVE, until, reason)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"{CVE} {OTHER}", "'CVE-2024-0002' is neither a comment (#) nor an expiry"),
        (f"{CVE}, {OTHER}", "'CVE-2024-0002' is neither"),
        (f"{CVE} until:2027-01-31", "'until:2027-01-31' is neither"),
        (f"{CVE} Exp:2027-01-31", "'Exp:2027-01-31' is neither"),
        (f"{CVE} exp: 2027-01-31", "'2027-01-31' is neither"),
        (f"{CVE} exp:2027-01-31 exp:2027-01-30", "'exp:2027-01-30' is neither"),
        (f"{CVE} exp:2027-01-31 exp:2027-01-31", "'exp:2027-01-31' is neither"),
        (f"exp:2027-01-31 {CVE}", "'CVE-2024-0001' is neither"),
        (f"{CVE} exp:2027-02-29", "day is out of range for month"),
        (f"{CVE} exp:2027-1-31", "'2027-1-31' is not a date (2027-01-31)"),
        (f"{CVE} exp:20270131", "'20270131' is not a date"),
        (f"{CVE} exp:2027-01-31T00:00:00Z", "is not a date"),
        (f"{CVE} exp:", "'' is not a date"),
        (f"{CVE} exp:0001-01-01", "'0001-01-01' is too far away"),
        (f"{CVE} # exp:soon", "'soon' is not a date"),
    ],
)
def test_plain__line_that_says_anything_else_is_refused(line: str, said: str) -> None:
    assert problem(f"\n{line}", PLAIN).startswith(".trivyignore: line 2: ")
    assert said in problem(f"\n{line}", PLAIN)


def test_plain__all_bad_lines_are_named() -> None:
    text = f"{CVE} a\n{OTHER}\n{CVE} exp:never"
    assert [item.split(": ")[1] for item in problems(text, PLAIN)] == ["line 1", "line 3"]


# Peers' defects: an id is matched whole, and each line of a list is one of its own.


@pytest.mark.parametrize("found", ["CVE-2024-00011", "CVE-2024-000", "XCVE-2024-0001"])
def test_peers__an_id_in_a_file_is_never_a_substring(found: str) -> None:
    for text, name in ((CVE, PLAIN), (vex(), VEX)):
        assert not Ignores(ignores(text, name), DAY).of(make_finding(found))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", " \n\t"])
def test_peers__a_list_of_many_lines_is_many_ids(end: str) -> None:
    rules = Ignores(ignores(end.join((CVE, OTHER, "CVE-3")), PLAIN), DAY)
    assert all(rules.of(make_finding(name)) for name in (CVE, OTHER, "CVE-3"))
    assert not rules.of(make_finding(f"{CVE}{OTHER}"))


# .trivyignore.yaml ----------------------------------------------------------------------------


def test_structured__whole_rule() -> None:
    text = f"""
# accepted
vulnerabilities:
  - id: {OTHER}
  - id: {CVE}
    paths:
      - app/**
    purls:
      - pkg:npm/%40scope/name@1.0.0
    statement: |
      Not reachable,
      see the ticket.
    expired_at: 2027-01-31
misconfigurations:
  - id: AVD-DS-0002
    other: 1
secrets:
licenses: []
"""
    assert ignores(text, TRIVY) == (
        Ignore(id=OTHER, place=f"{TRIVY}, line 4"),
        Ignore(
            id=CVE,
            package="@scope/name",
            version="1.0.0",
            path="app/**",
            until=date(2027, 1, 30),
            reason="Not reachable,\nsee the ticket.",
            place=f"{TRIVY}, line 5",
        ),
    )


@pytest.mark.parametrize(
    "text", ["", "vulnerabilities:", "vulnerabilities: []", "secrets: [{id: a}]", "{}"]
)
def test_structured__file_without_vulnerabilities_accepts_nothing(text: str) -> None:
    assert ignores(text, TRIVY) == ()


def test_structured__each_path_with_each_package() -> None:
    text = f"vulnerabilities: [{{id: {CVE}, paths: [a, b], purls: ['pkg:npm/c', 'pkg:npm/d@1']}}]"
    assert [(rule.path, rule.package, rule.version) for rule in ignores(text, TRIVY)] == [
        ("a", "c", ""),
        ("a", "d", "1"),
        ("b", "c", ""),
        ("b", "d", "1"),
    ]


def test_structured__no_paths_and_no_purls_are_any() -> None:
    text = f"vulnerabilities: [{{id: {CVE}, paths: [], purls: [], statement: ''}}]"
    assert ignore(text, TRIVY) == Ignore(id=CVE, place=f"{TRIVY}, line 1")


@pytest.mark.parametrize(
    ("written", "until"),
    [
        ("2027-01-31", date(2027, 1, 30)),
        ("'2027-01-31'", date(2027, 1, 30)),
        ("2024-03-01", date(2024, 2, 29)),
        ("2027-01-31T00:00:00Z", date(2027, 1, 30)),
        ("2027-01-31T23:59:59.999999999Z", date(2027, 1, 30)),
        ("2027-01-31 12:00:00", date(2027, 1, 30)),
        ("2027-01-31t22:00:00-05:00", date(2027, 1, 31)),
        ("2027-01-31 01:00:00 +02:00", date(2027, 1, 29)),
        ("2027-01-31T01:00:00.5z", date(2027, 1, 30)),
    ],
)
def test_structured__last_day_is_the_one_before_it_expires(written: str, until: date) -> None:
    text = f"vulnerabilities: [{{id: {CVE}, expired_at: {written}}}]"
    assert ignore(text, TRIVY).until == until


@pytest.mark.parametrize("glob", ["a/b.jar", "**/*.jar", "a/**/b", "**", "*", "a*b/*.c", "a/**"])
def test_structured__path_that_means_the_same(glob: str) -> None:
    text = f"vulnerabilities: [{{id: {CVE}, paths: ['{glob}']}}]"
    assert ignore(text, TRIVY).path == glob


@pytest.mark.parametrize("glob", ["a?", "[ab]", "a]", "{a,b}", "a}", r"a\*b"])
def test_structured__path_with_more_wildcards_is_left_out(glob: str) -> None:
    text = f"vulnerabilities:\n- id: {CVE}\n  paths: ['{glob}']"
    assert skipped(text, TRIVY) == (
        f"{TRIVY}, line 2: {CVE} is not taken over: its path {glob!r} has more than * and **"
    )


@pytest.mark.parametrize("glob", ["a**", "**a/b", "a/b**/c", "***", "a/***/b"])
def test_structured__stars_that_are_no_whole_name_are_left_out(glob: str) -> None:
    # There they do not cross a slash; here they would.
    text = f"vulnerabilities: [{{id: {CVE}, paths: ['{glob}']}}]"
    assert skipped(text, TRIVY).endswith(f"in its path {glob!r}, ** is not a whole name")


def test_structured__alternatives_that_can_be_compared_are_kept() -> None:
    text = f"vulnerabilities: [{{id: {CVE}, paths: [a, 'b?'], purls: ['pkg:npm/c']}}]"
    file = taken(text, TRIVY)
    assert [rule.path for rule in file.ignores] == ["a"]
    assert len(file.skipped) == 1


def test_structured__unknown_key_leaves_out_the_rule() -> None:
    text = f"vulnerabilities:\n- id: {CVE}\n  image: a\n  os: b\n- id: {OTHER}\n"
    file = taken(text, TRIVY)
    assert [rule.id for rule in file.ignores] == [OTHER]
    (sentence,) = file.skipped
    assert sentence == (
        f"{TRIVY}, line 2: {CVE} is not taken over: "
        "'image', 'os' cannot be compared with ECR's findings"
    )


def test_structured__unknown_list_is_said() -> None:
    assert skipped("\nvulnerabilites: [{id: a}]", TRIVY) == (
        f"{TRIVY}, line 2: 'vulnerabilites' is not taken over: only vulnerabilities are read"
    )


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("paths: [a]", "vulnerabilities[0].id: is missing"),
        ("id: ''", "vulnerabilities[0].id: '' is not the name of a vulnerability"),
        ("id: a b", "vulnerabilities[0].id: 'a b' is not the name"),
        ("id: [a]", "vulnerabilities[0].id: is not one value"),
        ("id: a, paths: b", "vulnerabilities[0].paths: is not a list"),
        ("id: a, paths: ", "vulnerabilities[0].paths: is not a list"),
        # Without it, an Ignore is for any path.
        ("id: a, paths: ['']", "vulnerabilities[0].paths[0]: '' is not a text"),
        ("id: a, purls: [lodash]", "vulnerabilities[0].purls[0]: 'lodash' is not a package URL"),
        ("id: a, statement: ", "vulnerabilities[0].statement: needs a value"),
        ("id: a, expired_at: ", "vulnerabilities[0].expired_at: needs a value"),
        ("id: a, expired_at: never", "'never' is not a date (2027-01-31) or a time"),
        (
            "id: a, expired_at: 2027-02-30",
            "expired_at: '2027-02-30T00:00:00': day is out of range for month",
        ),
        (
            "id: a, expired_at: 2027-01-31T25:00:00Z",
            "expired_at: '2027-01-31T25:00:00Z': hour must be in 0..23",
        ),
        ("id: a, expired_at: 2027-01-31T00:00:00+24:00", "expired_at: "),
        ("id: a, expired_at: 0001-01-01", "is too far away"),
        ("id: a, expired_at: 0001-01-01T00:00:00+01:00", "is too far away"),
        (r'id: a, statement: "\ud800"', "statement: has half a character"),
        (r'id: a, paths: ["\udfff"]', "paths[0]: has half a character"),
        (r'id: a, purls: ["pkg:npm/\ud800"]', "purls[0]: has half a character"),
        ("id: a, id: b", "vulnerabilities[0].id: stands there twice"),
        ("id: &x a", "anchors and aliases"),
    ],
)
def test_structured__broken_rule_is_refused(rule: str, said: str) -> None:
    text = f"vulnerabilities:\n- {{{rule}}}"
    assert problem(text, TRIVY).startswith(f"{TRIVY}: line 2: ")
    assert said in problem(text, TRIVY)


@pytest.mark.parametrize("name", [TRIVY, GRYPE])
@pytest.mark.parametrize("text", ["- a", "a", "null"])
def test_yaml__file_that_is_no_mapping_is_refused(name: str, text: str) -> None:
    key = "vulnerabilities" if name == TRIVY else "ignore"
    assert problem(text, name) == f"{name}: line 1: is not a mapping with the key {key}"


@pytest.mark.parametrize(("name", "key"), [(TRIVY, "vulnerabilities"), (GRYPE, "ignore")])
def test_yaml__rules_that_are_no_list_of_mappings_are_refused(name: str, key: str) -> None:
    assert problem(f"{key}: a", name) == f"{name}: line 1: {key}: is not a list"
    assert "line 2: ignore[0]: is not a mapping with the keys vulnerability" in problem(
        "ignore:\n- a", GRYPE
    )
    assert problem(f"{key}: [", name).endswith("(YAML)")


# purls ----------------------------------------------------------------------------------------


def purled(purl: str) -> str:
    return json.dumps({"vulnerabilities": [{"id": CVE, "purls": [purl]}]})


@pytest.mark.parametrize(
    ("purl", "package", "version"),
    [
        ("pkg:npm/lodash", "lodash", ""),
        ("pkg:npm/lodash@4.17.20", "lodash", "4.17.20"),
        ("pkg:npm/%40angular/core@1", "@angular/core", "1"),
        ("pkg:npm/@angular/core@1", "@angular/core", "1"),
        ("pkg:npm/@angular/core", "@angular/core", ""),
        ("pkg:golang/golang.org/x/net@v0.30.0", "golang.org/x/net", "v0.30.0"),
        ("pkg:golang/stdlib@1.22.1", "stdlib", "1.22.1"),
        (
            "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1",
            "org.apache.logging.log4j:log4j-core",
            "2.14.1",
        ),
        ("pkg:composer/symfony/http-kernel", "symfony/http-kernel", ""),
        ("pkg:deb/debian/libc6@2.36-9%2Bdeb12u4", "libc6", "2.36-9+deb12u4"),
        ("pkg:deb/debian/curl@1:7.50.3-1", "curl", "1:7.50.3-1"),
        ("pkg:deb/debian/libstdc++6@12.2", "libstdc++6", "12.2"),
        ("pkg:rpm/redhat/openssl-libs", "openssl-libs", ""),
        ("pkg:apk/alpine/busybox@1.36.1-r15", "busybox", "1.36.1-r15"),
        ("pkg:apk/busybox", "busybox", ""),
        ("pkg:pypi/Foo_Bar@1.0", "foo-bar", "1.0"),
        ("pkg:gem/Foo_Bar", "Foo_Bar", ""),
        ("pkg:nuget/Newtonsoft.Json@13.0.1", "Newtonsoft.Json", "13.0.1"),
        ("pkg:cargo/serde_json", "serde_json", ""),
        ("PKG:NPM/Lodash", "Lodash", ""),
        ("pkg://npm//lodash/", "lodash", ""),
        ("pkg:npm/caf%C3%A9", "café", ""),
        ("pkg:npm/lodash@", "lodash", ""),
        ("pkg:npm/lodash@1?", "lodash", "1"),
        ("pkg:npm/lodash@1?arch=&&x#", "lodash", "1"),
    ],
)
def test_purl__is_a_package_as_ecr_names_it(purl: str, package: str, version: str) -> None:
    rule = ignore(purled(purl), TRIVY)
    assert (rule.package, rule.version) == (package, version)


@pytest.mark.parametrize(
    ("purl", "why"),
    [
        ("pkg:deb/debian/curl@1?arch=amd64", "the qualifier arch of {} cannot be compared"),
        ("pkg:deb/debian/curl@1?distro=debian-12", "the qualifier distro of {} cannot"),
        ("pkg:rpm/redhat/curl@1?EPOCH=1", "the qualifier epoch of {} cannot be compared"),
        ("pkg:maven/a/b?type=jar&classifier=c", "the qualifier type of {} cannot be compared"),
        ("pkg:golang/a/b#cmd/c", "the subpath of {} cannot be compared"),
        ("pkg:oci/app", "how ECR would name {} is not known"),
        ("pkg:docker/team/app", "how ECR would name {} is not known"),
        ("pkg:github/team/app", "how ECR would name {} is not known"),
        ("pkg:pypi/django/core", "how ECR would name {} is not known"),
    ],
)
def test_purl__one_that_cannot_be_compared_is_left_out(purl: str, why: str) -> None:
    assert why.format(purl) in skipped(purled(purl), TRIVY)


@pytest.mark.parametrize(
    ("purl", "said"),
    [
        ("lodash", "'lodash' is not a package URL (pkg:npm/lodash@4.17.20)"),
        ("pkg:npm", "is not a package URL"),
        ("pkg:npm/", "is not a package URL"),
        ("pkg:1npm/a", "is not a package URL"),
        ("pkg:npm/a b", "is not a package URL"),
        ("pkg:npm/a@1 ", "is not a package URL"),
        ("xpkg:npm/a", "is not a package URL"),
        ("pkg:npm//", "is not the path of a package URL"),
        ("pkg:npm/@1.0", "is not the path of a package URL (@ is written %40)"),
        ("pkg:npm/a@1@2", "is not the path"),
        ("pkg:npm/a@1/2", "is not the path"),
        ("pkg:npm/a%2Fb", "has a / (%2F) within a name"),
        ("pkg:npm/a%2Fb/c", "has a / (%2F) within a name"),
        ("pkg:npm/a%4", "has a % without two hexadecimal digits"),
        ("pkg:npm/a@%zz", "has a % without two hexadecimal digits"),
        ("pkg:npm/a?b=%", "has a % without two hexadecimal digits"),
        ("pkg:npm/a%ff", "is not UTF-8 once its % are decoded"),
        ("pkg:npm/a?=b", "'=b' is no qualifier, or there twice"),
        ("pkg:npm/a?b=1&B=2", "'B=2' is no qualifier, or there twice"),
    ],
)
def test_purl__broken_one_is_refused(purl: str, said: str) -> None:
    assert problem(purled(purl), TRIVY).startswith(
        f"{TRIVY}: line 1: vulnerabilities[0].purls[0]: "
    )
    assert said in problem(purled(purl), TRIVY)


def test_purl__long_one_is_read_in_little_time() -> None:
    assert "is not the path" in problem(purled("pkg:npm/" + "a@" * 50_000), TRIVY)
    assert "is not a package URL" in problem(purled("pkg:" + "/a@" * 50_000 + " "), TRIVY)


# .grype.yaml ----------------------------------------------------------------------------------


def test_grype__whole_rule() -> None:
    text = f"""
check-for-app-update: false
ignore:
  - vulnerability: {CVE}
    include-aliases: true
    reason: " not reachable "
    package:
      name: libfoo-2.0_x
      version: 1.2.3
      location: /usr/lib/**/*.so
  - vulnerability: {OTHER}
    include-aliases: false
fail-on-severity: high
"""
    assert ignores(text, GRYPE) == (
        Ignore(
            id=CVE,
            package="libfoo-2.0_x",
            version="1.2.3",
            path="usr/lib/**/*.so",
            reason="not reachable",
            place=".grype.yaml, line 4",
        ),
        Ignore(id=OTHER, place=".grype.yaml, line 11"),
    )


@pytest.mark.parametrize("text", ["", "ignore:", "ignore: []", "output: json"])
def test_grype__settings_without_rules_accept_nothing(text: str) -> None:
    assert ignores(text, GRYPE) == ()


def test_grype__keys_without_a_value_say_nothing_as_in_settings_that_grype_wrote() -> None:
    text = f"""
ignore:
  - vulnerability: '{CVE}'
    reason: ''
    namespace: ""
    fix-state:
    package: {{name: '', version: , language: '', type: null, location: "", upstream-name: ''}}
    vex-status: ''
"""
    assert ignore(text, GRYPE) == Ignore(id=CVE, place=".grype.yaml, line 3")


@pytest.mark.parametrize(
    "key",
    ["namespace", "fix-state", "match-type", "vex-status", "vex-justification", "new-one"],
)
def test_grype__criterion_that_cannot_be_compared_leaves_out_the_rule(key: str) -> None:
    assert skipped(f"ignore:\n- vulnerability: {CVE}\n  {key}: a", GRYPE) == (
        f".grype.yaml, line 2: {CVE} is not taken over: "
        f"'{key}' cannot be compared with ECR's findings"
    )


@pytest.mark.parametrize("key", ["language", "type", "upstream-name", "new-one"])
def test_grype__criterion_of_a_package_that_cannot_be_compared(key: str) -> None:
    text = f"ignore: [{{vulnerability: {CVE}, package: {{name: a, {key}: b}}}}]"
    assert f"'package.{key}' cannot be compared" in skipped(text, GRYPE)


@pytest.mark.parametrize(
    "rule", ["{package: {name: a}}", "{reason: a}", "{vulnerability: '', package: {name: a}}"]
)
def test_grype__rule_for_all_vulnerabilities_is_left_out(rule: str) -> None:
    assert skipped(f"ignore: [{rule}]", GRYPE) == (
        ".grype.yaml, line 1: a rule is not taken over: "
        "it names no vulnerability, and would accept all that are to come"
    )


def named(name: str) -> str:
    return json.dumps({"ignore": [{"vulnerability": CVE, "package": {"name": name}}]})


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("openssl", "openssl"),
        ("a.b-c_d", "a.b-c_d"),
        ("@scope/name", "@scope/name"),
        ("org.a:b~c", "org.a:b~c"),
        (r"libstdc\+\+6", "libstdc++6"),
        (r"a\.b\-c", "a.b-c"),
    ],
)
def test_grype__name_that_is_literal(name: str, package: str) -> None:
    assert ignore(named(name), GRYPE).package == package


@pytest.mark.parametrize(
    "name",
    [
        *("linux-.*", "a|b", "^a", "a$", "(a)", "a)", "[ab]", "a]", "a{2}", "a}", "a?", "a*"),
        # As a regular expression, it is not its own name, and Grype matches nothing with it.
        "libstdc++6",
        *(r"a\d", r"a\w", r"\Qa\E", "a\\", r"a\_", "a\\ b", "a\\\nb"),
    ],
)
def test_grype__name_that_is_a_pattern_is_left_out(name: str) -> None:
    assert skipped(named(name), GRYPE).endswith(
        f"its package {name!r} is a regular expression (a plain + is \\+ there)"
    )


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/app/x.jar", "app/x.jar"),
        ("/**/x.jar", "**/x.jar"),
        ("**/x.jar", "**/x.jar"),
        ("**", "**"),
        ("/*", "*"),
    ],
)
def test_grype__location(location: str, path: str) -> None:
    text = f"ignore: [{{vulnerability: {CVE}, package: {{location: '{location}'}}}}]"
    assert ignore(text, GRYPE).path == path


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("usr/lib/*", "its location 'usr/lib/*' begins with neither / nor **"),
        ("*/x", "begins with neither / nor **"),
        ("**x", "begins with neither / nor **"),
        ("/a?", "its path 'a?' has more than * and **"),
        ("/a**", "in its path 'a**', ** is not a whole name"),
    ],
)
def test_grype__location_that_means_something_else(location: str, why: str) -> None:
    text = f"ignore: [{{vulnerability: {CVE}, package: {{location: '{location}'}}}}]"
    assert why in skipped(text, GRYPE)


def test_s1_grype__location_of_the_root_alone_is_not_any() -> None:
    text = f"ignore: [{{vulnerability: {CVE}, package: {{location: /}}}}]"
    assert "its location '/' is a folder" in skipped(text, GRYPE)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("vulnerability: a b", "ignore[0].vulnerability: 'a b' is not the name"),
        ("vulnerability: a, include-aliases: maybe", "'maybe' is not one of: true, false"),
        ("vulnerability: a, package: b", "ignore[0].package: is not a mapping with the keys"),
        ("vulnerability: a, package: {name: [b]}", "ignore[0].package.name: is not one value"),
        (r'vulnerability: a, reason: "\udc00"', "reason: has half a character"),
    ],
)
def test_grype__broken_rule_is_refused(rule: str, said: str) -> None:
    assert said in problem(f"ignore: [{{{rule}}}]", GRYPE)


# OpenVEX --------------------------------------------------------------------------------------


def statement(**over: Any) -> dict[str, Any]:
    plain = {
        "vulnerability": {"name": CVE},
        "products": [{"@id": IMAGE}],
        "status": "not_affected",
        "justification": "component_not_present",
    }
    return {key: value for key, value in {**plain, **over}.items() if value is not None}


def vex(*statements: dict[str, Any], **over: Any) -> str:
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://openvex.dev/docs/public/vex-1",
        "author": "Security",
        "timestamp": "2026-01-08T18:02:03.647787998-06:00",
        "version": 1,
        "statements": list(statements) or [statement()],
    }
    return json.dumps({**document, **over})


def products(*given: Any) -> str:
    return vex(statement(products=list(given)))


def parts(*given: Any, product: str = IMAGE) -> str:
    return products({"@id": product, "subcomponents": list(given)})


def test_openvex__statement_about_the_image() -> None:
    assert ignore(vex(), VEX) == Ignore(
        id=CVE,
        reason="component_not_present",
        owner="Security",
        place="app.vex.json, statements[0]",
    )


def test_openvex__statement_of_version_0_0_1() -> None:
    given = statement(
        vulnerability=CVE,
        vuln_description="a",
        products=[IMAGE],
        subcomponents=["pkg:npm/a@1", "pkg:npm/b"],
    )
    text = vex(given, **{"@context": "https://openvex.dev/ns", "version": "1", "role": "a"})
    assert [(rule.id, rule.package, rule.version) for rule in ignores(text, VEX)] == [
        (CVE, "a", "1"),
        (CVE, "b", ""),
    ]


def test_openvex__keys_that_change_nothing_are_passed_over() -> None:
    given = statement(
        **{"@id": "https://a", "version": 2, "last_updated": "a", "supplier": "b"},
        action_statement="c",
        action_statement_timestamp="d",
        vulnerability={"name": CVE, "description": "e", "@id": "https://nvd"},
    )
    assert ignore(vex(given, tooling="x", last_updated="y"), VEX).id == CVE


def test_openvex__mark_and_line_ends_of_windows() -> None:
    assert ignore(b"\xef\xbb\xbf" + vex().replace(",", ",\r\n").encode(), VEX).id == CVE


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"impact_statement": " Patched. "}, "component_not_present: Patched."),
        ({"justification": None, "impact_statement": "Patched."}, "Patched."),
        ({"status_notes": "a"}, "component_not_present"),
        ({"status": "fixed", "justification": None}, "fixed"),
        ({"status": "fixed", "status_notes": "In our fork."}, "fixed: In our fork."),
    ],
)
def test_openvex__reason(over: dict[str, Any], reason: str) -> None:
    assert ignore(vex(statement(**over)), VEX).reason == reason


@pytest.mark.parametrize("status", ["affected", "under_investigation"])
def test_openvex__other_status_accepts_nothing(status: str) -> None:
    assert ignores(vex(statement(status=status)), VEX) == ()


def test_openvex__author_is_not_needed() -> None:
    document = json.loads(vex())
    del document["author"]
    assert ignore(json.dumps(document), VEX).owner == ""


@pytest.mark.parametrize(
    ("over", "why"),
    [
        ({"justification": None}, "it has neither justification nor impact_statement"),
        ({"justification": " "}, "it has neither justification nor impact_statement"),
        ({"products": None}, "it names no products"),
        ({"products": []}, "it names no products"),
        ({"scope": "a"}, "'scope' cannot be compared with ECR's findings"),
        ({"vulnerability": {"name": CVE, "range": "a"}}, "'range' cannot be compared"),
        ({"\ud800": 1}, r"'\ud800' cannot be compared"),
    ],
)
def test_openvex__statement_that_is_not_complete_or_says_more(
    over: dict[str, Any], why: str
) -> None:
    sentence = skipped(vex(statement(**over)), VEX)
    assert sentence.startswith(f"app.vex.json, statements[0]: {CVE} is not taken over: {why}")


# Names of a vulnerability.


@pytest.mark.parametrize(
    ("name", "aliases", "expected"),
    [
        (CVE, ["GHSA-1", "DSA-4686-1"], CVE),
        (CVE, [OTHER], CVE),
        ("GO-2024-1", [CVE, "GHSA-1"], CVE),
        ("GO-2024-1", [CVE, CVE], CVE),
        ("GO-2024-1", [CVE, OTHER], "GO-2024-1"),
        ("GHSA-1", ["DSA-4686-1"], "GHSA-1"),
        ("GHSA-1", [], "GHSA-1"),
    ],
)
def test_openvex__only_cve_among_the_names_is_the_id(
    name: str, aliases: list[str], expected: str
) -> None:
    given = statement(vulnerability={"name": name, "aliases": aliases})
    assert ignore(vex(given), VEX).id == expected


def test_s1_openvex__advisory_among_the_aliases_does_not_hide_its_other_vulnerabilities() -> None:
    given = statement(vulnerability={"name": CVE, "aliases": ["DSA-4686-1"]})
    rules = Ignores(ignores(vex(given), VEX), DAY)
    assert not rules.of(make_finding(OTHER, aliases=("DSA-4686-1",)))


# Products.


@pytest.mark.parametrize(
    "product",
    [
        IMAGE,
        {"@id": IMAGE},
        {"@id": "https://example.com/app", "identifiers": {"purl": IMAGE}},
        {"identifiers": {"purl": IMAGE}},
        {"@id": IMAGE, "identifiers": {"purl": IMAGE}, "subcomponents": []},
        "pkg:oci/app?repository_url=123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app",
        "pkg:oci/app?repository_url=ghcr.io%2Fteam%2Fapp",
        "pkg:oci/app?repository_url=https://localhost:5000/team/app",
        "pkg:oci/app?repository_url=localhost/team/app",
        "pkg:oci/app?repository_url=team/app",
    ],
)
def test_openvex__product_is_the_image(product: Any) -> None:
    rule = ignore(products(product), VEX)
    assert (rule.package, rule.version) == ("", "")


@pytest.mark.parametrize(
    "purl",
    [
        "pkg:oci/application",
        "pkg:oci/ap",
        "pkg:oci/my-app",
        "pkg:oci/App",
        "pkg:oci/team",
        "pkg:oci/team/app",
        "pkg:oci/app?repository_url=ghcr.io/app",
        "pkg:oci/app?repository_url=ghcr.io/myteam/app",
        "pkg:oci/app?repository_url=ghcr.io/my/team/app",
        "pkg:oci/app?repository_url=ghcr.io/team/app:1",
        "pkg:oci/app?repository_url=ghcr.io/team/app/x",
        "pkg:oci/app?repository_url=x/team/app",
        "pkg:oci/app?repository_url=xlocalhost/team/app",
        "pkg:oci/app?repository_url=myteam/app",
        "pkg:oci/app?repository_url=ghcr.io",
        "pkg:oci/app@sha256:1?repository_url=ghcr.io",
    ],
)
def test_s1_openvex__image_of_another_repository_is_left_out(purl: str) -> None:
    said = f"{purl} is not the image of the repository team/app"
    assert skipped(products(purl), VEX).endswith(said)
    assert skipped(parts("pkg:npm/a", product=purl), VEX).endswith(said)


@pytest.mark.parametrize(
    "purl",
    ["pkg:oci/app@sha256%3Aabc", "pkg:oci/app?tag=v1", "pkg:oci/app?arch=amd64", "pkg:oci/app#a"],
)
def test_s1_openvex__one_image_of_the_repository_is_left_out(purl: str) -> None:
    assert skipped(products(purl), VEX).endswith(
        f"which image of team/app is meant by {purl} is not known here"
    )


def test_openvex__repository_without_a_folder() -> None:
    file = read(vex().encode(), VEX, "app")
    assert [rule.id for rule in file.ignores] == [CVE]


def test_openvex__product_may_be_a_package() -> None:
    rule = ignore(products("pkg:maven/org.a/b@1.0"), VEX)
    assert (rule.package, rule.version) == ("org.a:b", "1.0")


def test_openvex__parts_of_the_image_are_the_scope() -> None:
    text = parts({"@id": "pkg:npm/a@1"}, {"identifiers": {"purl": "pkg:pypi/B"}}, "pkg:npm/c")
    assert [(rule.package, rule.version) for rule in ignores(text, VEX)] == [
        ("a", "1"),
        ("b", ""),
        ("c", ""),
    ]


def test_openvex__parts_of_a_product_win_over_those_of_the_statement() -> None:
    given = statement(
        products=[{"@id": IMAGE, "subcomponents": ["pkg:npm/a"]}, IMAGE],
        subcomponents=["pkg:npm/b"],
    )
    assert [rule.package for rule in ignores(vex(given), VEX)] == ["a", "b"]


@pytest.mark.parametrize(
    ("product", "why"),
    [
        ({"@id": "https://example.com/app"}, "a product or subcomponent has no package URL"),
        ({}, "a product or subcomponent has no package URL"),
        ({"@id": IMAGE, "hashes": {"sha-256": "a"}}, "'hashes' cannot be compared"),
        (
            {"identifiers": {"purl": "pkg:npm/a", "cpe23": "b"}},
            "'identifiers.cpe23' cannot be compared",
        ),
        (
            {"@id": IMAGE, "identifiers": {"purl": "pkg:npm/a"}},
            "pkg:oci/app and pkg:npm/a are not the same",
        ),
        (
            {"@id": "pkg:npm/a@1", "identifiers": {"purl": "pkg:npm/a"}},
            "pkg:npm/a@1 and pkg:npm/a are not the same",
        ),
        ("pkg:deb/debian/a?arch=amd64", "the qualifier arch of"),
        ("pkg:docker/app", "how ECR would name pkg:docker/app is not known"),
        (
            {"@id": "pkg:npm/a", "subcomponents": ["pkg:npm/b"]},
            "pkg:npm/a is not an image (pkg:oci/…)",
        ),
        ({"@id": IMAGE, "subcomponents": ["pkg:oci/app"]}, "how ECR would name pkg:oci/app"),
        ({"@id": IMAGE, "subcomponents": ["liba"]}, "has no package URL"),
        ({"@id": IMAGE, "subcomponents": [{"subcomponents": []}]}, "'subcomponents' cannot"),
        ({"@id": IMAGE, "subcomponents": [{"@id": "pkg:npm/a", "hashes": {}}]}, "'hashes' cannot"),
    ],
)
def test_s1_openvex__product_that_cannot_be_compared_is_left_out(product: Any, why: str) -> None:
    assert why in skipped(products(product), VEX)


def test_openvex__products_that_can_be_compared_are_kept() -> None:
    file = taken(products("pkg:oci/another", IMAGE), VEX)
    assert len(file.ignores) == 1
    assert len(file.skipped) == 1


def test_openvex__scope_is_what_the_gate_asks_for() -> None:
    rules = Ignores(ignores(parts("pkg:npm/a@1"), VEX), DAY)
    assert rules.of(make_finding(CVE, packages=(make_package(name="a", version="1"),)))
    assert not rules.of(make_finding(CVE, packages=(make_package(name="a", version="2"),)))
    assert not rules.of(make_finding(CVE, packages=(make_package(name="ab", version="1"),)))


# Time.


def test_openvex__later_doubt_ends_an_earlier_statement_whatever_its_product() -> None:
    doubt = statement(status="affected", products=["pkg:oci/another"], justification=None)
    assert skipped(vex(statement(), doubt), VEX) == (
        f"app.vex.json, statements[0]: {CVE} is not taken over: "
        "statements[1] says later that it is affected"
    )


def test_openvex__earlier_doubt_does_not_end_a_later_statement() -> None:
    doubt = statement(status="under_investigation")
    assert ignore(vex(doubt, statement()), VEX).place == "app.vex.json, statements[1]"


def test_openvex__statements_that_accept_do_not_end_each_other() -> None:
    second = statement(status="fixed", products=["pkg:npm/a"])
    assert len(ignores(vex(statement(), second), VEX)) == 2


@pytest.mark.parametrize(
    ("accepted", "doubted", "counts"),
    [
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", True),
        ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", False),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", False),
        ("2026-01-01T00:00:00.000000002Z", "2026-01-01T00:00:00.000000001Z", True),
        ("2026-01-01T00:00:00.000000001Z", "2026-01-01T00:00:00.000000002Z", False),
        ("2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.45Z", True),
        ("2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.50Z", False),
        ("2026-01-01T00:00:00.50Z", "2026-01-01T00:00:00.5Z", False),
        ("2026-01-01T00:00:00.05Z", "2026-01-01T00:00:00.5Z", False),
        ("2026-01-01T00:00:00.1Z", "2026-01-01T00:00:00Z", True),
        ("2026-01-01T00:00:00-01:00", "2026-01-01T00:30:00Z", True),
        ("2026-01-01T00:00:00+01:00", "2026-01-01T00:00:00Z", False),
        # That of the document, 2026-01-09T00:02:03.6Z, where a statement has none.
        ("2026-01-09T00:02:04Z", None, True),
        ("2026-01-09T00:02:03Z", None, False),
        (None, "2026-01-09T00:02:03Z", True),
        (None, "2026-01-09t00:02:04z", False),
    ],
)
def test_openvex__latest_statement_counts(
    accepted: str | None,
    doubted: str | None,
    counts: bool,  # noqa: FBT001
) -> None:
    text = vex(
        statement(timestamp=accepted), statement(status="under_investigation", timestamp=doubted)
    )
    assert bool(taken(text, VEX).ignores) is counts


def test_openvex__latest_of_several_doubts_is_found() -> None:
    times = ("2026-03-01T00:00:00Z", "2026-01-01T00:00:00Z")
    doubts = [statement(status="affected", timestamp=time) for time in times]
    accepted = statement(timestamp="2026-02-01T00:00:00Z")
    assert "statements[0] says later" in skipped(vex(*doubts, accepted), VEX)


@pytest.mark.parametrize(
    ("doubted", "same"),
    [
        ({"name": CVE}, True),
        ({"name": "GHSA-1"}, True),
        ({"name": "GO-9", "aliases": ["GO-8", "GHSA-1"]}, True),
        ({"name": "GO-9", "@id": "https://nvd/1"}, True),
        ({"name": "GO-9", "@id": "https://nvd/2"}, False),
        ({"name": OTHER, "aliases": ["GHSA-2"]}, False),
        ({"name": "CVE-2024-00011"}, False),
    ],
)
def test_openvex__any_common_name_is_the_same_vulnerability(
    doubted: dict[str, Any],
    same: bool,  # noqa: FBT001
) -> None:
    first = statement(
        vulnerability={"name": CVE, "aliases": ["GHSA-1"], "@id": "https://nvd/1"},
    )
    text = vex(first, statement(status="affected", vulnerability=doubted))
    assert bool(taken(text, VEX).ignores) is not same


def test_openvex__all_statuses_of_the_format_are_known() -> None:
    assert sorted(STATUSES) == ["affected", "fixed", "not_affected", "under_investigation"]


# The file.


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: Expecting value (JSON)"),
        ("{\n'a': 1}", "line 2: Expecting property name enclosed in double quotes (JSON)"),
        ("[]", "is not a mapping with the keys @context, timestamp, author, statements"),
        ('{"a": {"b": 1, "b": 2}}', "the key 'b' stands twice in one object"),
        ("[" * 200_000, "is nested too deeply"),
        ('{"a":' * 40_000, "is nested too deeply"),
        (vex(**{"@context": "https://cyclonedx.org"}), "'https://cyclonedx.org' is not that of"),
        (vex(**{"@context": "https://openvex.dev/nsx"}), "@context: 'https://openvex.dev/nsx' is"),
        (vex(timestamp="2026-01-08"), "timestamp: '2026-01-08' is not a time (2027-01-31T12"),
        (vex(timestamp="2026-01-08T00:00:00"), "is not a time"),
        (
            vex(timestamp="2026-02-30T00:00:00Z"),
            "timestamp: '2026-02-30T00:00:00Z': day is out of range for month",
        ),
        (vex(timestamp="9999-12-31T23:00:00-02:00"), "is too far away"),
        (vex(statements={}), "statements: is not a list"),
        (vex(statements=["a"]), "statements[0]: is not a mapping with the keys vulnerability"),
        (vex(author=5), "author: is not one value"),
        (vex(author=None), "author: needs a value"),
        (vex(author="\udfff"), "author: has half a character"),
        (vex(statement(status=None)), "statements[0].status: is missing"),
        (vex(statement(status="ok")), "statements[0].status: 'ok' is not one of: not_affected"),
        (vex(statement(vulnerability=None)), "statements[0].vulnerability: is missing"),
        (vex(statement(vulnerability={})), "statements[0].vulnerability.name: is missing"),
        (vex(statement(vulnerability="a b")), "statements[0].vulnerability: 'a b' is not the name"),
        (vex(statement(vulnerability=5)), "statements[0].vulnerability: is not a mapping"),
        (products(5), "statements[0].products[0]: is not a mapping with the keys @id"),
        (products({"@id": None}), "statements[0].products[0].@id: needs a value"),
        (products("pkg:npm"), "statements[0].products[0]: 'pkg:npm' is not a package URL"),
        (products("PKG:npm"), "statements[0].products[0]: 'PKG:npm' is not a package URL"),
        (
            products({"identifiers": {"purl": "a"}}),
            "statements[0].products[0].identifiers.purl: 'a' is not a package URL",
        ),
        (parts({"@id": "pkg:a"}), "statements[0].products[0].subcomponents[0].@id: 'pkg:a' is"),
    ],
)
def test_openvex__broken_file_is_refused(text: str, said: str) -> None:
    assert problem(text, VEX).startswith(f"{VEX}: ")
    assert said in problem(text, VEX)
    assert "line 0" not in problem(text, VEX)


@pytest.mark.parametrize("key", ["@context", "timestamp", "statements"])
def test_openvex__key_that_is_missing(key: str) -> None:
    document = json.loads(vex())
    del document[key]
    assert problem(json.dumps(document), VEX) == f"{VEX}: {key}: is missing"


def test_openvex__all_problems_are_named() -> None:
    text = vex(statement(status="a"), statement(), statement(vulnerability={"name": ""}))
    assert [item.split(": ")[1] for item in problems(text, VEX)] == [
        "statements[0].status",
        "statements[2].vulnerability.name",
    ]


_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([CVE, IMAGE, "pkg:npm/a", "fixed"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["@id", "name", "purl", "identifiers", "\ud800"]), inner)
    ),
    max_leaves=6,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(statement(), _JSON)))
def test_openvex__any_statement_is_read_or_refused_in_words_that_can_be_written(
    over: dict[str, Any],
) -> None:
    try:
        file = taken(vex(statement(**over)), VEX)
        said = [*map(str, file.ignores), *file.skipped]
    except Malformed as refusal:
        said = refusal.problems
    assert "\n".join(said).encode()


def test_openvex__number_of_any_length_is_passed_over() -> None:
    assert ignore(vex().replace('"version": 1', f'"version": {"9" * 10_000}'), VEX).id == CVE


def test_openvex__characters_beyond_the_first_plane_are_read() -> None:
    assert ignore(vex(author="\U0001f512"), VEX).owner == "\U0001f512"


# Parts ----------------------------------------------------------------------------------------


def test_loose__describes_itself_as_open() -> None:
    shape = Loose({"a": TEXT}, lambda given, _: given, required=("a",))
    assert shape.schema() == {
        "type": "object",
        "properties": {"a": TEXT.schema()},
        "required": ["a"],
        "additionalProperties": True,
    }


@given(st.datetimes(), st.datetimes())
def test_moment__sorts_as_time_does(first: Any, second: Any) -> None:
    earlier, later = sorted((first, second))
    texts = [f"{time.isoformat(timespec='microseconds')}Z" for time in (earlier, later)]
    found = [TIME.read(Node(value=text, line=1, key="")) for text in texts]
    assert found == [moment(text) for text in texts] == sorted(found)
