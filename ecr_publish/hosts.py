"""Where Amazon ECR answers: partitions, the hosts of its registries, and which of them exist.

reference/ecr-behaviour.md section 3.1. The regions with FIPS: "Amazon ECR endpoints and quotas" in
the AWS General Reference, as in botocore's list; but botocore makes up a name for all others too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A part of AWS with accounts, names and hosts of its own.

    `suffix` ends its registries' hosts, `dual_stack` those for IPv6 too, empty where none is known;
    `audience` is what GitHub's token is for, unless the user says otherwise.
    """

    name: str
    suffix: str
    dual_stack: str = ""
    audience: str = "sts.amazonaws.com"
    fips_regions: tuple[str, ...] = ()


AWS = Partition(
    name="aws",
    suffix="amazonaws.com",
    dual_stack="on.aws",
    fips_regions=("us-east-1", "us-east-2", "us-west-1", "us-west-2"),
)
_OTHERS = {
    "us-gov-": Partition(
        name="aws-us-gov",
        suffix="amazonaws.com",
        dual_stack="on.aws",
        fips_regions=("us-gov-east-1", "us-gov-west-1"),
    ),
    "cn-": Partition(
        name="aws-cn",
        suffix="amazonaws.com.cn",
        dual_stack="on.amazonwebservices.com.cn",
        audience="sts.amazonaws.com.cn",
    ),
    "eusc-": Partition(name="aws-eusc", suffix="amazonaws.eu"),
}
_SUFFIXES = {
    suffix for it in (AWS, *_OTHERS.values()) for suffix in (it.suffix, it.dual_stack) if suffix
}
_HOST = re.compile(
    r"(?P<account>[0-9]{12})\.dkr(?P<joint>[.-])ecr(?P<fips>-fips)?\.(?P<region>[a-z0-9-]+)"
    rf"\.(?:{'|'.join(map(re.escape, sorted(_SUFFIXES)))})"
)
_UNKNOWN = ("us-iso", "eu-iso")
"""Regions of partitions of which nothing here is known."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Which of ECR's endpoints: those by FIPS 140, those with IPv6 too, both or neither."""

    fips: bool = False
    dual_stack: bool = False

    def __or__(self, other: Kind) -> Kind:
        return Kind(fips=self.fips or other.fips, dual_stack=self.dual_stack or other.dual_stack)


PLAIN = Kind()


@dataclass(frozen=True, kw_only=True)
class Host:
    """The host of a private registry, taken apart."""

    account: str
    region: str
    kind: Kind


def partition(region: str) -> Partition:
    """The partition that a region is in; raises ValueError where that is none of those known."""
    if region.startswith(_UNKNOWN):
        names = ", ".join((AWS.name, *(other.name for other in _OTHERS.values())))
        raise ValueError(f"{region!r} is in none of the partitions that are known here: {names}")
    found = (other for prefix, other in _OTHERS.items() if region.startswith(prefix))
    return next(found, AWS)


def missing(region: str, kind: Kind) -> str:
    """Why ECR has no endpoints of this kind in a region; empty where it has them."""
    there = partition(region)
    if kind.fips and not there.fips_regions:
        return f"ECR has no FIPS endpoints in the partition {there.name}"
    if kind.fips and region not in there.fips_regions:
        return f"ECR has FIPS endpoints in {', '.join(there.fips_regions)}, but none in {region}"
    if kind.dual_stack and not there.dual_stack:
        return f"ECR is not known to have dual-stack endpoints in the partition {there.name}"
    return ""


def registry(account: str, region: str, kind: Kind = PLAIN) -> str:
    """The host of an account's registry; raises ValueError where there is none of this kind."""
    if problem := missing(region, kind):
        raise ValueError(problem)
    there, fips = partition(region), "-fips" if kind.fips else ""
    if kind.dual_stack:
        return f"{account}.dkr-ecr{fips}.{region}.{there.dual_stack}"
    return f"{account}.dkr.ecr{fips}.{region}.{there.suffix}"


def taken_apart(text: str) -> Host | None:
    """What a host of ECR says, whether it exists or not; None where it is none of ECR."""
    match = _HOST.fullmatch(text)
    if match is None:
        return None
    kind = Kind(fips=bool(match["fips"]), dual_stack=match["joint"] == "-")
    return Host(account=match["account"], region=match["region"], kind=kind)


def read(text: str) -> Host | None:
    """The host of a private registry; None where it is none of ECR.

    Raises ValueError for one that cannot exist.
    """
    host = taken_apart(text)
    if host is None:
        return None
    if problem := missing(host.region, host.kind):
        plain = registry(host.account, host.region)
        raise ValueError(f"{text!r} is no registry's host: {problem}; take {plain}")
    if (named := registry(host.account, host.region, host.kind)) != text:
        raise ValueError(f"{text!r} is no registry's host: in {host.region} it is {named}")
    return host


def alike(host: str, kind: Kind) -> str:
    """The host of the same registry of this kind; one that is not ECR's stays as it is."""
    found = None if kind == PLAIN else read(host)
    return registry(found.account, found.region, kind) if found else host


def conflict(region: str, kind: Kind, host: str | None) -> str:
    """What the endpoints that the job's own AWS settings ask for forbid; empty where nothing.

    Args:
        region: The run's region.
        kind: What the AWS SDK uses by those settings and by the host.
        host: The registry's, where the user names one.
    """
    variable = "AWS_USE_FIPS_ENDPOINT" if kind.fips else "AWS_USE_DUALSTACK_ENDPOINT"
    if problem := missing(region, kind):
        return (
            f"{variable}: is true. {problem}; set it to false in the step's `env:`, or take "
            "another aws-region"
        )
    named = read(host) if host else None
    if host and named and kind.fips and not named.kind.fips:
        return (
            f"registry: {host} is no FIPS endpoint, but AWS_USE_FIPS_ENDPOINT is true; give "
            f"{alike(host, named.kind | kind)}, or only the account ({named.account})"
        )
    return ""
