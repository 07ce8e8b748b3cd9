"""The hosts of reference/ecr-behaviour.md 3.1, made and read again."""

import pytest

from ecr_publish.hosts import (
    PLAIN,
    Kind,
    alike,
    conflict,
    missing,
    partition,
    read,
    registry,
    taken_apart,
)

FIPS, DUAL, BOTH = Kind(fips=True), Kind(dual_stack=True), Kind(fips=True, dual_stack=True)
A = "123456789012"
AMERICA, GOV = "us-east-1, us-east-2, us-west-1, us-west-2", "us-gov-east-1, us-gov-west-1"

HOSTS = [
    ("eu-west-1", PLAIN, f"{A}.dkr.ecr.eu-west-1.amazonaws.com"),
    ("eu-west-1", DUAL, f"{A}.dkr-ecr.eu-west-1.on.aws"),
    ("us-east-1", PLAIN, f"{A}.dkr.ecr.us-east-1.amazonaws.com"),
    ("us-east-1", FIPS, f"{A}.dkr.ecr-fips.us-east-1.amazonaws.com"),
    ("us-east-1", DUAL, f"{A}.dkr-ecr.us-east-1.on.aws"),
    ("us-east-1", BOTH, f"{A}.dkr-ecr-fips.us-east-1.on.aws"),
    ("us-east-2", FIPS, f"{A}.dkr.ecr-fips.us-east-2.amazonaws.com"),
    ("us-west-1", FIPS, f"{A}.dkr.ecr-fips.us-west-1.amazonaws.com"),
    ("us-west-2", FIPS, f"{A}.dkr.ecr-fips.us-west-2.amazonaws.com"),
    ("us-gov-east-1", PLAIN, f"{A}.dkr.ecr.us-gov-east-1.amazonaws.com"),
    ("us-gov-east-1", FIPS, f"{A}.dkr.ecr-fips.us-gov-east-1.amazonaws.com"),
    ("us-gov-west-1", DUAL, f"{A}.dkr-ecr.us-gov-west-1.on.aws"),
    ("us-gov-west-1", BOTH, f"{A}.dkr-ecr-fips.us-gov-west-1.on.aws"),
    ("cn-north-1", PLAIN, f"{A}.dkr.ecr.cn-north-1.amazonaws.com.cn"),
    ("cn-northwest-1", DUAL, f"{A}.dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn"),
    ("eusc-de-east-1", PLAIN, f"{A}.dkr.ecr.eusc-de-east-1.amazonaws.eu"),
]
MISSING = [
    ("eu-central-1", FIPS, f"ECR has FIPS endpoints in {AMERICA}, but none in eu-central-1"),
    ("ca-central-1", BOTH, f"ECR has FIPS endpoints in {AMERICA}, but none in ca-central-1"),
    ("us-gov-north-1", FIPS, f"ECR has FIPS endpoints in {GOV}, but none in us-gov-north-1"),
    ("cn-north-1", FIPS, "ECR has no FIPS endpoints in the partition aws-cn"),
    ("eusc-de-east-1", FIPS, "ECR has no FIPS endpoints in the partition aws-eusc"),
    (
        "eusc-de-east-1",
        DUAL,
        "ECR is not known to have dual-stack endpoints in the partition aws-eusc",
    ),
]


@pytest.mark.parametrize(
    ("region", "name", "audience"),
    [
        ("eu-west-1", "aws", "sts.amazonaws.com"),
        ("us-east-1", "aws", "sts.amazonaws.com"),
        ("xy-new-1", "aws", "sts.amazonaws.com"),
        ("us-gov-west-1", "aws-us-gov", "sts.amazonaws.com"),
        ("cn-north-1", "aws-cn", "sts.amazonaws.com.cn"),
        ("eusc-de-east-1", "aws-eusc", "sts.amazonaws.com"),
    ],
)
def test_partition__of_a_region(region: str, name: str, audience: str) -> None:
    found = partition(region)
    assert (found.name, found.audience) == (name, audience)


@pytest.mark.parametrize("region", ["us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1"])
def test_partition__that_is_not_known(region: str) -> None:
    with pytest.raises(ValueError, match="known here: aws, aws-us-gov, aws-cn, aws-eusc"):
        partition(region)


@pytest.mark.parametrize(("region", "kind", "host"), HOSTS)
def test_registry__host(region: str, kind: Kind, host: str) -> None:
    assert registry(A, region, kind) == host
    assert missing(region, kind) == ""


@pytest.mark.parametrize(("region", "kind", "host"), HOSTS)
def test_read__what_was_made(region: str, kind: Kind, host: str) -> None:
    found = read(host)
    assert found
    assert (found.account, found.region, found.kind) == (A, region, kind)


@pytest.mark.parametrize(("region", "kind", "problem"), MISSING)
def test_registry__that_does_not_exist(region: str, kind: Kind, problem: str) -> None:
    assert missing(region, kind) == problem
    with pytest.raises(ValueError, match=problem):
        registry(A, region, kind)


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        (
            f"{A}.dkr.ecr-fips.eu-west-1.amazonaws.com",
            (
                f"'{A}.dkr.ecr-fips.eu-west-1.amazonaws.com' is no registry's host: ECR has "
                f"FIPS endpoints in {AMERICA}, but none in eu-west-1; "
                f"take {A}.dkr.ecr.eu-west-1.amazonaws.com"
            ),
        ),
        (
            f"{A}.dkr-ecr.eusc-de-east-1.on.aws",
            (
                f"'{A}.dkr-ecr.eusc-de-east-1.on.aws' is no registry's host: ECR "
                "is not known to have dual-stack endpoints in the partition aws-eusc; "
                f"take {A}.dkr.ecr.eusc-de-east-1.amazonaws.eu"
            ),
        ),
        (
            f"{A}.dkr.ecr.cn-north-1.amazonaws.com",
            (
                f"'{A}.dkr.ecr.cn-north-1.amazonaws.com' is no registry's host: in cn-north-1 it "
                f"is {A}.dkr.ecr.cn-north-1.amazonaws.com.cn"
            ),
        ),
        (
            f"{A}.dkr-ecr.eu-west-1.amazonaws.com",
            (
                f"'{A}.dkr-ecr.eu-west-1.amazonaws.com' is no registry's host: in eu-west-1 it is "
                f"{A}.dkr-ecr.eu-west-1.on.aws"
            ),
        ),
    ],
)
def test_read__host_that_does_not_exist(host: str, problem: str) -> None:
    with pytest.raises(ValueError, match="is no registry's host") as caught:
        read(host)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    "text",
    ["", A, "docker.io", "public.ecr.aws", f"{A}.dkr.ecr", "127.0.0.1:5000", f"x{A}.dkr.ecr"],
)
def test_read__what_is_no_host_of_ecr(text: str) -> None:
    assert read(text) is None


def test_taken_apart__a_host_that_may_come_to_be() -> None:
    found = taken_apart(f"{A}.dkr-ecr-fips.eu-west-1.on.aws")
    assert found
    assert (found.account, found.region, found.kind) == (A, "eu-west-1", BOTH)


def test_alike__the_same_registry_by_other_endpoints() -> None:
    plain = f"{A}.dkr.ecr.us-east-1.amazonaws.com"
    assert alike(plain, PLAIN) == plain
    assert alike(plain, FIPS) == f"{A}.dkr.ecr-fips.us-east-1.amazonaws.com"
    assert alike(plain, BOTH) == f"{A}.dkr-ecr-fips.us-east-1.on.aws"


def test_alike__what_is_not_ecr_s_stays() -> None:
    assert alike("127.0.0.1:5000", BOTH) == "127.0.0.1:5000"


def test_alike__what_ecr_says_itself_is_not_doubted() -> None:
    unheard_of = f"{A}.dkr.ecr.mars-north-1.amazonaws.mars"
    assert alike(unheard_of, PLAIN) == unheard_of


@pytest.mark.parametrize(
    ("region", "kind", "host"),
    [
        ("eu-west-1", PLAIN, None),
        ("eu-west-1", DUAL, None),
        ("us-east-1", FIPS, None),
        ("us-east-1", FIPS, f"{A}.dkr.ecr-fips.us-east-1.amazonaws.com"),
        ("us-east-1", BOTH, f"{A}.dkr.ecr-fips.us-east-1.amazonaws.com"),
        # Whoever names a host is taken at the word; only FIPS may be a duty.
        ("eu-west-1", DUAL, f"{A}.dkr.ecr.eu-west-1.amazonaws.com"),
    ],
)
def test_conflict__none(region: str, kind: Kind, host: str | None) -> None:
    assert conflict(region, kind, host) == ""


def test_conflict__fips_where_there_is_none() -> None:
    assert conflict("eu-west-1", FIPS, None) == (
        f"AWS_USE_FIPS_ENDPOINT: is true. ECR has FIPS endpoints in {AMERICA}, but none in "
        "eu-west-1; set it to false in the step's `env:`, or take another aws-region"
    )


def test_conflict__dual_stack_where_none_is_known() -> None:
    said = conflict("eusc-de-east-1", DUAL, None)
    assert said.startswith("AWS_USE_DUALSTACK_ENDPOINT: is true. ECR is not known to have dual-")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (f"{A}.dkr.ecr.us-east-1.amazonaws.com", f"{A}.dkr.ecr-fips.us-east-1.amazonaws.com"),
        (f"{A}.dkr-ecr.us-east-1.on.aws", f"{A}.dkr-ecr-fips.us-east-1.on.aws"),
    ],
)
def test_conflict__host_that_is_not_fips_where_fips_is_asked_for(host: str, expected: str) -> None:
    assert conflict("us-east-1", FIPS, host) == (
        f"registry: {host} is no FIPS endpoint, but AWS_USE_FIPS_ENDPOINT is true; give "
        f"{expected}, or only the account ({A})"
    )
