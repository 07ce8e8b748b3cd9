"""Environment -> Inputs. The only reader of the actions' inputs; reports all bad ones at once.

Each action.yml hands its inputs over as `ECR_PUBLISH_<NAME>` (a composite action gets no INPUT_*).
An empty value is the same as an input that was not given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain
from operator import itemgetter
from typing import TypeVar

from ecr_publish import hosts, values
from ecr_publish.cache import ADDRESSES, GITHUB, TOKEN, Cache
from ecr_publish.errors import GitHubCacheClosed, InvalidInputs
from ecr_publish.findings import Severity, Threshold
from ecr_publish.reference import Digest, ImageName, RegistryId, Repository, Tag
from ecr_publish.secret import Secret, SecretFile
from ecr_publish.values import boolean, entries_of, lines_of, one_of, words_of

PREFIX = "ECR_PUBLISH_"
OIDC = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
"""The variables by which a job with `id-token: write` gets a token."""

AMBIENT_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
"""The variables that name the region where aws-region does not; the first wins."""

T = TypeVar("T")


class Job(Enum):
    """Which of the three actions runs; its own action.yml says so."""

    PUBLISH = "publish"
    GATE = "gate"
    MERGE = "merge"


class Mutability(Enum):
    """Whether a tag of the repository can be moved to another image (ECR's own words)."""

    MUTABLE = "MUTABLE"
    IMMUTABLE = "IMMUTABLE"


class SessionPolicy(Enum):
    """What the role's session is narrowed to: what this run needs, or nothing further."""

    REPOSITORY = "repository"
    NONE = "none"


class Promote(Enum):
    """When an image that passed gets its release tags; AUTO: not on a pull request."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class OnRefusal(Enum):
    """What becomes of the candidate of an image that did not pass."""

    KEEP = "keep"
    DELETE = "delete"


class OnFork(Enum):
    """What the run of a fork's pull request does, to which GitHub offers no OIDC token."""

    BUILD_ONLY = "build-only"
    FAIL = "fail"


class OnUnjudged(Enum):
    """What to do where ECR gave no verdict: fail, or let the image pass with a loud warning."""

    FAIL = "fail"
    WARN = "warn"


class FailOn(Enum):
    """Which findings may refuse the image: all, or those that the baseline does not have."""

    ALL = "all"
    NEW = "new"


class UnknownSeverity(Enum):
    """What a severity without a rank (UNDEFINED, UNTRIAGED, a new word) counts as."""

    FAIL = "fail"
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFORMATIONAL = "informational"

    @property
    def severity(self) -> Severity:
        """The severity that it counts as; UNDEFINED refuses the image at every threshold."""
        return Severity.UNDEFINED if self is UnknownSeverity.FAIL else Severity(self.name)


@dataclass(frozen=True, kw_only=True)
class AwsInputs:
    """Whose credentials, and what is done without them; which registry, which repository."""

    aws_region: str
    role_to_assume: str | None
    role_session_name: str | None
    role_duration_seconds: int
    audience: str | None
    allowed_account_ids: tuple[str, ...]
    session_policy: SessionPolicy | None
    on_fork: OnFork
    registry: RegistryId | None
    repository: Repository
    create_repository: bool
    image_tag_mutability: Mutability | None


@dataclass(frozen=True, kw_only=True)
class ImageInputs:
    """Where the image comes from: a build, the engine (`image`), or the repository itself.

    Or there are many, from a bake file.
    """

    context: str | None
    build_contexts: tuple[str, ...]
    file: str | None
    target: str | None
    platforms: tuple[str, ...]
    build_args: tuple[str, ...] = field(repr=False)
    secrets: tuple[Secret, ...]
    secret_envs: tuple[Secret, ...]
    secret_files: tuple[SecretFile, ...]
    ssh: tuple[str, ...]
    labels: tuple[str, ...]
    annotations: tuple[str, ...]
    cache_from: tuple[Cache, ...]
    cache_to: tuple[Cache, ...]
    no_cache: bool
    no_cache_filters: tuple[str, ...]
    pull: bool
    network: str | None
    add_hosts: tuple[str, ...]
    shm_size: str | None
    ulimit: tuple[str, ...]
    cgroup_parent: str | None
    allow: tuple[str, ...]
    provenance: str
    sbom: str
    builder: str | None
    rebuild: bool | None
    image: str | None
    bake_file: tuple[str, ...]
    targets: tuple[str, ...]
    reference: Tag | Digest | None
    digests: tuple[Digest, ...]


@dataclass(frozen=True, kw_only=True)
class TagInputs:
    """Which release tags the image gets, and when."""

    tags: tuple[str, ...]
    promote_to: tuple[str, ...]
    promote: Promote
    promote_only_forward: bool
    on_refusal: OnRefusal | None


@dataclass(frozen=True, kw_only=True)
class GateInputs:
    """What refuses an image, and what to do where ECR gives no verdict."""

    severity_threshold: Threshold | None
    unknown_severity: Severity | None
    only_fixable: bool | None
    policy_file: str | None
    baseline: ImageName | None
    fail_on: FailOn | None
    on_baseline_error: OnUnjudged | None
    scan_timeout: int
    max_scan_age: int | None
    on_timeout: OnUnjudged
    on_unsupported: OnUnjudged
    on_scan_error: OnUnjudged
    report_only: bool


@dataclass(frozen=True, kw_only=True)
class ReportInputs:
    """Where the verdict is shown beside log and summary."""

    github_token: str | None = field(repr=False)
    check_run: bool
    comment: bool
    sarif_file: str | None
    report_file: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Inputs(ReportInputs, GateInputs, TagInputs, ImageInputs, AwsInputs):
    """What the user asked for, typed. One field per input of an action.yml, `-` written as `_`."""

    job: Job


def parse(environ: Mapping[str, str]) -> Inputs:
    """Read every input; raises InvalidInputs naming all problems together."""
    reader = _Reader(environ)
    groups = (_aws(reader), _image(reader), _tags(reader), _gate(reader), _reports(reader))
    given = {name: value for group in groups for name, value in vars(group).items()}
    inputs = Inputs(job=reader.given("job", one_of(Job), Job.PUBLISH), **given)
    # What cannot be read has its default here, of which nothing more is to be said.
    bad = {problem.partition(":")[0] for problem in reader.problems}
    conflicts = [
        item
        for item in chain.from_iterable(find(inputs) for find in _CONFLICTS)
        if item.partition(":")[0] not in bad
    ]
    problems = [*reader.problems, *conflicts]
    if problems:
        raise InvalidInputs(problems)
    if _uses_github_cache(inputs) and not _has_github_cache(environ):
        raise GitHubCacheClosed
    return inputs


def hidden(inputs: Inputs, environ: Mapping[str, str]) -> tuple[str, ...]:
    """What is to be masked before anything else happens: the secrets that the build may read."""
    token = environ.get(TOKEN, "") if _uses_github_cache(inputs) else ""
    values_of = (secret.value for secret in (*inputs.secrets, *inputs.secret_envs))
    return tuple(filter(None, (*values_of, token)))


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """What child processes may know: no input, nothing that secret-envs names, no way to a token.

    A bake file may read the environment of buildx.
    """
    try:
        pairs = words_of(values.secret_env)(environ.get(variable("secret-envs"), ""))
    except ValueError:
        # The run ends before it starts any process.
        pairs = ()
    secret = {*(name for _, name in pairs), *OIDC}
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(PREFIX) and name not in secret
    }


def variable(name: str) -> str:
    """The environment variable that carries an input: `aws-region` -> `ECR_PUBLISH_AWS_REGION`."""
    return PREFIX + name.replace("-", "_").upper()


class _Reader:
    """Reads one input after the other and collects what is wrong instead of stopping."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        return self._read(name, self._text(variable(name)), read)

    def given(self, name: str, read: Callable[[str], T], default: T) -> T:
        value = self.optional(name, read)
        return default if value is None else value

    def required(self, name: str, read: Callable[[str], T], stand_in: T) -> T:
        if not self._text(variable(name)):
            self.problems.append(f"{name}: is not set, and the action cannot do without it")
        return self.given(name, read, stand_in)

    def region(self) -> str:
        for ambient in AMBIENT_REGIONS:
            text = self._text(ambient)
            if text and not self._text(variable("aws-region")):
                return self._read(f"{ambient} (aws-region is not set)", text, values.region) or ""
        return self.required("aws-region", values.region, "")

    def secret_of_job(self, word: str) -> Secret:
        name, held_by = values.secret_env(word)
        value = self._environ.get(held_by, "")
        if not value:
            raise ValueError(f"{name}: {held_by} is not set in the job's environment, or is empty")
        return Secret(id=name, variable=held_by, value=value)

    def _text(self, key: str) -> str:
        return self._environ.get(key, "").strip()

    def _read(self, name: str, text: str, read: Callable[[str], T]) -> T | None:
        if not text:
            return None
        try:
            return read(text)
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return None


def _aws(reader: _Reader) -> AwsInputs:
    return AwsInputs(
        aws_region=reader.region(),
        role_to_assume=reader.optional("role-to-assume", values.role),
        role_session_name=reader.optional("role-session-name", values.session_name),
        role_duration_seconds=reader.given("role-duration-seconds", values.session_seconds, 3600),
        audience=reader.optional("audience", str),
        allowed_account_ids=reader.given("allowed-account-ids", values.accounts, ()),
        session_policy=reader.optional("session-policy", one_of(SessionPolicy)),
        on_fork=reader.given("on-fork", one_of(OnFork), OnFork.BUILD_ONLY),
        registry=reader.optional("registry", RegistryId.parse),
        repository=reader.required("repository", values.repository, Repository("unknown")),
        create_repository=reader.given("create-repository", boolean, default=False),
        image_tag_mutability=reader.optional("image-tag-mutability", one_of(Mutability)),
    )


def _image(reader: _Reader) -> ImageInputs:
    return ImageInputs(
        context=reader.optional("context", str),
        build_contexts=reader.given("build-contexts", entries_of(values.build_context), ()),
        file=reader.optional("file", str),
        target=reader.optional("target", str),
        platforms=reader.given("platforms", values.platforms, ()),
        build_args=reader.given("build-args", entries_of(values.build_arg), ()),
        secrets=_secrets(reader),
        secret_envs=reader.given("secret-envs", words_of(reader.secret_of_job), ()),
        secret_files=reader.given("secret-files", entries_of(values.secret_file), ()),
        ssh=reader.given("ssh", words_of(str), ()),
        labels=reader.given("labels", entries_of(values.label), ()),
        annotations=reader.given("annotations", entries_of(values.annotation), ()),
        cache_from=reader.given("cache-from", entries_of(Cache.parse), ()),
        cache_to=reader.given("cache-to", entries_of(Cache.parse), ()),
        no_cache=reader.given("no-cache", boolean, default=False),
        no_cache_filters=reader.given("no-cache-filters", words_of(str), ()),
        pull=reader.given("pull", boolean, default=False),
        network=reader.optional("network", str),
        add_hosts=reader.given("add-hosts", words_of(values.host), ()),
        shm_size=reader.optional("shm-size", values.size),
        ulimit=reader.given("ulimit", entries_of(values.ulimit), ()),
        cgroup_parent=reader.optional("cgroup-parent", str),
        allow=reader.given("allow", words_of(str), ()),
        provenance=reader.given("provenance", values.provenance, "false"),
        sbom=reader.given("sbom", values.sbom, "false"),
        builder=reader.optional("builder", str),
        rebuild=reader.optional("rebuild", boolean),
        image=reader.optional("image", str),
        bake_file=reader.given("bake-file", lines_of(str), ()),
        targets=reader.given("targets", values.bake_targets, ()),
        reference=reader.optional("reference", values.reference),
        digests=reader.given("digests", lines_of(Digest.parse), ()),
    )


def _secrets(reader: _Reader) -> tuple[Secret, ...]:
    given = reader.optional("secrets", entries_of(values.secret)) or ()
    return tuple(
        Secret(id=name, variable=f"{PREFIX}SECRET_{number}", value=value)
        for number, (name, value) in enumerate(given, 1)
    )


def _tags(reader: _Reader) -> TagInputs:
    return TagInputs(
        tags=reader.given("tags", lines_of(values.tag_template), ()),
        promote_to=reader.given("promote-to", lines_of(values.tag_template), ()),
        promote=reader.given("promote", one_of(Promote), Promote.AUTO),
        promote_only_forward=reader.given("promote-only-forward", boolean, default=False),
        on_refusal=reader.optional("on-refusal", one_of(OnRefusal)),
    )


def _gate(reader: _Reader) -> GateInputs:
    unknown = reader.optional("unknown-severity", one_of(UnknownSeverity))
    return GateInputs(
        severity_threshold=reader.optional("severity-threshold", one_of(Threshold)),
        unknown_severity=unknown.severity if unknown else None,
        only_fixable=reader.optional("only-fixable", boolean),
        policy_file=reader.optional("policy-file", str),
        baseline=reader.optional("baseline", ImageName.parse),
        fail_on=reader.optional("fail-on", one_of(FailOn)),
        on_baseline_error=reader.optional("on-baseline-error", one_of(OnUnjudged)),
        scan_timeout=reader.given("scan-timeout", values.scan_timeout, 900),
        max_scan_age=reader.optional("max-scan-age", values.scan_age),
        on_timeout=reader.given("on-timeout", one_of(OnUnjudged), OnUnjudged.FAIL),
        on_unsupported=reader.given("on-unsupported", one_of(OnUnjudged), OnUnjudged.FAIL),
        on_scan_error=reader.given("on-scan-error", one_of(OnUnjudged), OnUnjudged.FAIL),
        report_only=reader.given("report-only", boolean, default=False),
    )


def _reports(reader: _Reader) -> ReportInputs:
    return ReportInputs(
        github_token=reader.optional("github-token", str),
        check_run=reader.given("check-run", boolean, default=False),
        comment=reader.given("comment", boolean, default=False),
        sarif_file=reader.optional("sarif-file", str),
        report_file=reader.given("report-file", lines_of(values.report_file), ()),
    )


_OF_A_BUILD = (
    *("context", "build_contexts", "file", "target", "platforms", "build_args", "secrets"),
    *("secret_envs", "secret_files", "ssh", "labels", "annotations", "cache_from", "cache_to"),
    *("no_cache", "no_cache_filters", "pull", "network", "add_hosts", "shm_size", "ulimit"),
    *("cgroup_parent", "allow", "builder", "rebuild"),
)


def _uses_github_cache(inputs: Inputs) -> bool:
    return any(cache.type == GITHUB for cache in (*inputs.cache_from, *inputs.cache_to))


def _has_github_cache(environ: Mapping[str, str]) -> bool:
    return bool(environ.get(TOKEN)) and any(environ.get(name) for name in ADDRESSES)


def _missing(inputs: Inputs) -> Iterator[str]:
    """What the job cannot do without: the output of an earlier job may be misspelt, or empty."""
    if inputs.job is Job.GATE and not inputs.reference:
        yield "reference: is not set; give the tag or the digest of the image to gate"
    if inputs.job is Job.MERGE and len(set(inputs.digests)) < max(2, len(inputs.digests)):
        yield (
            f"digests: {len(inputs.digests)} lines name {len(set(inputs.digests))} images; give "
            "one digest per platform, at least two (is the output of a job misspelt, or empty, as "
            "it is of one that ran for a fork's pull request?)"
        )


def _conflicts(inputs: Inputs) -> Iterator[str]:
    """What each input allows, and all of them together do not."""
    named = [name.replace("_", "-") for name in _OF_A_BUILD if getattr(inputs, name)]
    named += [name for name in ("provenance", "sbom") if getattr(inputs, name) != "false"]
    if inputs.image and named:
        yield (
            f"image: names an image that is already built, so {', '.join(named)} would have "
            "no effect; remove either image or the build's inputs"
        )
    if inputs.image_tag_mutability and not inputs.create_repository:
        yield (
            "image-tag-mutability: is used only when this action creates the repository (an "
            "existing one is never changed); add `create-repository: true` or remove it"
        )
    if inputs.role_to_assume and inputs.scan_timeout >= inputs.role_duration_seconds:
        yield (
            f"scan-timeout: waits for up to {inputs.scan_timeout} s, but the role's session ends "
            f"after {inputs.role_duration_seconds} s; raise role-duration-seconds above "
            "build, scan and promotion together, or lower scan-timeout"
        )
    if inputs.sarif_file in inputs.report_file:
        yield "sarif-file: names a file of report-file too, and one would overwrite the other"


def _place_conflicts(inputs: Inputs) -> Iterator[str]:
    """What the role, the registry and the region say of each other."""
    host_region = inputs.registry.region if inputs.registry else None
    if host_region and inputs.aws_region and host_region != inputs.aws_region:
        yield (
            f"registry: is in {host_region}, but aws-region is {inputs.aws_region}; "
            "a token of one region is refused in another"
        )
    if not inputs.role_to_assume:
        return
    partition, account = itemgetter(1, 4)(inputs.role_to_assume.split(":"))
    expected = hosts.partition(inputs.aws_region).name
    if inputs.aws_region and partition != expected:
        yield (
            f"role-to-assume: is a role of the partition {partition}, but aws-region "
            f"{inputs.aws_region} is in {expected}, whose accounts are others; take a role of an "
            f"account there (arn:{expected}:iam::…), or a region of {partition}"
        )
    if inputs.allowed_account_ids and account not in inputs.allowed_account_ids:
        yield (
            f"role-to-assume: is a role of the account {account}, which is none of "
            f"allowed-account-ids ({', '.join(inputs.allowed_account_ids)}); take a role of one of "
            "these, or add the account"
        )


def _bake_conflicts(inputs: Inputs) -> Iterator[str]:
    """What a bake file excludes, and what there is only with one."""
    if inputs.bake_file:
        # Which builder it is, and whether to build again, no bake file can say.
        own = [name for name in (*_OF_A_BUILD, "image") if name not in ("builder", "rebuild")]
        named = [name.replace("_", "-") for name in own if getattr(inputs, name)]
        named += ["provenance"] if inputs.provenance != "false" else []
        if named:
            yield (
                f"bake-file: says itself what is built and how, so {', '.join(named)} would have "
                "no effect; say it in the bake file, or remove bake-file"
            )
        return
    if inputs.targets:
        yield "targets: names targets of a bake file; set bake-file, or remove it (target: a stage)"
    for name, texts in (("repository", [inputs.repository.name]), ("tags", inputs.tags)):
        if any("{target}" in text for text in texts):
            yield f"{name}: holds {{target}}, which is known only with bake-file"


_CONFLICTS = (_missing, _conflicts, _place_conflicts, _bake_conflicts)
