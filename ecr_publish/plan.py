"""Inputs + Context -> Plan: everything that the rooms need, decided before anything is touched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ecr_publish import hosts
from ecr_publish.cache import Cache
from ecr_publish.context import Context
from ecr_publish.errors import InvalidInputs, NotScanned
from ecr_publish.inputs import Inputs, Job, Mutability, OnFork, OnRefusal, OnUnjudged, Promote
from ecr_publish.origin import Commit, labels, recipe
from ecr_publish.policy import Policy, Rules
from ecr_publish.reference import (
    Digest,
    FullTag,
    ImageReference,
    RegistryId,
    Repository,
    Tag,
    matches,
)
from ecr_publish.scan import Unjudged
from ecr_publish.scanning import Scanning
from ecr_publish.secret import Secret, SecretFile

SHORT_SHA_LENGTH = 7
LATEST = Tag("latest")
CREATED = "org.opencontainers.image.created"
IMAGE_BY_DIGEST = re.compile(r"docker-image://[^@]+@sha256:[0-9a-f]{64}")
_NOT_IN_A_TAG = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, kw_only=True)
class Role:
    """The role to assume by GitHub's OIDC token. `seconds` is the session's duration.

    `session_policy` (JSON) narrows the session further than the role; empty for none.
    """

    arn: str
    session_name: str
    seconds: int
    audience: str
    session_policy: str = ""


@dataclass(frozen=True, kw_only=True)
class Build:
    """What `docker buildx build` is asked for.

    `recipe` is one word for what decides the image and the commit, empty where no commit is known;
    `epoch` is the commit's time in seconds since 1970, which the image then states as its own.
    """

    context: str
    file: str | None
    target: str | None
    platforms: tuple[str, ...]
    build_args: tuple[str, ...] = field(repr=False)
    labels: tuple[str, ...]
    network: str | None
    provenance: str = "false"
    sbom: str = "false"
    builder: str | None = None
    build_contexts: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    secret_files: tuple[SecretFile, ...] = ()
    ssh: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    cache_from: tuple[Cache, ...] = ()
    cache_to: tuple[Cache, ...] = ()
    no_cache: bool = False
    no_cache_filters: tuple[str, ...] = ()
    pull: bool = False
    add_hosts: tuple[str, ...] = ()
    shm_size: str | None = None
    ulimit: tuple[str, ...] = ()
    cgroup_parent: str | None = None
    allow: tuple[str, ...] = ()
    recipe: str = ""
    epoch: int | None = None

    def needs_login(self, host: str) -> bool:
        """Whether one of its caches is in the registry of this host."""
        images = (cache.image for cache in (*self.cache_from, *self.cache_to))
        return any(image is not None and image.host == host for image in images)


@dataclass(frozen=True, kw_only=True)
class LocalImage:
    """An image that is already in the engine."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Existing:
    """An image that is already in the repository."""

    reference: Tag | Digest


@dataclass(frozen=True, kw_only=True)
class Merge:
    """Images of the repository, of one platform or several each, that become one index."""

    digests: tuple[Digest, ...]


Source = Build | LocalImage | Existing | Merge


@dataclass(frozen=True, kw_only=True)
class Reports:
    """Where the run is reported beside log and summary.

    Args:
        files: Paths of reports, in the format that their ending names.
        sarif: Path of the SARIF file; None for none.
        check_on: The commit for a check run; empty for none.
        comment_on: The pull request for a comment; None for none.
        run_url: The run's page on GitHub.
        token: For GitHub's API.
    """

    files: tuple[str, ...] = ()
    sarif: str | None = None
    check_on: str = ""
    comment_on: int | None = None
    run_url: str = ""
    token: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run, decided. `scan_timeout` and `max_scan_age` are seconds; None is any age.

    `create` is what a new repository gets, None where none is to be created, and `mutability` what
    the user has asked for, if anything. `withheld` says why the run applies no release tags, and is
    empty where it does; `reserved` are those that it would apply. `rebuild` builds also what is
    there already. `keeps_passed` and `keeps_refused` say whether the candidate tag stays on an
    image that passed, and on one that did not. `allowed_accounts` are those that the credentials
    may be of; none named is any. `on_fork` is what a fork's run does, which gets no credentials,
    instead of its job; None for every other run.
    """

    region: str
    role: Role | None
    allowed_accounts: tuple[str, ...]
    on_fork: OnFork | None
    registry: RegistryId | None
    repository: Repository
    create: Mutability | None
    mutability: Mutability | None = None
    source: Source
    rebuild: bool
    candidate: Tag
    release_tags: tuple[FullTag, ...]
    reserved: tuple[Tag, ...] = ()
    latest_if_movable: bool
    withheld: str
    only_forward: bool
    keeps_passed: bool
    keeps_refused: bool
    policy: Policy
    scan_timeout: int
    max_scan_age: int | None
    reports: Reports


@dataclass(frozen=True, kw_only=True)
class Absent:
    """There is no such repository; `scanning` is how a new one of this name would be scanned."""

    scanning: Scanning


@dataclass(frozen=True, kw_only=True)
class RepositoryState:
    """What ECR says about the repository.

    `mutability` is ECR's imageTagMutability, `exclusions` its wildcards for the tags that are
    treated the other way round. `scans_on_push` is the repository's own setting, which is not all
    that decides how it is scanned.
    """

    host: str
    name: str
    arn: str
    registry_id: str
    mutability: str
    exclusions: tuple[str, ...]
    created: bool
    scanning: Scanning
    scans_on_push: bool = True

    @property
    def uri(self) -> str:
        """The repository as docker names it, without a tag."""
        return f"{self.host}/{self.name}"

    def holds(self, image: ImageReference) -> bool:
        """Whether an image is in this repository, whose registry may have several hosts."""
        if image.repository != self.name:
            return False
        host = hosts.taken_apart(image.host)
        if image.host == self.host or host is None:
            return image.host == self.host
        return (host.account, host.region) == (self.registry_id, self.arn.split(":")[3])

    def can_move(self, tag: Tag) -> bool:
        """Whether ECR lets this tag be moved to another image; an unknown mode does not."""
        excluded = any(matches(pattern, tag.value) for pattern in self.exclusions)
        if self.mutability == "IMMUTABLE_WITH_EXCLUSION":
            return excluded
        if self.mutability == "MUTABLE_WITH_EXCLUSION":
            return not excluded
        return self.mutability == "MUTABLE"


def make(
    inputs: Inputs, context: Context, commit: Commit | None, *, rules: Rules, nonce: str
) -> Plan:
    """Decide the run; raises InvalidInputs for tags that this run cannot have.

    Args:
        inputs: What the user asked for.
        context: The run.
        commit: What is checked out in the build's context; None where that is no git checkout.
        rules: What refuses an image.
        nonce: A few random characters, so that two jobs of one run never share a candidate tag.
    """
    withheld = _withheld(inputs, context)
    named = _named_tags(inputs, context, withheld=withheld)
    return Plan(
        region=inputs.aws_region,
        role=_role(inputs, context),
        allowed_accounts=inputs.allowed_account_ids,
        on_fork=_on_fork(inputs, context),
        registry=inputs.registry,
        repository=inputs.repository,
        create=_creation(inputs),
        mutability=inputs.image_tag_mutability,
        source=_source(inputs, context, commit),
        rebuild=_rebuild(inputs, context),
        candidate=Tag.parse(f"candidate-{context.run_id}-{context.run_attempt}-{nonce}"),
        release_tags=() if withheld else named,
        reserved=tuple(item.tag for item in named),
        latest_if_movable=not withheld and not _templates(inputs) and _on_default_branch(context),
        withheld=withheld,
        only_forward=inputs.promote_only_forward,
        keeps_passed=inputs.promote is Promote.NEVER,
        keeps_refused=_keeps_refused(inputs, withheld),
        policy=policy(inputs, rules),
        scan_timeout=inputs.scan_timeout,
        max_scan_age=inputs.max_scan_age,
        reports=_reports(inputs, context),
    )


def release_tags(plan: Plan, state: RepositoryState) -> tuple[Tag, ...]:
    """The release tags for this repository; raises InvalidInputs for one of another registry."""
    foreign = [tag for tag in plan.release_tags if tag.host not in (None, state.host)]
    _refuse_foreign(foreign, state.host)
    latest = (LATEST,) if plan.latest_if_movable and state.can_move(LATEST) else ()
    return tuple(dict.fromkeys((*(item.tag for item in plan.release_tags), *latest)))


def refuse_foreign_tags(plan: Plan, account: str | None) -> None:
    """Raise InvalidInputs for tags of another registry, as far as its account and region tell.

    Which of its hosts the registry is reached by says ECR, once the repository is there.

    Args:
        plan: What is to be published.
        account: Whose registry it is going to; None where that is not known yet.
    """
    places = {tag: hosts.taken_apart(tag.host) for tag in plan.release_tags if tag.host}
    foreign = [
        tag
        for tag, at in places.items()
        if at and (at.region != plan.region or account not in (None, at.account))
    ]
    _refuse_foreign(foreign, f"{account} in {plan.region}" if account else plan.region)


def _refuse_foreign(tags: Sequence[FullTag], home: str) -> None:
    if tags:
        raise InvalidInputs(
            [
                f"tags: {tag.tag} is written for the registry {tag.host}, but this run publishes "
                f"to {home}"
                for tag in tags
            ]
        )


def refuse_unscanned(plan: Plan, state: RepositoryState) -> None:
    """Raise NotScanned, before the build, where it is certain that ECR will never scan the image.

    Not where the user lets an image pass without a verdict.
    """
    warn = plan.policy.on_unjudged[Unjudged.TIMEOUT] is OnUnjudged.WARN
    if state.scanning.is_off and not (warn or plan.policy.report_only):
        raise NotScanned(state.name, plan.region)


def refuse_caches(plan: Plan, state: RepositoryState) -> None:
    """Raise InvalidInputs for a cache under a tag of images, or one that is written only once.

    S1, S4: what is deployed by a tag must never be a cache.
    """
    if not isinstance(plan.source, Build):
        return
    images = (cache.image for cache in plan.source.cache_to)
    tags = [image.tag for image in images if image and state.holds(image)]
    problems = [f"cache-to: {problem}" for tag in tags if (problem := _unfit(tag, plan, state))]
    if problems:
        raise InvalidInputs(problems)


def local_contexts(build_contexts: Sequence[str]) -> tuple[str, ...]:
    """The paths among the further build contexts."""
    given = (item.partition("=")[2] for item in build_contexts)
    return tuple(path for path in given if ":" not in path)


def _unfit(tag: str, plan: Plan, state: RepositoryState) -> str:
    """Why a cache may not have this tag of the repository; empty where it may."""
    reserved = (LATEST, *plan.reserved)
    if tag.startswith("candidate-") or tag in map(str, reserved):
        return (
            f"{state.name}:{tag} is a tag of images, and what is deployed by it would be a cache; "
            f"choose another, such as {state.name}:buildcache"
        )
    if not state.can_move(Tag.parse(tag)):
        return (
            f"{state.name}:{tag} cannot move, so only one run could ever write it; exclude "
            "`buildcache*` from the repository's immutability, or take a repository for caches"
        )
    return ""


def _rebuild(inputs: Inputs, context: Context) -> bool:
    """Whether to build what is there already: where nothing is said, if any cache is avoided.

    `pull`, `no-cache` and `no-cache-filters` ask for newer base images and for a build from
    scratch, which the image of an earlier run is not.
    """
    if inputs.rebuild is not None:
        return inputs.rebuild
    afresh = inputs.pull or inputs.no_cache or bool(inputs.no_cache_filters)
    return context.scheduled or afresh


def _role(inputs: Inputs, context: Context) -> Role | None:
    if inputs.role_to_assume is None:
        return None
    return Role(
        arn=inputs.role_to_assume,
        session_name=inputs.role_session_name
        or f"ecr-publish-{context.run_id}-{context.run_attempt}",
        seconds=inputs.role_duration_seconds,
        audience=inputs.audience or hosts.partition(inputs.aws_region).audience,
    )


def _on_fork(inputs: Inputs, context: Context) -> OnFork | None:
    if not context.restricted:
        return None
    # The credentials of a runner of one's own are not for a fork either, and without any the other
    # jobs can do nothing at all.
    return inputs.on_fork if inputs.job is Job.PUBLISH else OnFork.FAIL


def _creation(inputs: Inputs) -> Mutability | None:
    if not inputs.create_repository:
        return None
    return inputs.image_tag_mutability or Mutability.MUTABLE


def _source(inputs: Inputs, context: Context, commit: Commit | None) -> Source:
    if inputs.job is Job.GATE and inputs.reference:
        return Existing(reference=inputs.reference)
    if inputs.job is Job.MERGE:
        return Merge(digests=inputs.digests)
    if inputs.image:
        return LocalImage(name=inputs.image)
    build = _build(inputs)
    return _signed(build, context, commit) if commit else build


def _build(inputs: Inputs) -> Build:
    return Build(
        context=inputs.context or ".",
        file=inputs.file,
        target=inputs.target,
        platforms=inputs.platforms,
        build_args=inputs.build_args,
        labels=inputs.labels,
        network=inputs.network,
        provenance=inputs.provenance,
        sbom=inputs.sbom,
        builder=inputs.builder,
        build_contexts=inputs.build_contexts,
        secrets=(*inputs.secrets, *inputs.secret_envs),
        secret_files=inputs.secret_files,
        ssh=inputs.ssh,
        annotations=inputs.annotations,
        cache_from=inputs.cache_from,
        cache_to=inputs.cache_to,
        no_cache=inputs.no_cache,
        no_cache_filters=inputs.no_cache_filters,
        pull=inputs.pull,
        add_hosts=inputs.add_hosts,
        shm_size=inputs.shm_size,
        ulimit=inputs.ulimit,
        cgroup_parent=inputs.cgroup_parent,
        allow=inputs.allow,
    )


def _signed(build: Build, context: Context, commit: Commit) -> Build:
    """The build with labels that say what it is made of, so that a later run knows it again."""
    made_of = _recipe(build, context, commit)
    return replace(
        build,
        labels=labels(commit, made_of, build.labels),
        recipe=made_of,
        epoch=commit.time,
    )


def _recipe(build: Build, context: Context, commit: Commit) -> str:
    """One word for the build; empty where nothing here could tell whether another is the same.

    Of secrets and SSH keys the names count and not the values, as for BuildKit's own cache (Docker:
    "Build secrets"). Caches, and whether they are used, change no image.
    """
    # The value of an argument without one comes from the environment of buildx.
    from_elsewhere = any("=" not in argument for argument in build.build_args)
    if from_elsewhere or not commit.clean or not all(map(_pinned, build.build_contexts)):
        return ""
    # docker/metadata-action states the time of its run in this one.
    labels = [item for item in build.labels if not item.startswith(f"{CREATED}=")]
    return recipe(
        commit,
        # The Dockerfile may lie in another checkout than the context.
        context.sha,
        *(build.context, build.file, build.target, build.platforms or context.architecture),
        *(build.build_args, labels, build.network, build.provenance),
        *(build.build_contexts, build.annotations, build.sbom, build.add_hosts, build.shm_size),
        *(build.ulimit, build.cgroup_parent, build.allow),
        *([item.id for item in build.secrets], [item.id for item in build.secret_files]),
        [item.partition("=")[0] for item in build.ssh],
    )


def _pinned(build_context: str) -> bool:
    """Whether it is a path, of which the commit says enough, or an image by its digest."""
    given = build_context.partition("=")[2]
    return ":" not in given or IMAGE_BY_DIGEST.fullmatch(given) is not None


def _withheld(inputs: Inputs, context: Context) -> str:
    """Why no release tags are applied; empty where they are."""
    if _on_fork(inputs, context):
        return "this is a pull request from a fork"
    if inputs.job is Job.GATE:
        return "" if inputs.promote_to else "promote-to names none"
    if inputs.promote is Promote.NEVER:
        return "promote: never"
    if inputs.promote is Promote.AUTO and context.from_pull_request:
        return "this is a pull request, and promote is not `always`"
    return ""


def _keeps_refused(inputs: Inputs, withheld: str) -> bool:
    # What a pull request pushed for its verdict alone is of no use afterwards.
    if inputs.on_refusal is None:
        return not withheld or inputs.promote is Promote.NEVER
    return inputs.on_refusal is OnRefusal.KEEP


def _reports(inputs: Inputs, context: Context) -> Reports:
    # Nobody has a token that needs none.
    wanted = inputs.check_run or inputs.comment
    return Reports(
        files=tuple(dict.fromkeys(inputs.report_file)),
        sarif=inputs.sarif_file,
        check_on=context.head_sha if inputs.check_run else "",
        comment_on=context.pull_request if inputs.comment else None,
        run_url=context.run_url,
        token=(wanted and inputs.github_token) or "",
    )


def policy(inputs: Inputs, rules: Rules) -> Policy:
    """The rules, with what the inputs say of images that get no verdict."""
    return Policy(
        rules=rules,
        on_unjudged={
            Unjudged.TIMEOUT: inputs.on_timeout,
            Unjudged.UNSUPPORTED: inputs.on_unsupported,
            Unjudged.ERROR: inputs.on_scan_error,
            Unjudged.BASELINE: rules.on_baseline_error,
            Unjudged.EXPLOIT: rules.on_exploit_error,
        },
        report_only=inputs.report_only,
    )


def _on_default_branch(context: Context) -> bool:
    # A fork may call its branch `main` as well, and a pull request's head is not the branch yet.
    return (
        not context.from_pull_request
        and context.branch is not None
        and context.branch == context.default_branch
    )


def _templates(inputs: Inputs) -> tuple[str, ...]:
    return inputs.promote_to if inputs.job is Job.GATE else inputs.tags


def _named_tags(inputs: Inputs, context: Context, *, withheld: str) -> tuple[FullTag, ...]:
    """The release tags, where they are withheld as well, so that a mistake shows at once."""
    if withheld:
        branch = context.default_branch or "main"
        context = replace(context, branch=branch, from_fork=False, sha=context.sha or "0" * 40)
    tags, problems = [], []
    for template in _templates(inputs) or ("{short-sha}",):
        try:
            tags.append(_release_tag(template, inputs.repository, context))
        except ValueError as error:
            problems.append(f"{'promote-to' if inputs.job is Job.GATE else 'tags'}: {error}")
    if problems:
        raise InvalidInputs(problems)
    return tuple(tags)


def _release_tag(template: str, repository: Repository, context: Context) -> FullTag:
    full = FullTag.parse(_render(template, context))
    if full.repository not in (None, repository.name):
        raise ValueError(
            f"{template!r} is written for the repository {full.repository}, but this run "
            f"publishes to {repository}"
        )
    if full.tag.value.startswith("candidate-"):
        raise ValueError(f"{template!r} looks like a candidate tag; choose another name")
    return full


def _render(template: str, context: Context) -> str:
    if "sha}" in template and not context.sha:
        raise ValueError(
            f"{template!r} needs a commit, and there is none here; run this in a git checkout, or "
            "name the tags, such as 1.4.2"
        )
    if "{branch}" in template and context.branch is None:
        raise ValueError(f"{template!r} needs a branch, and this run has none (a tag was pushed?)")
    if "{branch}" in template and context.from_fork:
        raise ValueError(
            f"{template!r} would take the branch of a fork, whose owner could name it after any "
            "tag; use {sha} or {short-sha} on its pull requests"
        )
    branch = _NOT_IN_A_TAG.sub("-", context.branch or "").strip("-.")
    return (
        template.replace("{sha}", context.sha)
        .replace("{short-sha}", context.sha[:SHORT_SHA_LENGTH])
        .replace("{branch}", branch)
    )
