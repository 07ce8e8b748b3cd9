"""What the edges answered -> what was checked before the build, and all that is wrong at once.

Decisions only; probe.py asks. ECR is asked for nothing that would change it, so that whether the
role may write shows only when it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from typing import Literal

from ecr_publish import bake, hosts
from ecr_publish.bake import Definition
from ecr_publish.build import IN_THE_ENGINE, Builder, lacking, stuck, unemulated
from ecr_publish.errors import (
    BakeInvalid,
    CallFailed,
    CandidateCannotMove,
    InvalidInputs,
    NoCredentials,
    NotScanned,
    OidcFailed,
    OidcUnavailable,
    PublishError,
    RepositoryMissing,
    TagTaken,
    Unready,
    WrongRegistry,
)
from ecr_publish.iam import UNKNOWN_ACCOUNT, Home
from ecr_publish.inputs import OnFork
from ecr_publish.plan import (
    Absent,
    Build,
    LocalImage,
    Merge,
    Plan,
    RepositoryState,
    refuse_caches,
    refuse_foreign_tags,
    refuse_unscanned,
    release_tags,
)
from ecr_publish.reference import Digest, Tag
from ecr_publish.scan import Gap
from ecr_publish.scanning import Frequency, Scanning, ScanType, should_start
from ecr_publish.standing import Standing, known, published_before, taken

_LOGIN = "ecr:GetAuthorizationToken"
_SHARED = ("credentials", "OIDC token", "role", _LOGIN)
"""What is the same for all images of a run."""
NOWHERE = Digest(f"sha256:{'0' * 64}")
"""Of no image and no layer."""


class Permission(Enum):
    """What the run is going to ask for, whatever it publishes; the values are AWS's operations."""

    SCANS = "DescribeImageScanFindings"
    IMAGES = "BatchGetImage"
    LAYERS = "BatchCheckLayerAvailability"
    BLOBS = "GetDownloadUrlForLayer"
    COVERAGE = "ListCoverage"

    @property
    def action(self) -> str:
        """The name in a policy."""
        return f"{'inspector2' if self is Permission.COVERAGE else 'ecr'}:{self.value}"


class State(Enum):
    """How a check ended. NOTE stops nothing; NOT_CHECKED: something before it stood in the way."""

    OK = "ok"
    PROBLEM = "problem"
    NOTE = "note"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at, and what was seen; a problem has its error."""

    name: str
    state: State
    said: str
    error: PublishError | None = None


Found = RepositoryState | Absent | PublishError
"""What became of the question for the repository."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the edges answered, or the error that they gave instead; None where nobody asked."""

    repository: Found
    standing: Standing | PublishError | None = None
    baseline: Literal[True] | Gap | PublishError | None = None
    builder: Builder | PublishError | None = None
    login: Literal[True] | PublishError | None = None
    permissions: Mapping[Permission, PublishError | None] = field(default_factory=dict)


# What is asked ----------------------------------------------------------------------------------


def needed(plan: Plan, found: Found) -> tuple[Permission, ...]:
    """What is to be probed, because the run needs it and nothing else in the preflight asks it."""
    if is_silent(found):
        return ()
    sends = isinstance(plan.source, (Build, LocalImage))
    asks_for_tags = isinstance(found, RepositoryState) and bool(plan.release_tags)
    wanted = {
        Permission.SCANS: True,
        Permission.IMAGES: not asks_for_tags,
        Permission.LAYERS: sends,
        Permission.BLOBS: _reads_images(plan, _state(plan, found)),
        Permission.COVERAGE: not isinstance(found, PublishError)
        and found.scanning.engine is ScanType.ENHANCED,
    }
    return tuple(permission for permission, probed in wanted.items() if probed)


def asks_for_baseline(plan: Plan, found: Found) -> bool:
    """Whether there is a baseline, and a repository that it may be in."""
    wanted = plan.policy.rules.baseline
    if wanted is None or is_silent(found):
        return False
    to_be = isinstance(found, Absent) and plan.create is not None
    return isinstance(found, RepositoryState) or wanted.repository is not None or to_be


def is_silent(found: Found) -> bool:
    """Whether no other call of AWS would do better than the one for the repository did."""
    if isinstance(found, CallFailed) and found.transient:
        return True
    return isinstance(found, PublishError) and _closes(found)


def pushes(plan: Plan, facts: Facts) -> bool:
    """Whether an image is to be pushed, and not one that an earlier run has pushed already."""
    if isinstance(plan.source, Build):
        return _made_before(plan, plan.source, facts) is None
    return isinstance(plan.source, LocalImage)


# What it means ----------------------------------------------------------------------------------


def checks(plan: Plan, facts: Facts) -> tuple[Check, ...]:
    """All that was looked at, in the order in which the run would need it."""
    if isinstance(facts.repository, PublishError) and _closes(facts.repository):
        return closed(plan, facts.repository, facts.builder)
    return (*access(plan), *own(plan, facts))


def access(plan: Plan) -> tuple[Check, ...]:
    """The credentials, which are there."""
    return tuple(_access(plan, None))


def closed(
    plan: Plan, error: PublishError, builder: Builder | PublishError | None
) -> tuple[Check, ...]:
    """What can be said where AWS is not open to the run."""
    why = "AWS could not be asked"
    return (
        *_access(plan, error),
        _left("repository", why),
        *_blocked(plan, why),
        *_builder(plan, builder, None),
    )


def own(plan: Plan, facts: Facts) -> tuple[Check, ...]:
    """What is looked at for one image, beyond the credentials that many can share."""
    return (
        *_of_repository(plan, facts),
        *_baseline(plan, facts.baseline),
        *_builder(plan, facts.builder, _state(plan, facts.repository)),
        *_permissions(plan, facts),
        *_login(facts.login),
        *_writes(plan, facts),
    )


def of_bake(definition: Definition, plans: Sequence[Plan], found: Sequence[Found]) -> Check | None:
    """The caches of a bake file, which may be in no repository that gets an image."""
    try:
        refuse_caches_of(definition, plans, found)
    except BakeInvalid as error:
        return _problem("caches", error)
    return None


def refuse_caches_of(definition: Definition, plans: Sequence[Plan], found: Sequence[Found]) -> None:
    """Raise BakeInvalid likewise, also for a repository that is only going to be (S1)."""
    states = [_state(plan, there) for plan, there in zip(plans, found, strict=True)]
    bake.refuse_caches(definition, [*filter(None, states)])


def named(target: str, found: Sequence[Check]) -> tuple[Check, ...]:
    """The checks of one image among several, which say whose they are; "" is the only one."""
    return tuple(
        replace(check, name=f"{target}: {check.name}")
        if target and check.name not in _SHARED
        else check
        for check in found
    )


def merged(found: Sequence[Sequence[Check]]) -> tuple[Check, ...]:
    """What several images have in common is said once."""
    return tuple({(check.name, check.said): check for of in found for check in of}.values())


def failure(found: Sequence[Check]) -> PublishError | None:
    """The error for all that is wrong: the only one itself; None if nothing is."""
    errors = [check.error for check in found if check.error]
    if len(errors) < 2:  # noqa: PLR2004 - several
        return next(iter(errors), None)
    return Unready(errors, [it.name for it in found if it.state is State.NOT_CHECKED])


def refuse(found: Sequence[Check]) -> None:
    """Raise the error for all that is wrong, if anything is."""
    error = failure(found)
    if error:
        raise error


def drift(plan: Plan, state: RepositoryState) -> tuple[str, ...]:
    """How a repository differs from what was asked for; changing it is its owner's (S4)."""
    return () if state.created else tuple(_drift(plan, state))


# Credentials ------------------------------------------------------------------------------------


def _closes(error: PublishError) -> bool:
    """Whether no call of AWS can do better, as there are no credentials that it takes."""
    return isinstance(error, NoCredentials) or (
        isinstance(error, CallFailed) and error.of_credentials
    )


def _access(plan: Plan, error: PublishError | None) -> Iterator[Check]:
    if plan.role is None:
        yield _either(
            "credentials", error, "of the environment, a profile or the instance; AWS takes them"
        )
        return
    tokenless = isinstance(error, (OidcUnavailable, OidcFailed))
    yield _either("OIDC token", error if tokenless else None, "GitHub gives one")
    if tokenless:
        yield _left("role", f"without a token {plan.role.arn} cannot be assumed")
    else:
        yield _either("role", error, f"{plan.role.arn} is assumed")


# The repository ---------------------------------------------------------------------------------


def _state(plan: Plan, found: Found) -> RepositoryState | None:
    """The repository, or what it is going to be; None where neither is known."""
    if isinstance(found, Absent):
        return _to_be(plan, found) if plan.create else None
    return found if isinstance(found, RepositoryState) else None


def _to_be(plan: Plan, absent: Absent) -> RepositoryState:
    """What the repository is going to be, as far as that is known before: its host is a guess."""
    home = Home.of(plan)
    return RepositoryState(
        host=hosts.registry(home.account, home.region),
        name=plan.repository.name,
        arn=home.arn(plan.repository.name),
        registry_id=home.account,
        mutability=plan.create.value if plan.create else "",
        exclusions=(),
        created=True,
        scanning=absent.scanning,
    )


def _of_repository(plan: Plan, facts: Facts) -> Iterator[Check]:
    found = facts.repository
    if isinstance(found, PublishError):
        yield _problem("repository", found)
        yield from _blocked(plan, "ECR did not say what the repository is")
    elif isinstance(found, RepositoryState):
        yield from _of_state(plan, facts, found)
    elif plan.create:
        yield _ok("repository", f"{plan.repository} is to be created, scanned on push")
        yield from _foreseen(plan, _to_be(plan, found))
    else:
        yield _problem("repository", RepositoryMissing(plan.repository.name, plan.region))
        yield from _blocked(plan, "there is no repository")


def _foreseen(plan: Plan, state: RepositoryState) -> Iterator[Check]:
    """What is wrong already, so that no repository is created for a run that has to fail."""
    yield from _scanning(plan, state)
    later = "known once it is created"
    foreign = partial(refuse_foreign_tags, plan, _account(plan))
    yield _unless_refused(_left("tags", later), foreign)
    if _exports(plan):
        yield _unless_refused(_left("caches", later), partial(refuse_caches, plan, state))


def _of_state(plan: Plan, facts: Facts, state: RepositoryState) -> Iterator[Check]:
    yield _ok("repository", f"{state.uri} {'was created' if state.created else 'exists'}")
    yield _place(plan, state)
    yield from _scanning(plan, state)
    yield from (_note("settings", said) for said in drift(plan, state))
    yield from _tags(plan, facts, state)
    yield from _caches(plan, state)


def _of_tags(plan: Plan) -> Iterator[str]:
    yield "tags"
    if _exports(plan):
        yield "caches"


def _blocked(plan: Plan, why: str) -> Iterator[Check]:
    """What cannot be looked at without the repository."""
    yield from (_left(name, why) for name in ("account and region", "scanning", *_of_tags(plan)))


def _place(plan: Plan, state: RepositoryState) -> Check:
    """Whether ECR is the one that was asked for."""
    region = state.arn.split(":")[3]
    account = _account(plan) or state.registry_id
    found, wanted = f"{state.registry_id} in {region}", f"{account} in {plan.region}"
    error = None if found == wanted else WrongRegistry(found=found, wanted=wanted)
    return _either("account and region", error, found)


def _account(plan: Plan) -> str | None:
    """Whose registry it is to be; None where only ambient credentials will tell."""
    account = Home.of(plan).account
    return None if account == UNKNOWN_ACCOUNT else account


_WHEN = {
    Frequency.SCAN_ON_PUSH: "on push",
    Frequency.CONTINUOUS_SCAN: "on push, and again whenever something new is known",
    Frequency.MANUAL: "only when it is asked for, which this run does",
    Frequency.UNKNOWN: "at times that ECR does not tell",
}


def _scanning(plan: Plan, state: RepositoryState) -> Iterator[Check]:
    scanning = state.scanning
    try:
        refuse_unscanned(plan, state)
    except NotScanned as error:
        yield _problem("scanning", error)
        return
    if scanning.is_off:
        yield _note("scanning", "off, so no verdict will come, and the inputs do without one")
    elif scanning.engine is ScanType.UNKNOWN:
        yield _note(
            "scanning",
            f"{_WHEN[scanning.frequency]}; the role may not ask for more "
            "(ecr:GetRegistryScanningConfiguration)",
        )
    else:
        yield _ok("scanning", f"{_WHEN[scanning.frequency]} ({scanning.engine.value})")


def _drift(plan: Plan, state: RepositoryState) -> Iterator[str]:
    where = f"--repository-name {state.name} --region {plan.region}"
    by_hand = state.scanning == Scanning(engine=ScanType.BASIC, frequency=Frequency.MANUAL)
    maybe = state.scanning == Scanning() and not state.scans_on_push
    if by_hand or (maybe and plan.create):
        yield (
            f"{state.name} does not scan on push, so every run has to ask for its scan. An "
            "existing repository is never changed by this action; its owner can run: aws ecr "
            f"put-image-scanning-configuration {where} "
            "--image-scanning-configuration scanOnPush=true"
        )
    wanted = plan.mutability
    # With exclusions it is still what was asked for, and candidates may need one.
    if wanted and not state.mutability.startswith(wanted.value):
        yield (
            f"{state.name} is {state.mutability}, and image-tag-mutability says {wanted.value}. An "
            "existing repository is never changed by this action; its owner can run: aws ecr "
            f"put-image-tag-mutability {where} --image-tag-mutability {wanted.value}"
        )


# Tags and caches --------------------------------------------------------------------------------


def _tags(plan: Plan, facts: Facts, state: RepositoryState) -> Iterator[Check]:
    try:
        tags = release_tags(plan, state)
    except InvalidInputs as error:
        yield _problem("tags", error)
        return
    standing = facts.standing or {}
    if isinstance(standing, PublishError):
        yield _problem("tags", standing)
        return
    build = plan.source if isinstance(plan.source, Build) else None
    image = known(state, standing, frozenset([build.recipe])) if build else None
    errors = [*taken(state, standing, image)]
    if build and errors:
        yield from (_problem("tags", error) for error in errors)
    elif errors:
        yield from (_note("tags", f"{error.what}: only that very image fits") for error in errors)
    else:
        yield _ok("tags", _told(plan, state, tags, standing))


def _told(plan: Plan, state: RepositoryState, tags: Sequence[Tag], standing: Standing) -> str:
    if not tags:
        return f"none is to be applied ({plan.withheld})"
    there = [tag for tag in tags if tag in standing]
    groups = {
        "free": [tag for tag in tags if tag not in standing],
        "there, and can move": [tag for tag in there if state.can_move(tag)],
        "on this very image already": [tag for tag in there if not state.can_move(tag)],
    }
    return "; ".join(f"{', '.join(map(str, of))}: {told}" for told, of in groups.items() if of)


def _made_before(plan: Plan, build: Build, facts: Facts) -> Digest | None:
    state, standing = facts.repository, facts.standing
    if not isinstance(state, RepositoryState) or not standing or isinstance(standing, PublishError):
        return None
    try:
        return published_before(plan, state, standing, frozenset([build.recipe]))
    except TagTaken:
        return None


def _exports(plan: Plan) -> bool:
    return isinstance(plan.source, Build) and bool(plan.source.cache_to)


def _caches(plan: Plan, state: RepositoryState) -> Iterator[Check]:
    if _exports(plan):
        fine = _ok("caches", "none takes a tag of images")
        yield _unless_refused(fine, partial(refuse_caches, plan, state))


def _unless_refused(check: Check, judge: Callable[[], None]) -> Check:
    try:
        judge()
    except InvalidInputs as error:
        return _problem(check.name, error)
    return check


def _baseline(plan: Plan, found: Literal[True] | Gap | PublishError | None) -> Iterator[Check]:
    wanted = plan.policy.rules.baseline
    if wanted is None:
        return
    if found is None:
        yield _left("baseline", "ECR could not be asked for images")
    elif isinstance(found, PublishError):
        yield _problem("baseline", found)
    elif isinstance(found, Gap):
        yield _note("baseline", found.reason)
    else:
        yield _ok("baseline", f"{wanted} is there")


# The builder ------------------------------------------------------------------------------------


def _builder(
    plan: Plan, found: Builder | PublishError | None, state: RepositoryState | None
) -> Iterator[Check]:
    """`state` is None where it is not known whether tags of the repository can move."""
    build = plan.source
    if not isinstance(build, Build):
        return
    if found is None:
        yield _ok("builder", "not needed: an earlier run has pushed this very image")
    elif isinstance(found, PublishError):
        yield _problem("builder", found)
    else:
        yield from _of_builder(build, found, state, plan.candidate)


def _of_builder(
    build: Build, builder: Builder, state: RepositoryState | None, candidate: Tag
) -> Iterator[Check]:
    problems = [
        *lacking(build, builder),
        *(stuck(build, builder, state, candidate) if state else ()),
    ]
    foreign = unemulated(build, builder)
    for error in problems:
        about = "candidate tag" if isinstance(error, CandidateCannotMove) else "builder"
        yield _problem(about, error)
    if foreign:
        yield _note(
            "builder",
            f"it does not name {', '.join(foreign)} among its platforms, so RUN works there only "
            "with emulation (docker/setup-qemu-action, before the builder is made)",
        )
    if not problems:
        yield _ok("builder", _kind(builder))


def _kind(builder: Builder) -> str:
    if builder.driver != IN_THE_ENGINE:
        return f"of the driver {builder.driver}; BuildKit pushes by itself"
    store = "containerd" if builder.containerd else "classic"
    return f"the Docker Engine, with its {store} image store"


# Permissions ------------------------------------------------------------------------------------


def _permissions(plan: Plan, facts: Facts) -> Iterator[Check]:
    for permission, error in facts.permissions.items():
        name = permission.action
        if not isinstance(error, CallFailed):
            yield _either(name, error, "allowed")
        elif error.denied and permission is Permission.BLOBS:
            yield _note(name, f"not allowed; without it {_unread(plan)}")
        elif error.denied or error.of_credentials:
            yield _problem(name, error)
        elif error.transient:
            yield _note(name, f"could not be asked now: {error.what}")
        elif error.code.endswith(("NotFound", "NotFoundException", "InaccessibleException")):
            yield _ok(name, "allowed")
        else:
            yield _note(name, f"not known: {error.what}")


def _unread(plan: Plan) -> str:
    """What cannot be done where images may not be read, which not every run has to do."""
    if isinstance(plan.source, Merge):
        return "only indexes can be merged, and no images of one platform"
    return "no image says what it is made of, so that a re-run is not recognized"


def _reads_images(plan: Plan, state: RepositoryState | None) -> bool:
    """Whether what images say of themselves decides something."""
    fixed = state and not all(state.can_move(item.tag) for item in plan.release_tags)
    recognized = isinstance(plan.source, Build) and bool(fixed)
    return isinstance(plan.source, Merge) or recognized or plan.only_forward


def _login(found: Literal[True] | PublishError | None) -> Iterator[Check]:
    if found is not None:
        error = found if isinstance(found, PublishError) else None
        yield _either(_LOGIN, error, "allowed")


def _writes(plan: Plan, facts: Facts) -> Iterator[Check]:
    found = facts.repository
    if isinstance(found, PublishError):
        return
    sends = pushes(plan, facts)
    adds = sends or isinstance(plan.source, Merge)
    asked = {
        "ecr:CreateRepository": isinstance(found, Absent) and plan.create is not None,
        "ecr:InitiateLayerUpload, ecr:UploadLayerPart, ecr:CompleteLayerUpload": sends,
        "ecr:PutImage": adds or bool(plan.release_tags),
        "ecr:StartImageScan": should_start(found.scanning, 0),
        "ecr:BatchDeleteImage": adds,
    }
    names = ", ".join(name for name, wanted in asked.items() if wanted)
    if names:
        yield _note("writing", f"{names}: not tried, because that would change something")


# Checks -----------------------------------------------------------------------------------------


def of_fork(end: OnFork) -> tuple[Check, ...]:
    """What there is to say of a fork's run, which asks AWS for nothing."""
    if end is OnFork.FAIL:
        return (_problem("role", OidcUnavailable(from_fork=True)),)
    return (_note("fork", "without credentials: the image is built and goes nowhere"),)


def _ok(name: str, said: str) -> Check:
    return Check(name=name, state=State.OK, said=said)


def _note(name: str, said: str) -> Check:
    return Check(name=name, state=State.NOTE, said=said)


def _left(name: str, why: str) -> Check:
    return Check(name=name, state=State.NOT_CHECKED, said=why)


def _problem(name: str, error: PublishError) -> Check:
    return Check(name=name, state=State.PROBLEM, said=error.what, error=error)


def _either(name: str, error: PublishError | None, said: str) -> Check:
    return _problem(name, error) if error else _ok(name, said)
