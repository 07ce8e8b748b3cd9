"""An ignore accepts what it names and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from itertools import permutations
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish import ignores as ignores_module
from ecr_publish.findings import NO_PLATFORM, Finding, Package, merge
from ecr_publish.ignores import Ignore, Ignores
from tests.factories import DAY, make_finding, make_ignore, make_package

CVE = "CVE-2024-0001"
SSL = make_package(name="openssl", version="3.0.1-r0", path="usr/lib/libssl.so.3")
XML = make_package(name="libxml2", version="2.9.14", path="usr/lib/libxml2.so.2")
AMD, ARM = "linux/amd64", "linux/arm64"


def ignored(finding: Finding, *ignores: Ignore) -> bool:
    return bool(Ignores(ignores, DAY).of(finding))


# Names ----------------------------------------------------------------------------------------


def test_of__nothing_is_ignored_by_nothing() -> None:
    assert Ignores((), DAY).of(make_finding()) == ()


def test_of__gives_the_ignores_that_accept() -> None:
    ignore = make_ignore(CVE)
    assert Ignores([make_ignore("CVE-2024-0002"), ignore], DAY).of(make_finding(CVE)) == (ignore,)


@pytest.mark.parametrize(
    "other",
    ["CVE-2024-000", "CVE-2024-00011", "CVE-2024", "CVE", "cve-2024-0001", "2024-0001", ".*", "*"],
)
def test_peers__an_id_is_never_a_substring_or_a_pattern(other: str) -> None:
    assert not ignored(make_finding(CVE), make_ignore(other))
    assert not ignored(make_finding(other), make_ignore(CVE))


def test_peers__a_package_that_stands_there_twice_is_ignored_once_it_is_named() -> None:
    twice = make_finding(CVE, packages=(SSL, SSL))
    assert ignored(twice, make_ignore(CVE, package="openssl"))
    older = make_package(name="openssl", version="1.1.1")
    both = make_finding(CVE, packages=(SSL, older))
    assert not ignored(both, make_ignore(CVE, package="openssl", version="3.0.1-r0"))
    assert ignored(
        both,
        make_ignore(CVE, package="openssl", version="3.0.1-r0"),
        make_ignore(CVE, package="openssl", version="1.1.1"),
    )


@pytest.mark.parametrize(
    ("aliases", "named", "expected"),
    [
        (("GHSA-aaaa",), "GHSA-aaaa", True),
        (("GHSA-aaaa",), CVE, True),
        (("GHSA-aaaa",), "GHSA-aaa", False),
        (("GHSA-aaaa", "ALAS-2024-1"), "ALAS-2024-1", True),
        (("GHSA-aaaa", "GHSA-aaaa"), "GHSA-aaaa", True),
        ((CVE,), CVE, True),
        # Several names of one kind are several vulnerabilities.
        (("GHSA-aaaa", "GHSA-bbbb"), "GHSA-aaaa", False),
        (("GHSA-aaaa", "GHSA-bbbb"), CVE, True),
        (("CVE-2024-0002",), "CVE-2024-0002", False),
        (("CVE-2024-0002",), CVE, True),
    ],
)
def test_s1_of__alias_counts_where_it_names_one_vulnerability(
    aliases: tuple[str, ...], named: str, *, expected: bool
) -> None:
    assert ignored(make_finding(CVE, aliases=aliases), make_ignore(named)) is expected


def test_s1_of__advisory_for_two_is_not_hidden_by_an_ignore_of_one() -> None:
    advisory = make_finding("ALAS-2024-1", aliases=("CVE-2024-0001", "CVE-2024-0002"))
    assert not ignored(advisory, make_ignore("CVE-2024-0001"))
    assert not ignored(advisory, make_ignore("CVE-2024-0001"), make_ignore("CVE-2024-0002"))
    assert ignored(advisory, make_ignore("ALAS-2024-1"))


# Scope ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({}, True),
        ({"package": "openssl"}, True),
        ({"package": "openss"}, False),
        ({"package": "OpenSSL"}, False),
        ({"version": "3.0.1-r0"}, True),
        ({"version": "3.0.1"}, False),
        ({"path": "usr/lib/libssl.so.3"}, True),
        ({"path": "usr/lib/*"}, True),
        ({"path": "usr/*"}, False),
        ({"platform": AMD}, True),
        ({"platform": ARM}, False),
        ({"platform": "linux"}, False),
        ({"package": "openssl", "version": "3.0.1-r0", "path": "**", "platform": AMD}, True),
        ({"package": "openssl", "version": "3.0.1-r0", "path": "**", "platform": ARM}, False),
        ({"package": "libxml2", "version": "3.0.1-r0"}, False),
    ],
)
def test_of__every_part_of_the_scope_has_to_fit(scope: dict[str, str], *, expected: bool) -> None:
    finding = make_finding(CVE, packages=(SSL,), platforms=(AMD,))
    assert ignored(finding, make_ignore(CVE, **scope)) is expected


@pytest.mark.parametrize(
    "scope",
    [
        *({"package": "a"}, {"version": "1"}, {"path": "a"}),
        *({"path": pattern} for pattern in ("*", "**", "**/*", "**/", "***")),
    ],
)
def test_s1_of__finding_without_a_package_is_in_no_package(scope: dict[str, str]) -> None:
    assert not ignored(make_finding(CVE, packages=()), make_ignore(CVE, **scope))
    assert ignored(make_finding(CVE, packages=()), make_ignore(CVE))


def test_s1_of__image_of_an_unnamed_platform_is_of_no_platform() -> None:
    assert not ignored(make_finding(CVE), make_ignore(CVE, platform=AMD))


@pytest.mark.parametrize("order", [(AMD, NO_PLATFORM), (NO_PLATFORM, AMD)])
def test_s1_of__image_of_an_index_without_a_platform_needs_an_ignore_for_any(
    order: tuple[str, str],
) -> None:
    (finding,) = merge(
        ("" if platform == NO_PLATFORM else platform, make_finding(CVE)) for platform in order
    )
    assert finding.platforms == order
    assert not ignored(finding, make_ignore(CVE, platform=AMD))
    assert not ignored(finding, make_ignore(CVE, platform=AMD), make_ignore(CVE, platform=ARM))
    assert ignored(finding, make_ignore(CVE))


def test_s1_of__finding_in_two_packages_needs_both() -> None:
    finding = make_finding(CVE, packages=(SSL, XML))
    ssl, xml = make_ignore(CVE, package="openssl"), make_ignore(CVE, package="libxml2")
    assert not ignored(finding, ssl)
    assert not ignored(finding, xml)
    assert Ignores((ssl, xml), DAY).of(finding) == (ssl, xml)


def test_of__names_the_ignore_of_the_package_before_one_for_any_package() -> None:
    wide, narrow = make_ignore(CVE), make_ignore(CVE, package="openssl")
    finding = make_finding(CVE, packages=(SSL, XML))
    for order in permutations([wide, narrow]):
        assert Ignores(order, DAY).of(finding) == (narrow, wide)


def test_of__asks_again_and_answers_the_same() -> None:
    """What fits is found once; whether it still counts depends on the finding's fix."""
    ignores = Ignores([make_ignore(CVE, until_fixed=True), make_ignore("CVE-2024-0002")], DAY)
    open_, fixed = make_finding(CVE, fixable=False), make_finding(CVE, fixable=True)
    for _ in range(2):
        assert [bool(ignores.of(finding)) for finding in (open_, fixed)] == [True, False]
        assert len(ignores.fixed([open_, fixed])) == 1
        assert [ignore.id for ignore in ignores.stale([open_])] == ["CVE-2024-0002"]


def test_s1_of__finding_on_two_platforms_needs_both() -> None:
    finding = make_finding(CVE, platforms=(AMD, ARM))
    amd, arm = make_ignore(CVE, platform=AMD), make_ignore(CVE, platform=ARM)
    assert not ignored(finding, amd)
    assert not ignored(finding, arm)
    assert Ignores((amd, arm), DAY).of(finding) == (amd, arm)


def test_s1_of__each_package_is_needed_on_each_platform() -> None:
    finding = make_finding(CVE, packages=(SSL, XML), platforms=(AMD, ARM))
    four = [
        make_ignore(CVE, package=package.name, platform=platform)
        for package in (SSL, XML)
        for platform in (AMD, ARM)
    ]
    assert ignored(finding, *four)
    for left in range(4):
        assert not ignored(finding, *(four[:left] + four[left + 1 :]))


# Paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("a/b.jar", "a/b.jar", True),
        ("a/b.jar", "a/b_jar", False),
        ("a/b.jar", "/a/b.jar", False),
        ("a/b.jar", "a/b.jar/c", False),
        ("a/*.jar", "a/b.jar", True),
        ("a/*.jar", "a/.jar", True),
        ("a/*.jar", "a/b/c.jar", False),
        ("*", "a", True),
        ("*", "a/b", False),
        ("*/*", "a/b", True),
        ("a*c*e", "abcde", True),
        ("a*c*e", "abde", False),
        ("a*c", "abcbc", True),
        ("**", "a/b/c", True),
        ("a/**", "a/b/c", True),
        ("a/**", "ab/c", False),
        ("**/c", "a/b/c", True),
        ("**/c", "c", True),
        ("**/c", "a/bc", False),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/b/b/c", True),
        ("a/**/c", "a/bc", False),
        ("a/**/**/c", "a/c", True),
        ("a/**c", "a/b/bc", True),
        ("a**/c", "a/c", True),
        ("a**/c", "ab/b/c", True),
        # `**/` is no folder at all only where a folder could begin.
        ("a**/c", "ac", False),
        ("a?c", "abc", False),
        ("a?c", "a?c", True),
        ("a[b]c", "abc", False),
        ("a[b]c", "a[b]c", True),
        ("a.c", "abc", False),
        ("(a|b)", "a", False),
        ("***", "a/b", True),
    ],
)
def test_path__follows_the_pattern(pattern: str, path: str, *, expected: bool) -> None:
    finding = make_finding(CVE, packages=(make_package(path=path),))
    assert ignored(finding, make_ignore(CVE, path=pattern)) is expected


@pytest.mark.parametrize("pattern", ["*", "**", "**/", "**/*", "***", "**/**", "a"])
def test_s1_path__pattern_never_fits_where_no_path_is_known(pattern: str) -> None:
    finding = make_finding(CVE, packages=(make_package(path=""),))
    assert not ignored(finding, make_ignore(CVE, path=pattern))
    assert ignored(finding, make_ignore(CVE))


def simple(pattern: str) -> re.Pattern[str]:
    """Python's own engine for the same pattern; it may take for ever, so only for short ones."""
    parts = re.split(r"((?:^|(?<=/))\*\*/|\*\*|\*)", pattern)
    known = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*"}
    return re.compile("".join(known.get(part) or re.escape(part) for part in parts))


@given(st.text("ab/*", max_size=7), st.text("ab/", max_size=7))
def test_path__as_a_regular_expression_would(pattern: str, path: str) -> None:
    ignore = make_ignore(CVE, path=pattern)
    expected = not pattern or bool(path and simple(pattern).fullmatch(path))
    assert ignore.names(Package(path=path), "") is expected


def test_path__pattern_with_many_wildcards_ends() -> None:
    finding = make_finding(CVE, packages=(make_package(path="a/" * 2000),))
    assert not ignored(finding, make_ignore(CVE, path="**/a*" * 20 + "b"))


# Time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "expected"), [(-1, False), (0, True), (1, True)])
def test_until__is_the_last_day(days: int, *, expected: bool) -> None:
    ignore = make_ignore(CVE, until=DAY + timedelta(days=days))
    assert ignore.expired(DAY) is not expected
    assert ignored(make_finding(CVE), ignore) is expected


def test_until__expired_ones_are_named_and_are_not_stale() -> None:
    over = make_ignore("CVE-1", until=date(2026, 7, 31))
    ignores = Ignores([over, make_ignore("CVE-2")], DAY)
    assert ignores.expired == (over,)
    assert ignores.stale(()) == (make_ignore("CVE-2"),)


def test_until__expired_one_does_not_stand_in_the_way_of_another() -> None:
    over, current = make_ignore(CVE, until=date(2026, 7, 31)), make_ignore(CVE)
    assert Ignores([over, current], DAY).of(make_finding(CVE)) == (current,)


@pytest.mark.parametrize(("fixable", "expected"), [(False, True), (True, False), (None, False)])
def test_s1_until_fixed__counts_only_while_ecr_denies_a_fix(
    fixable: bool | None,  # noqa: FBT001
    *,
    expected: bool,
) -> None:
    finding = make_finding(CVE, fixable=fixable)
    ignore = make_ignore(CVE, until_fixed=True)
    assert ignored(finding, ignore) is expected
    assert bool(Ignores([ignore], DAY).fixed([finding])) is not expected
    assert Ignores([ignore], DAY).stale([finding]) == ()


def test_fixed__names_an_ignore_once_and_no_other() -> None:
    ignore, plain = make_ignore(CVE, until_fixed=True), make_ignore(CVE)
    elsewhere = make_ignore(CVE, until_fixed=True, package="libxml2")
    ignores = Ignores([plain, ignore, elsewhere], DAY)
    assert ignores.fixed([make_finding(CVE), make_finding(CVE, fixable=True)]) == (ignore,)
    assert ignores.fixed([make_finding("CVE-2024-0002")]) == ()


# Stale ----------------------------------------------------------------------------------------


def test_stale__nothing_was_found_for_it() -> None:
    used, unused = make_ignore(CVE), make_ignore("CVE-2024-0002")
    elsewhere = make_ignore(CVE, package="libxml2")
    assert Ignores([used, unused, elsewhere], DAY).stale([make_finding(CVE)]) == (unused, elsewhere)


def test_stale__not_where_it_was_found_and_is_not_enough() -> None:
    ignore = make_ignore(CVE, package="openssl")
    ignores = Ignores([ignore], DAY)
    finding = make_finding(CVE, packages=(SSL, XML))
    assert ignores.of(finding) == ()
    assert ignores.stale([finding]) == ()


def test_stale__two_on_one_line_are_told_apart() -> None:
    used, unused = make_ignore(CVE), make_ignore("CVE-2024-0002")
    assert used.place == unused.place
    assert Ignores([used, unused], DAY).stale([make_finding(CVE)]) == (unused,)


def test_stale__order_decides_nothing() -> None:
    narrow, wide = make_ignore(CVE, package="openssl"), make_ignore(CVE)
    found = [make_finding(CVE, packages=(SSL,)), make_finding(CVE, packages=(XML,))]
    for order in permutations([narrow, wide]):
        assert Ignores(order, DAY).stale(found) == ()
        assert Ignores(order, DAY).stale(found[:1]) == ()
        assert Ignores(order, DAY).stale(found[1:]) == (narrow,)


# Properties -----------------------------------------------------------------------------------

NAMES = st.sampled_from(["CVE-1", "CVE-2", "GHSA-1", "GHSA-2"])
PACKAGES = st.builds(
    make_package,
    name=st.sampled_from(["a", "b"]),
    version=st.sampled_from(["1", "2"]),
    path=st.sampled_from(["", "x/y"]),
)
FINDINGS = st.builds(
    make_finding,
    NAMES,
    aliases=st.lists(NAMES, max_size=2).map(tuple),
    packages=st.lists(PACKAGES, max_size=3).map(tuple),
    platforms=st.lists(st.sampled_from([AMD, ARM]), max_size=2, unique=True).map(tuple),
    fixable=st.sampled_from([True, False, None]),
)
IGNORES = st.builds(
    make_ignore,
    NAMES,
    package=st.sampled_from(["", "", "a", "b"]),
    version=st.sampled_from(["", "", "1", "2"]),
    path=st.sampled_from(["", "", "x/*", "**"]),
    platform=st.sampled_from(["", "", AMD, ARM]),
    until=st.sampled_from([None, DAY, DAY - timedelta(days=1)]),
    until_fixed=st.booleans(),
)
LISTS = st.lists(IGNORES, max_size=5)


@given(FINDINGS, LISTS)
def test_s1_of__every_part_is_accepted_by_an_ignore_that_names_it(
    finding: Finding, ignores: list[Ignore]
) -> None:
    accepted = Ignores(ignores, DAY).of(finding)
    for ignore in accepted:
        assert ignore.id in (finding.name, *finding.aliases)
        assert not ignore.expired(DAY)
        assert finding.fixable is False or not ignore.until_fixed
    for package in finding.packages if accepted else ():
        for platform in finding.platforms or ("",):
            assert any(ignore.names(package, platform) for ignore in accepted)


@given(FINDINGS, LISTS, st.data())
def test_of__order_decides_nothing(
    finding: Finding, ignores: list[Ignore], data: st.DataObject
) -> None:
    one, other = Ignores(ignores, DAY), Ignores(data.draw(st.permutations(ignores)), DAY)
    assert bool(one.of(finding)) is bool(other.of(finding))
    assert set(one.stale([finding])) == set(other.stale([finding]))
    assert set(one.fixed([finding])) == set(other.fixed([finding]))


@given(FINDINGS, LISTS, IGNORES)
def test_of__one_more_ignore_never_hides_less(
    finding: Finding, ignores: list[Ignore], more: Ignore
) -> None:
    if ignored(finding, *ignores):
        assert ignored(finding, *ignores, more)


@given(st.lists(FINDINGS, max_size=4), LISTS)
def test_stale__is_never_one_that_accepts(findings: list[Finding], ignores: list[Ignore]) -> None:
    known = Ignores(ignores, DAY)
    accepting = {ignore for finding in findings for ignore in known.of(finding)}
    assert not accepting & set(known.stale(findings))
    assert not set(known.expired) & {*accepting, *known.stale(findings)}


# Work -----------------------------------------------------------------------------------------


class Count:
    """How often an ignore is compared with a part of a finding, and a path is gone through."""

    def __init__(self) -> None:
        self.compared = self.walked = 0


@contextmanager
def counted() -> Iterator[Count]:
    count, names, after = Count(), Ignore.names, ignores_module._after

    def comparing(self: Ignore, *part: Any) -> bool:
        count.compared += 1
        return names(self, *part)

    def walking(*given: Any) -> list[bool]:
        count.walked += 1
        return after(*given)

    with patch.object(Ignore, "names", comparing), patch.object(ignores_module, "_after", walking):
        yield count


def many(ids: int, number: int) -> list[Finding]:
    """Findings of these vulnerabilities in turn, each in a package of its own."""
    return [
        make_finding(
            f"CVE-{place % ids}",
            packages=(make_package(name=f"p{place}", path=f"app/p{place}/package.json"),),
        )
        for place in range(number)
    ]


def work(found: list[Finding], ignores: list[Ignore]) -> Count:
    """All that the gate asks of the ignores, of which each fits one finding."""
    with counted() as count:
        known = Ignores(ignores, DAY)
        assert sum(bool(known.of(finding)) for finding in found) == min(len(found), len(ignores))
        assert len(known.stale(found)) == max(0, len(ignores) - len(found))
        assert known.fixed(found) == ()
    return count


@pytest.mark.parametrize(("findings", "ignores"), [(1000, 50), (1000, 500), (10_000, 500)])
def test_of__work_grows_with_what_fits_and_not_with_the_product(
    findings: int, ignores: int
) -> None:
    by_id = [make_ignore(f"CVE-{place}") for place in range(ignores)]
    assert work(many(findings, findings), by_id).compared == ignores


def test_of__finding_without_a_package_is_compared_once() -> None:
    assert work([make_finding(CVE, packages=())], [make_ignore(CVE)]).compared == 1


@pytest.mark.parametrize(("findings", "ignores"), [(1000, 500), (10_000, 50), (10_000, 500)])
def test_of__one_vulnerability_in_many_packages_is_looked_up_by_package(
    findings: int, ignores: int
) -> None:
    by_package = [make_ignore("CVE-0", package=f"p{place}") for place in range(ignores)]
    assert work(many(1, findings), by_package).compared == ignores


@pytest.mark.parametrize(("ids", "findings"), [(100, 1000), (1, 100)])
@pytest.mark.parametrize("pattern", ["**/p{}/package.json", "app/p{}/**", "**/p{}/**"])
def test_of__paths_are_compared_once_and_only_gone_through_where_both_ends_fit(
    ids: int, findings: int, pattern: str
) -> None:
    by_path = [
        make_ignore(f"CVE-{place % ids}", path=pattern.format(place)) for place in range(500)
    ]
    count = work(many(ids, findings), by_path)
    assert count.compared == findings * 500 // ids
    assert count.walked <= min(findings, 500) * 3
