from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.baseline import compared, gap, missing
from ecr_publish.findings import Finding, Package
from ecr_publish.scan import Gap, Unjudged
from tests.factories import make_finding, make_package, make_result, make_unjudged
from tests.unit.strategies import FINDINGS, OF_BASE, OWN

HERE = make_finding("CVE-1")


def known(finding: Finding, *baseline: Finding) -> bool | None:
    (only,) = compared([finding], baseline)
    assert only == replace(finding, known=only.known)
    return only.known


@pytest.mark.parametrize(
    "there",
    [
        HERE,
        # What is said of it, and which version, are no part of what it is.
        make_finding("CVE-1", "LOW", uri="", description="", aliases=("GHSA-1",)),
        make_finding("CVE-1", packages=(make_package(version="2", fixed_in="3"),)),
        make_finding("CVE-1", packages=(make_package(layer=OWN, layer_hash="sha256:a"),)),
        make_finding("CVE-1", platforms=("linux/arm64",)),
        make_finding("CVE-1", packages=(make_package(name="zlib"), make_package())),
    ],
)
def test_compared__same_vulnerability_in_the_same_package_is_known(there: Finding) -> None:
    assert known(HERE, there) is True
    assert known(HERE, make_finding("CVE-0"), there) is True


@pytest.mark.parametrize(
    "there",
    [
        make_finding("CVE-2"),
        make_finding("cve-1"),
        make_finding("CVE-1", packages=()),
        make_finding("CVE-1", packages=(make_package(name="openssl-libs"),)),
        make_finding("CVE-1", packages=(make_package(path="usr/lib/a.jar"),)),
        # An alias may be shared by several vulnerabilities.
        make_finding("GHSA-1", aliases=("CVE-1",)),
        # What Inspector does not count there is nothing that anybody had to live with.
        make_finding("CVE-1", suppressed=True),
    ],
)
def test_s1_compared__anything_else_is_new(there: Finding) -> None:
    assert known(HERE, there) is False
    assert known(HERE) is False


def test_s1_compared__every_package_has_to_be_there() -> None:
    zlib = make_package(name="zlib")
    both = make_finding("CVE-1", packages=(make_package(), zlib))
    assert known(both, HERE) is False
    assert known(both, both) is True
    # The parts may come from findings of several platforms.
    assert known(both, HERE, make_finding("CVE-1", packages=(zlib,))) is True
    assert known(both, HERE, make_finding("CVE-2", packages=(zlib,))) is False


def test_s1_compared__suppressed_part_of_the_baseline_excuses_no_part() -> None:
    zlib = make_package(name="zlib")
    both = make_finding("CVE-1", packages=(make_package(), zlib))
    hushed = make_finding("CVE-1", packages=(zlib,), suppressed=True)
    assert known(both, HERE, hushed) is False
    assert known(both, replace(both, suppressed=True)) is False
    # One that counts on another platform counts.
    assert known(both, HERE, hushed, replace(hushed, suppressed=False)) is True
    # What is suppressed in the image itself is compared like any other.
    assert known(replace(HERE, suppressed=True), HERE) is True


def test_s1_compared__vulnerability_without_a_name_is_no_known_one() -> None:
    nameless = make_finding("")
    assert known(nameless, nameless) is False


def test_compared__finding_without_packages_is_known_by_its_name() -> None:
    bare = make_finding("CVE-1", packages=())
    assert known(bare, bare) is True
    assert known(bare, make_finding("CVE-1", packages=(Package(),))) is True
    assert known(bare, HERE) is False


@given(st.lists(FINDINGS, max_size=6), st.lists(FINDINGS, max_size=6))
def test_s1_compared__changes_nothing_else_and_answers_for_each(
    own: list[Finding], there: list[Finding]
) -> None:
    found = compared(own, there)
    assert [replace(item, known=None) for item in found] == [
        replace(item, known=None) for item in own
    ]
    names = {item.name for item in there if not item.suppressed}
    assert all(item.known is False or item.name in names for item in found)
    assert all(item.known or item.suppressed for item in compared(own, own))


@given(st.lists(FINDINGS, max_size=4), st.lists(FINDINGS, max_size=4), FINDINGS)
def test_compared__larger_baseline_knows_no_less(
    own: list[Finding], there: list[Finding], more: Finding
) -> None:
    before, after = compared(own, there), compared(own, [more, *there])
    assert all(not one.known or other.known for one, other in zip(before, after, strict=True))


def test_gap__none_where_all_parts_of_the_baseline_were_judged() -> None:
    assert gap("latest", [make_result(), make_result(HERE)]) is None


def test_s2_gap__one_part_without_a_verdict_is_enough() -> None:
    late = make_unjudged(reason="the scan is running")
    odd = make_unjudged(Unjudged.UNSUPPORTED, "ECR cannot scan it")
    assert gap("latest", [make_result(), late, odd, late]) == Gap(
        kind=Unjudged.BASELINE,
        reason="the baseline latest: the scan is running; ECR cannot scan it",
    )


def test_missing__is_of_the_baseline() -> None:
    assert missing("why") == Gap(kind=Unjudged.BASELINE, reason="why")


def test_compared__layers_decide_nothing() -> None:
    mine = make_finding("CVE-1", packages=(make_package(layer=OF_BASE),))
    assert known(mine, make_finding("CVE-1", packages=(make_package(layer=OWN),))) is True
