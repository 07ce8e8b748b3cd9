from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.findings import Finding, Layer, Package
from ecr_publish.report.remedies import MOST_UPDATES, remedies
from tests.factories import make_finding, make_judgement, make_package

BASE = Layer(number=1, from_base=True)
OWN = Layer(number=5, from_base=False)


def of(*findings: Finding) -> list[str]:
    return remedies([make_judgement(finding) for finding in findings])


def found(*packages: Package) -> Finding:
    return make_finding(packages=packages)


def fixed(name: str = "openssl", by: str = "3.0.2", layer: Layer | None = None) -> Finding:
    return found(make_package(name=name, version="1", fixed_in=by, layer=layer))


def test_remedies__of_nothing() -> None:
    assert of() == []


def test_remedies__where_nothing_is_fixed() -> None:
    assert of(make_finding(), make_finding(packages=())) == []


def test_remedies__count_what_an_update_fixes_of_all_that_refuse() -> None:
    assert of(fixed(), make_finding(), fixed()) == [
        "Update openssl 1 (fixed in 3.0.2): fixes 2 of 3"
    ]


def test_remedies__finding_of_which_one_package_has_no_fix_is_not_fixed() -> None:
    first, other = make_package(fixed_in="3.0.2"), make_package(name="zlib")
    assert of(found(first, other)) == []


def test_remedies__finding_in_several_packages_takes_all_of_them() -> None:
    pair = make_package(fixed_in="3.0.2"), make_package(name="libcrypto3", fixed_in="3.0.3")
    # The update of one alone fixes only what is in that one alone.
    assert of(found(*pair), found(pair[0])) == [
        "Update openssl 3.0.1-r0, libcrypto3 3.0.1-r0 (fixed in 3.0.2, 3.0.3): fixes 1 of 2",
        "Update openssl 3.0.1-r0 (fixed in 3.0.2): fixes 1 of 2",
    ]


@pytest.mark.parametrize(
    ("versions", "named"),
    [
        (["2", "2"], "2"),
        (["2", "3", "2"], "2, 3"),
        (["4", "3", "2"], "4, 3, 2"),
        (["4", "3", "2", "1"], "4, 3, 2, …"),
    ],
)
def test_remedies__several_versions(versions: list[str], named: str) -> None:
    number = len(versions)
    assert of(*(fixed(by=version) for version in versions)) == [
        f"Update openssl 1 (fixed in {named}): fixes {number} of {number}"
    ]


def test_remedies__base_image_is_one_update_for_all_that_it_brought() -> None:
    assert of(fixed("curl", layer=BASE), fixed("zlib", layer=BASE), fixed("flask", layer=OWN)) == [
        "Update the base image: fixes 2 of 3",
        "Update flask 1 (fixed in 3.0.2): fixes 1 of 3",
    ]


def test_remedies__what_base_image_and_own_layers_brought_takes_its_own_update() -> None:
    pair = (
        make_package(name="curl", fixed_in="9", layer=BASE),
        make_package(name="curl", fixed_in="9", layer=OWN),
    )
    assert of(found(*pair)) == ["Update curl 3.0.1-r0 (fixed in 9): fixes 1 of 1"]


def test_remedies__base_image_without_a_fix_is_not_to_be_updated() -> None:
    assert of(found(make_package(layer=BASE))) == []


def test_remedies__the_best_come_first_and_equals_as_they_were_found() -> None:
    findings = [fixed("a"), fixed("b"), fixed("c"), fixed("b")]
    assert [text.split()[1] for text in of(*findings)] == ["b", "a", "c"]


def test_remedies__no_more_than_can_be_read() -> None:
    names = [f"p{number}" for number in range(20)]
    told = of(*(fixed(name) for name in names))
    assert len(told) == MOST_UPDATES
    assert all(text.endswith("fixes 1 of 20") for text in told)


def test_remedies__package_without_a_name() -> None:
    nameless = found(Package(fixed_in="2"))
    assert of(nameless) == ["Update (no name) (fixed in 2): fixes 1 of 1"]


PACKAGES = st.builds(
    Package,
    name=st.sampled_from(["a", "b", "c"]),
    version=st.just("1"),
    fixed_in=st.sampled_from(["", "2", "3"]),
    layer=st.sampled_from([None, BASE, OWN]),
)
FINDINGS = st.lists(
    st.lists(PACKAGES, max_size=3).map(lambda packages: found(*packages)), max_size=20
)


@given(FINDINGS)
def test_remedies__no_finding_is_counted_twice_and_none_that_has_no_fix(
    findings: Sequence[Finding],
) -> None:
    told = of(*findings)
    counts = [int(text.rpartition("fixes ")[2].partition(" of ")[0]) for text in told]
    fixable = [
        item for item in findings if item.packages and all(it.fixed_in for it in item.packages)
    ]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) <= len(fixable)
    assert len(told) == MOST_UPDATES or sum(counts) == len(fixable)
    assert all(text.endswith(f" of {len(findings)}") for text in told)
