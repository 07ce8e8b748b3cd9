"""Which IAM actions a run needs, and on what: one table, and the policies that are made of it.

Actions and what they are granted on: AWS's Service Authorization Reference for Amazon ECR, Amazon
Inspector and AWS Signer. Which of them each room calls is said by edges/registry.py, and by docker:
reference/ecr-behaviour.md section 3.2.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from ecr_publish import exploits, hosts
from ecr_publish.bake import TARGET
from ecr_publish.plan import Build, Existing, LocalImage, Merge, Plan
from ecr_publish.reference import ImageReference, Repository
from ecr_publish.scanning import ScanType

MOST_CHARACTERS = 2048
"""Of a session's own policy (STS API reference, AssumeRoleWithWebIdentity, Policy)."""
_LOCAL = ("127.0.0.1:", "localhost:")
UNKNOWN_ACCOUNT = "<account-id>"


class On(Enum):
    """What actions are granted on; the value is the README's word for it."""

    REGISTRY = "`*`"
    REPOSITORY = "the repository"
    BASELINE = "the repository of `baseline`"
    BASE_IMAGES = "the repositories of base images"
    CACHE_FROM = "the repository of `cache-from`"
    CACHE_TO = "the repository of `cache-to`"
    ENHANCED_SCANNING = "`*`, where Amazon Inspector scans"
    SIGNING = "the signing profile"

    @property
    def sid(self) -> str:
        """The name of the statement."""
        return self.name.title().replace("_", "")


class Task(Enum):
    """What a run may have to do; the value is the README's word for when."""

    ANY = "always"
    PUSH = "not for `gate` and `merge`"
    WRITE = "for `gate` only with `promote-to`"
    RECALL = "not for `merge`"
    MERGE = "for `merge`"
    CREATE = "with `create-repository`"
    START = "where basic scanning is on"
    REMOVE = "not for `gate`"
    EXPLOITS = "with `known-exploited` or `epss-threshold`"


@dataclass(frozen=True, kw_only=True)
class Row:
    """Actions that are needed for the same. `without` says what is lost without them.

    It is empty where a run cannot do without.
    """

    actions: tuple[str, ...]
    on: On
    task: Task = Task.ANY
    needed_for: str
    without: str = ""


_LAYERS = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
)

TABLE = (
    Row(
        actions=("ecr:GetAuthorizationToken",),
        on=On.REGISTRY,
        task=Task.PUSH,
        needed_for="the login for pushing, and for caches",
    ),
    Row(
        actions=("ecr:GetRegistryScanningConfiguration",),
        on=On.REGISTRY,
        needed_for="knowing which engine scans, and by which rules",
        without="a repository that is never scanned shows after `scan-timeout` only, and the "
        "result of every scan has to settle",
    ),
    Row(
        actions=("ecr:BatchGetRepositoryScanningConfiguration",),
        on=On.REPOSITORY,
        needed_for="ECR's own word on when it scans the repository",
        without="that is worked out of the registry's rules",
    ),
    Row(
        actions=("ecr:DescribeRepositories",),
        on=On.REPOSITORY,
        needed_for="finding the repository",
    ),
    Row(
        actions=("ecr:CreateRepository",),
        on=On.REPOSITORY,
        task=Task.CREATE,
        needed_for="creating the repository where it is missing",
    ),
    Row(
        actions=_LAYERS,
        on=On.REPOSITORY,
        task=Task.PUSH,
        needed_for="pushing layers",
    ),
    Row(
        actions=("ecr:PutImage",),
        on=On.REPOSITORY,
        task=Task.WRITE,
        needed_for="pushing the candidate, and giving release tags",
    ),
    Row(
        actions=("ecr:BatchGetImage",),
        on=On.REPOSITORY,
        needed_for="reading manifests, and which image a tag names",
    ),
    Row(
        actions=("ecr:GetDownloadUrlForLayer",),
        on=On.REPOSITORY,
        task=Task.RECALL,
        needed_for="reading of which commit and of which layers an image is made",
        without="a commit that has been published is not recognized, `promote-only-forward` leaves "
        "every tag that is taken, and no finding names the layer that brought it",
    ),
    Row(
        actions=("ecr:GetDownloadUrlForLayer",),
        on=On.REPOSITORY,
        task=Task.MERGE,
        needed_for="reading for which platform an image is",
    ),
    Row(
        actions=("ecr:DescribeImageScanFindings",),
        on=On.REPOSITORY,
        needed_for="reading the scan",
    ),
    Row(
        actions=("ecr:StartImageScan",),
        on=On.REPOSITORY,
        task=Task.START,
        needed_for="asking for a scan where ECR has begun none, or only one older than "
        "`max-scan-age`",
        without="images that ECR does not scan by itself get no verdict, so they do not pass",
    ),
    Row(
        actions=("ecr:DescribeImages",),
        on=On.REPOSITORY,
        task=Task.WRITE,
        needed_for="when an image was pushed, and where a tag is that another run has just put",
        without="the candidate tag of an image that gets no release tag stays, and a run fails "
        "where another one puts the same tag at the same moment",
    ),
    Row(
        actions=("ecr:BatchDeleteImage",),
        on=On.REPOSITORY,
        task=Task.REMOVE,
        needed_for="removing the candidate tag",
        without="candidate tags stay",
    ),
    Row(
        actions=("ecr:BatchGetImage", "ecr:DescribeImageScanFindings"),
        on=On.BASELINE,
        needed_for="reading the scan of a baseline in another repository",
    ),
    Row(
        actions=("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
        on=On.BASE_IMAGES,
        needed_for="pulling base images of the same registry, where BuildKit has the login of the "
        "run: with a builder outside of the engine, or with a cache in the registry",
    ),
    Row(
        actions=("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
        on=On.CACHE_FROM,
        needed_for="using a cache in another repository",
        without="the build does without that cache",
    ),
    Row(
        actions=(*_LAYERS, "ecr:BatchGetImage", "ecr:PutImage"),
        on=On.CACHE_TO,
        needed_for="writing a cache to another repository",
    ),
    Row(
        actions=("inspector2:ListCoverage", "inspector2:ListFindings"),
        on=On.ENHANCED_SCANNING,
        needed_for="reading the scan; ECR itself asks for both",
    ),
    Row(
        actions=("inspector2:BatchGetFindingDetails",),
        on=On.ENHANCED_SCANNING,
        task=Task.EXPLOITS,
        needed_for="the EPSS score, and CISA's list",
    ),
    Row(
        actions=("signer:SignPayload",),
        on=On.SIGNING,
        task=Task.WRITE,
        needed_for="managed signing, which ECR does in the name of who pushes",
        without="images are not signed",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a run is going to do, and where: ARNs, in which `*` stands for any characters."""

    tasks: frozenset[Task]
    places: Mapping[On, tuple[str, ...]]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of the table that are of this run."""
        return tuple(row for row in TABLE if self.places.get(row.on) and row.task in self.tasks)

    def at(self, on: On, places: Iterable[str]) -> Need:
        """The same with these places of a kind."""
        return replace(self, places={**self.places, on: tuple(dict.fromkeys(places))})


@dataclass(frozen=True, kw_only=True)
class Narrowing:
    """What a session is narrowed to: a policy (JSON), empty for none.

    `note` says what the user has to know of it; mostly nothing.
    """

    policy: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Home:
    """The registry of a run."""

    partition: str
    region: str
    account: str

    @classmethod
    def of(cls, plan: Plan) -> Home:
        """The registry that the plan names, else that of the role's account."""
        role = plan.role.arn.split(":") if plan.role else None
        own = role[4] if role else UNKNOWN_ACCOUNT
        return cls(
            partition=role[1] if role else hosts.partition(plan.region).name,
            region=plan.region,
            account=plan.registry.account if plan.registry else own,
        )

    def arn(self, repository: str) -> str:
        """The ARN of a repository here."""
        return f"arn:{self.partition}:ecr:{self.region}:{self.account}:repository/{repository}"

    def signing_profile(self, name: str) -> str:
        """The ARN of a profile of AWS Signer here."""
        return f"arn:{self.partition}:signer:{self.region}:{self.account}:/signing-profiles/{name}"

    def arns_of(self, images: Iterable[ImageReference | None]) -> Iterator[str]:
        """The ARNs of their repositories, of those in ECR; a local ECR counts as this one.

        What is no repository's name has none: `*` would be all of them.
        """
        for image in filter(None, images):
            registry = hosts.taken_apart(image.host)
            if not Repository.is_name(image.repository):
                continue
            if registry:
                there = replace(self, region=registry.region, account=registry.account)
                yield there.arn(image.repository)
            elif image.host.startswith(_LOCAL):
                yield self.arn(image.repository)


def need(plan: Plan, scanning: ScanType = ScanType.UNKNOWN) -> Need:
    """What this run needs at least.

    Args:
        plan: The run.
        scanning: The registry's engine; where it is not known, what either of them needs.
    """
    home = Home.of(plan)
    own = home.arn(plan.repository.name)
    baseline = plan.policy.rules.baseline
    other = [home.arn(baseline.repository.name)] if baseline and baseline.repository else []
    places = {
        On.REGISTRY: ("*",),
        On.REPOSITORY: (own,),
        On.BASELINE: tuple(arn for arn in other if arn != own),
        On.ENHANCED_SCANNING: () if scanning is ScanType.BASIC else ("*",),
    }
    if isinstance(plan.source, Build):
        for on, caches in {
            On.CACHE_FROM: plan.source.cache_from,
            On.CACHE_TO: plan.source.cache_to,
        }.items():
            there = home.arns_of(cache.image for cache in caches)
            places[on] = tuple(dict.fromkeys(arn for arn in there if arn != own))
    return Need(tasks=frozenset(_tasks(plan, scanning)), places=places)


def policy(need: Need, *, named: bool = True) -> dict[str, Any]:
    """The policy that allows just this. `named`: each statement has its Sid."""
    actions: dict[On, set[str]] = {}
    for row in need.rows:
        actions.setdefault(row.on, set()).update(row.actions)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                **({"Sid": on.sid} if named else {}),
                "Effect": "Allow",
                "Action": sorted(granted),
                "Resource": _one_or_all(need.places[on]),
            }
            for on, granted in actions.items()
        ],
    }


def session_policy(
    plans: Sequence[Plan], caches: Sequence[ImageReference] = (), template: str = ""
) -> Narrowing:
    """The policy that narrows one session to these runs, as far as STS takes it.

    It only takes away: what the role's own policies do not allow, it does not allow either. So it
    may hold what a run needs in some registries only. Base images may be in any repository.

    Args:
        plans: One for each image.
        caches: That are written, beside those of the plans.
        template: The name of the repositories before the target is filled in.
    """
    first = plans[0]
    home, most = Home.of(first), need(first)
    if isinstance(first.source, Build):
        written = [*(cache.image for cache in first.source.cache_to), *caches]
        most = most.at(On.CACHE_TO, home.arns_of(written))
        most = most.at(On.CACHE_FROM, ()).at(On.BASE_IMAGES, ("*",))
    most = most.at(On.SIGNING, ("*",))
    names = [home.arn(plan.repository.name) for plan in plans]
    pattern = home.arn(template.replace(TARGET, "*"))
    tries = [(names, "")] + ([([pattern], _pattern(pattern, names))] if template else [])
    for repositories, note in tries:
        text = _compact(policy(most.at(On.REPOSITORY, repositories), named=False))
        if len(text) <= MOST_CHARACTERS:
            return Narrowing(policy=text, note=note)
    return Narrowing(policy="", note=_TOO_LONG)


_TOO_LONG = (
    "The session is not narrowed to this run: the policy that names all of its repositories and "
    f"caches is longer than the {MOST_CHARACTERS} characters that STS takes. The role's own "
    "policies count alone, as with `session-policy: none`."
)


def _pattern(pattern: str, names: Sequence[str]) -> str:
    return (
        f"The session is narrowed to {pattern}, because the {len(names)} repositories by their "
        f"names are more than the {MOST_CHARACTERS} characters that STS takes."
    )


def _tasks(plan: Plan, scanning: ScanType) -> Iterator[Task]:
    source = plan.source
    gates = isinstance(source, Existing)
    wanted = {
        Task.ANY: True,
        Task.PUSH: isinstance(source, (Build, LocalImage)),
        Task.WRITE: not gates or bool(plan.release_tags),
        Task.RECALL: not isinstance(source, Merge),
        Task.MERGE: isinstance(source, Merge),
        Task.CREATE: plan.create is not None,
        Task.START: scanning is not ScanType.ENHANCED,
        Task.REMOVE: not gates and not (plan.keeps_passed and plan.keeps_refused),
        Task.EXPLOITS: exploits.needed(plan.policy.rules),
    }
    yield from (task for task, is_so in wanted.items() if is_so)


def _one_or_all(places: Sequence[str]) -> str | list[str]:
    return places[0] if len(places) == 1 else list(places)


def _compact(document: Mapping[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"))
