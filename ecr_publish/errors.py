"""Every way to fail. Each error says what happened, most likely why, and what to paste.

`what` is one line and goes into the annotation; the whole goes to the log and the summary.
Exit codes are part of the interface (README, "Exit codes").
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from ecr_publish.trust import Refusal

HOME = "https://github.com/org/ecr-publish"
"""Where this project is at home."""
TROUBLESHOOTING = "docs/troubleshooting.md"
"""Explains every error, each under an anchor of its own."""


class ExitCode(IntEnum):
    """What the step exits with."""

    PASSED = 0
    INPUT = 2
    CREDENTIALS = 3
    REPOSITORY = 4
    BUILD = 5
    PUSH = 6
    SCAN = 7
    PROMOTE = 8
    REFUSED = 9
    BUG = 70
    CANCELLED = 130


class PublishError(Exception):
    """A failure that the user can do something about.

    Args:
        what: What happened, in one line.
        why: Most likely why; may be empty.
        fix: What to do, with the YAML or JSON to paste.
        link: Where AWS or GitHub document it.
        kind: Which one it is, where failures of one class are explained each by itself.
    """

    exit_code = ExitCode.BUG

    def __init__(
        self, what: str, *, why: str = "", fix: str = "", link: str = "", kind: str = ""
    ) -> None:
        self.what = " ".join(what.split())
        super().__init__(self.what)
        self.why = why
        self.fix = fix
        self.link = link
        self.kind = kind

    @property
    def docs(self) -> str:
        """Where this project explains the failure."""
        return address(type(self).__name__, self.kind)

    @property
    def more(self) -> str:
        """Where to read on; blanks around each address let log and Markdown make it a link."""
        return f"More: {' and '.join(filter(None, (self.docs, self.link)))}"


def anchor(name: str, kind: str = "") -> str:
    """The anchor of a class of errors in the troubleshooting: RoleRefused is at role-refused."""
    words = re.findall("GitHub|[A-Z][a-z]+", name)
    return "-".join(filter(None, (*words, kind))).lower()


def address(name: str, kind: str = "") -> str:
    """Where the troubleshooting explains a class of errors."""
    return f"{HOME}/blob/main/{TROUBLESHOOTING}#{anchor(name, kind)}"


def in_full(error: PublishError) -> str:
    """All that an error says, for a place that shows several."""
    return "\n".join(filter(None, (error.what, error.why, error.fix, error.more)))


class Unready(PublishError):
    """Several things are wrong, which is said of all of them before anything is done.

    Args:
        problems: Each of them; the first one's exit code counts.
        not_checked: What could not be looked at because of them.
    """

    def __init__(self, problems: Sequence[PublishError], not_checked: Sequence[str] = ()) -> None:
        numbered = [*enumerate(problems, start=1)]
        left = f" Not checked because of them: {', '.join(not_checked)}." if not_checked else ""
        super().__init__(
            f"{len(problems)} problems: "
            + "; ".join(f"({number}) {problem.what}" for number, problem in numbered),
            why=f"Nothing was built or pushed.{left}",
            fix="\n\n".join(f"({number}) {in_full(problem)}" for number, problem in numbered),
        )
        self.problems = tuple(problems)
        self.exit_code = problems[0].exit_code


class InvalidInputs(PublishError):
    """One or several inputs cannot be used; nothing has been done."""

    exit_code = ExitCode.INPUT

    def __init__(self, problems: Sequence[str]) -> None:
        count = "1 input" if len(problems) == 1 else f"{len(problems)} inputs"
        super().__init__(
            f"{count} cannot be used: " + "; ".join(problems),
            why="Nothing was built or pushed.",
            fix="Correct\n" + "\n".join(f"- {item}" for item in problems),
            link=f"{HOME}#inputs",
        )
        self.problems = tuple(problems)


class GitHubCacheClosed(PublishError):
    """The build is to use GitHub's cache, which GitHub opens to JavaScript actions alone."""

    exit_code = ExitCode.INPUT

    def __init__(self) -> None:
        super().__init__(
            "cache-from or cache-to says type=gha, but this run cannot reach GitHub's cache",
            why="GitHub's runner gives ACTIONS_RUNTIME_TOKEN and ACTIONS_RESULTS_URL to actions "
            "that are written in JavaScript, and this one is not. buildx would leave the cache out "
            "without a word.",
            fix="In a workflow, hand them on, in a step before this one:\n"
            "    - uses: actions/github-script@v8\n"
            "      with:\n"
            "        script: |\n"
            "          for (const name of ['ACTIONS_RUNTIME_TOKEN', 'ACTIONS_RESULTS_URL',\n"
            "              'ACTIONS_CACHE_URL', 'ACTIONS_CACHE_SERVICE_V2']) {\n"
            "            if (process.env[name]) core.exportVariable(name, process.env[name])\n"
            "          }\n"
            "All later steps of the job can then use the cache, with a token that ends with it. "
            "In a terminal there is no such cache: take another, such as type=registry.",
            link="https://docs.docker.com/build/cache/backends/gha/",
        )


class InvalidPolicy(PublishError):
    """The policy cannot be used; nothing has been done. Each problem names its place."""

    exit_code = ExitCode.INPUT

    def __init__(self, problems: Sequence[str]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(
            f"the policy has {count}: " + "; ".join(problems),
            why="Nothing was built or pushed.",
            fix="Correct\n" + "\n".join(f"- {item}" for item in problems),
            link=f"{HOME}/blob/main/docs/policy.md",
        )
        self.problems = tuple(problems)


class BakeInvalid(PublishError):
    """buildx cannot resolve the bake file and the targets, or what they say cannot be used."""

    exit_code = ExitCode.INPUT

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"the bake file cannot be used: {problem}",
            why="Nothing was built or pushed.",
            fix="Correct `bake-file` and `targets`, or the file. On your own machine the same is "
            "said by\n    docker buildx bake --file docker-bake.hcl --print",
        )


class NoWorkflowRun(PublishError):
    """The environment is not the one of a GitHub Actions step."""

    exit_code = ExitCode.INPUT

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(
            f"this is not a step of a GitHub Actions workflow: {', '.join(missing)} not set",
            why="GitHub's runner sets these variables for every step. They are missing where "
            "ecr-publish was started by hand, or where something between runner and step drops "
            "them.",
            fix="Run ecr-publish as a step of a workflow (`uses:`).",
        )


class LocalEcrMissing(PublishError):
    """`ecr-publish local` has nothing to start."""

    exit_code = ExitCode.INPUT

    def __init__(self) -> None:
        super().__init__(
            "the local ECR is not installed",
            why="It brings a web server and a good deal more, which publishing does not need.",
            fix="From the checkout of ecr-publish, install it with its extra\n"
            "    pipx install --force '.[local]'\n"
            "or, with uv,\n"
            "    uv tool install --force '.[local]'",
        )


class OidcUnavailable(PublishError):
    """GitHub offers this job no OIDC token; or it is a fork's, which is to get no credentials."""

    exit_code = ExitCode.CREDENTIALS

    def __init__(self, *, from_fork: bool) -> None:
        what = "GitHub offers this job no OIDC token, so role-to-assume cannot be used"
        if from_fork:
            what = "this pull request comes from a fork, so the run gets no credentials"
            why = (
                "A fork's code is to get into no registry. GitHub offers its run no OIDC token, "
                "and the credentials of a runner of your own are not used for it either."
            )
            fix = (
                "With `on: pull_request`, let a step that builds do that alone:\n"
                "    on-fork: build-only\n"
                "Leave any other step out for pull requests from forks:\n"
                "    if: github.event_name != 'pull_request' || "
                "github.event.pull_request.head.repo.full_name == github.repository\n"
                "Do not use pull_request_target with a checkout of the fork's code."
            )
        else:
            why = "The job lacks the permission to ask for one."
            fix = (
                "Add to the job:\n    permissions:\n      id-token: write\n      contents: read\n"
                "In a reusable workflow, the job that calls it needs the same permissions."
            )
        super().__init__(
            what,
            why=why,
            fix=fix,
            link="https://docs.github.com/actions/how-tos/secure-your-work/"
            "security-harden-deployments/oidc-in-aws",
        )


class OidcFailed(PublishError):
    """GitHub's OIDC endpoint could not be used, after retries."""

    exit_code = ExitCode.CREDENTIALS

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"GitHub's OIDC endpoint gave no token: {detail}",
            why="Most often a passing fault at GitHub, or a proxy between the runner and GitHub.",
            fix="Run the job again; see https://www.githubstatus.com if it stays.",
        )


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Most likely why a call failed, and what to do then; explained under its kind."""

    kind: str
    why: str
    fix: str


_NO_SESSION_POLICY = "session-policy: none"
_SESSION_POLICIES = (
    "https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session"
)
BY_SESSION_POLICY = "no session policy allows"
"""How AWS words a refusal by the policy that narrows a session."""
NOT_IN_SESSION = Cause(
    kind="session-policy",
    why="This run has narrowed its session to what it is known to need (`session-policy: "
    "repository`), and this is not part of it. That is a mistake of ecr-publish, not of the role.",
    fix=f"Let the role's own policies count alone:\n    {_NO_SESSION_POLICY}\n"
    "and please report this message, so that the next version knows.",
)


class RoleRefused(PublishError):
    """STS did not let this run assume the role. Shows the token's claims, never the token."""

    exit_code = ExitCode.CREDENTIALS

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(
            f"AWS did not let this run assume {refusal.role}: {refusal.message} ({refusal.code})",
            why=refusal.why,
            fix=refusal.fix,
            link="https://docs.aws.amazon.com/IAM/latest/UserGuide/"
            "id_roles_providers_create_oidc.html",
        )
        self.cause = refusal.cause


class SessionPolicyRefused(PublishError):
    """STS does not take the policy that narrows the session; the run then does without."""

    exit_code = ExitCode.CREDENTIALS

    def __init__(self, role: str, detail: str) -> None:
        super().__init__(
            f"STS does not take the policy that narrows the session of {role}: {detail}",
            why="Most often it is too long, packed together with the session's tags.",
            fix=f"Let the role's own policies count alone:\n    {_NO_SESSION_POLICY}",
            link=_SESSION_POLICIES,
        )


class StsFailed(PublishError):
    """STS gave no answer to go by, so nothing is known of the role."""

    exit_code = ExitCode.CREDENTIALS

    def __init__(self, role: str, detail: str, *, reached: bool) -> None:
        super().__init__(
            f"STS could not be asked to assume {role}: {detail}",
            why="STS was reached, and had a passing fault or too much to do each time."
            if reached
            else "The runner could not reach the regional STS endpoint.",
            fix="Run the job again; see https://health.aws.amazon.com if it stays."
            if reached
            else "Check aws-region, the runner's network, its proxy (HTTPS_PROXY, NO_PROXY) and "
            "its VPC endpoints; then run the job again.",
        )


class AccountNotAllowed(PublishError):
    """The credentials are of an account that allowed-account-ids does not name."""

    exit_code = ExitCode.CREDENTIALS

    def __init__(self, account: str, allowed: Sequence[str]) -> None:
        named = ", ".join(allowed)
        super().__init__(
            f"the credentials are of the account {account}, which is none of allowed-account-ids "
            f"({named})",
            why="Another step of the job, the runner or a profile (AWS_PROFILE) has given "
            "credentials of an account that this run is not meant for. Nothing was asked of ECR.",
            fix="Take credentials of an allowed account, or allow this one:\n"
            f"    allowed-account-ids: '{','.join((*allowed, account))}'",
        )


class AccountUnknown(PublishError):
    """allowed-account-ids names accounts, and STS does not say whose the credentials are."""

    exit_code = ExitCode.CREDENTIALS

    def __init__(self, detail: str) -> None:
        super().__init__(
            "allowed-account-ids is set, but the account of the credentials could not be found "
            f"out: {detail}",
            why="STS tells it to everybody with valid credentials (GetCallerIdentity), without any "
            "permission. They are wrong or expired, or this machine cannot reach STS. Nothing was "
            "asked of ECR.",
            fix="See whose they are, in a terminal or by a step before this one (`run:`):\n"
            "    aws sts get-caller-identity\n"
            "A runner in a VPC without internet needs a VPC endpoint for STS.",
        )


class NoCredentials(PublishError):
    """Neither a role was named nor does the environment hold credentials."""

    exit_code = ExitCode.CREDENTIALS

    def __init__(self, *, profile: str = "") -> None:
        if profile:
            super().__init__(
                f"there is no AWS profile {profile!r} on this machine",
                why="AWS_PROFILE or AWS_DEFAULT_PROFILE names it. Nothing can be asked of AWS with "
                "it, not even to assume a role.",
                fix="In a workflow, remove that variable from the job, or write the profile in a "
                "step before. In a terminal, name one of those that there are:\n"
                "    aws configure list-profiles",
            )
            return
        super().__init__(
            "there are no AWS credentials",
            why="role-to-assume is not set, and neither environment, profile nor instance role "
            "gives credentials; or a sign-in has expired.",
            fix="In a workflow, add to the step's `with:`\n"
            "    role-to-assume: arn:aws:iam::123456789012:role/my-publisher\n"
            "and to the job\n    permissions:\n      id-token: write\n      contents: read\n"
            "In a terminal, sign in with a profile, and name it:\n"
            "    aws sso login --profile my-profile\n"
            "    export AWS_PROFILE=my-profile",
        )


_ROOMS = {
    "GetAuthorizationToken": ExitCode.CREDENTIALS,
    "DescribeRepositories": ExitCode.REPOSITORY,
    "CreateRepository": ExitCode.REPOSITORY,
    "BatchCheckLayerAvailability": ExitCode.PUSH,
    "BatchGetImage": ExitCode.PUSH,
    "GetDownloadUrlForLayer": ExitCode.PUSH,
    "DescribeImageScanFindings": ExitCode.SCAN,
    "StartImageScan": ExitCode.SCAN,
    "ListCoverage": ExitCode.SCAN,
    "PutImage": ExitCode.PROMOTE,
    "DescribeImages": ExitCode.PROMOTE,
    "BatchDeleteImage": ExitCode.PROMOTE,
}

PUSHES = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)
"""What a push needs. Whoever lacks one of them rarely has the others."""
_OF_INSPECTOR = ("ListCoverage", "BatchGetFindingDetails")
_READS_INSPECTOR = ("inspector2:ListCoverage", "inspector2:ListFindings")

_DENIED = Cause(
    kind="denied",
    why="The credentials lack a permission.",
    fix="Add this to the list `Statement` of the role's permissions policy:",
)
_FORBIDDEN = Cause(
    kind="forbidden",
    why="A policy forbids this explicitly, and no further permission can overrule it.",
    fix="Ask whoever maintains that policy; AWS's message names its kind.",
)
_PASSING = Cause(
    kind="passing",
    why="Most often a passing fault of AWS, or of the network on the way to it.",
    fix="Run it again; it continues safely.",
)
_UNREACHABLE = Cause(
    kind="unreachable",
    why="This machine does not reach AWS there: aws-region names no region, or a proxy, a firewall "
    "or a VPC endpoint is missing or in the way. Or the network fails, which passes.",
    fix="Check aws-region and the network; then run it again.",
)
_EXPIRED = Cause(
    kind="expired",
    why="The credentials have expired during the run.",
    fix="In a workflow, let the session outlast the run, as far as the role allows:\n"
    "    role-duration-seconds: 7200\n"
    "In a terminal, sign in again:\n"
    "    aws sso login --profile my-profile",
)
_UNKNOWN_KEY = Cause(
    kind="unknown-key",
    why="The credentials are wrong or revoked, or the region is of another partition or not "
    "activated.",
    fix="Check aws-region and the credentials. In a workflow, use role-to-assume instead of stored "
    "keys.",
)
_UNKNOWN = Cause(
    kind="unknown",
    why="AWS names no cause that is known here.",
    fix="AWS's own words and the code in brackets say what is wrong; CloudTrail has the whole "
    "call. If they name an input, correct it.",
)
_CALL_CAUSES = {
    "ExpiredTokenException": _EXPIRED,
    "ExpiredToken": _EXPIRED,
    "UnrecognizedClientException": _UNKNOWN_KEY,
    "InvalidClientTokenId": _UNKNOWN_KEY,
    "InvalidSignatureException": _UNKNOWN_KEY,
}
_OF_THE_NETWORK = dict.fromkeys(
    ("ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError", "SSLError"),
    _UNREACHABLE,
)
"""What the SDK calls them."""
_CAUSES = {**_CALL_CAUSES, **_OF_THE_NETWORK}
CALL_KINDS = tuple(
    cause.kind
    for cause in (
        *(_DENIED, _FORBIDDEN, NOT_IN_SESSION),
        *dict.fromkeys(_CAUSES.values()),
        *(_PASSING, _UNKNOWN),
    )
)
"""What is told apart of calls that failed."""
_DENIALS = ("AccessDeniedException", "AccessDenied", "UnauthorizedOperation")


class CallFailed(PublishError):
    """An AWS call failed. `transient` says whether asking again can help."""

    def __init__(
        self, operation: str, code: str, message: str, *, resource: str = "*", transient: bool
    ) -> None:
        cause = _call_cause(code, message, transient=transient)
        denied = cause is _DENIED
        super().__init__(
            f"{_action(operation)} failed: {message} ({code})",
            why=cause.why,
            fix=f"{cause.fix}\n{_statement(operation, message, resource)}" if denied else cause.fix,
            link="https://docs.aws.amazon.com/AmazonECR/latest/userguide/security-iam.html"
            if code in _DENIALS
            else "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/CommonErrors.html",
            kind=cause.kind,
        )
        self.operation = operation
        self.code = code
        self.denied = code in _DENIALS
        self.of_credentials = code in _CALL_CAUSES
        self.transient = transient
        self.exit_code = _ROOMS.get(operation, ExitCode.BUG)


def _call_cause(code: str, message: str, *, transient: bool) -> Cause:
    if code in _DENIALS:
        denied = NOT_IN_SESSION if BY_SESSION_POLICY in message else _DENIED
        return _FORBIDDEN if "explicit deny" in message else denied
    return _CAUSES.get(code, _PASSING if transient else _UNKNOWN)


def _action(operation: str) -> str:
    return f"{'inspector2' if operation in _OF_INSPECTOR else 'ecr'}:{operation}"


def _statement(operation: str, message: str, resource: str) -> str:
    actions = [_action(operation)]
    if operation == "ListCoverage" or (operation not in _OF_INSPECTOR and "inspector2:" in message):
        actions = [*_READS_INSPECTOR]
    elif operation == "BatchCheckLayerAvailability":
        actions = [*PUSHES]
    if operation == "GetAuthorizationToken" or actions[0].startswith("inspector2:"):
        resource = "*"
    return json.dumps({"Effect": "Allow", "Action": actions, "Resource": resource}, indent=2)


class RepositoryMissing(PublishError):
    """The repository does not exist and was not to be created."""

    exit_code = ExitCode.REPOSITORY

    def __init__(self, repository: str, region: str) -> None:
        super().__init__(
            f"the repository {repository} does not exist in {region}",
            why="Its name or aws-region is wrong, the credentials are of another account, or "
            "nobody has created it yet.",
            fix="Let this action create it, with scanning on push:\n"
            "    create-repository: true\n"
            "or create it by hand:\n"
            f"    aws ecr create-repository --repository-name {repository} --region {region} \\\n"
            "      --image-scanning-configuration scanOnPush=true",
        )


class WrongRegistry(PublishError):
    """ECR answers for another account or region than the one that was asked for."""

    exit_code = ExitCode.REPOSITORY

    def __init__(self, *, found: str, wanted: str) -> None:
        super().__init__(
            f"this run is for {wanted}, but ECR answers for {found}",
            why="aws-region and registry do not fit each other, or an endpoint of this machine "
            "(AWS_ENDPOINT_URL, a VPC endpoint) leads elsewhere.",
            fix="Check aws-region and registry, and on a machine of your own its AWS_ENDPOINT_URL "
            "and AWS_ENDPOINT_URL_ECR.",
        )


class NotScanned(PublishError):
    """The registry scans, but not this repository, so no verdict would ever come."""

    exit_code = ExitCode.REPOSITORY

    def __init__(self, repository: str, region: str) -> None:
        rule = {
            "scanFrequency": "SCAN_ON_PUSH",
            "repositoryFilters": [{"filter": repository, "filterType": "WILDCARD"}],
        }
        super().__init__(
            f"the repository {repository} is never scanned, so no image of it can pass",
            why="The registry uses enhanced scanning, and none of its rules names this repository. "
            "Nothing was built.",
            fix="Let whoever owns the registry read its rules:\n"
            f"    aws ecr get-registry-scanning-configuration --region {region}\n"
            "This rule is to be added to the rules that are there, by "
            "put-registry-scanning-configuration, which replaces them all:\n"
            f"    {json.dumps(rule)}",
            link="https://docs.aws.amazon.com/AmazonECR/latest/userguide/"
            "image-scanning-enhanced-enabling.html",
        )


_CONTAINERD_STORE = (
    "Switch the engine to the containerd image store (a switch in the settings of Docker Desktop), "
    "in a workflow by a step before this one:\n"
    "    - run: |\n"
    '        settings="$({ sudo cat /etc/docker/daemon.json || true; } |\n'
    '          jq --slurp \'add // {} | .features["containerd-snapshotter"] = true\')"\n'
    '        echo "$settings" | sudo tee /etc/docker/daemon.json\n'
    "        sudo systemctl restart docker"
)
_OTHER_BUILDER = (
    "build outside of the engine (BuildKit then pushes by itself). In a terminal `docker buildx "
    "create --use` sees to that, in a workflow a step before this one:\n"
    "    - uses: docker/setup-buildx-action@v4"
)


class BuilderMissing(PublishError):
    """The builder that `builder` names does not exist or does not answer."""

    exit_code = ExitCode.BUILD

    def __init__(self, builder: str, detail: str) -> None:
        super().__init__(
            f"the builder {builder} cannot be used: {detail}",
            why="`builder` names a builder of `docker buildx ls`, which has to be made before.",
            fix="In a terminal, `docker buildx create --name` makes one. In a workflow, let a step "
            "before this one make it, and hand its name on:\n"
            "    - uses: docker/setup-buildx-action@v4\n"
            "      id: buildx\n"
            f"    - uses: {HOME.removeprefix('https://github.com/')}@v1\n"
            "      with:\n"
            "        builder: ${{ steps.buildx.outputs.name }}",
            link="https://docs.docker.com/build/builders/",
        )


class StoreLacks(PublishError):
    """The engine's image store cannot hold what was asked for; said before the build."""

    exit_code = ExitCode.BUILD

    def __init__(self, wanted: str) -> None:
        super().__init__(
            f"{wanted} cannot be built in this Docker Engine",
            why="With its classic image store an engine holds images of one platform, without "
            "attestations and annotations. Nothing was built.",
            fix=f"{_CONTAINERD_STORE}\nOr {_OTHER_BUILDER}",
            link="https://docs.docker.com/engine/storage/containerd/",
        )


class CacheNotExported(PublishError):
    """The engine's image store cannot write the cache that was asked for; before the build."""

    exit_code = ExitCode.BUILD

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"cache-to says type={kind}, which this Docker Engine cannot write",
            why="With its classic image store an engine writes no cache but `type=inline`. Nothing "
            "was built.",
            fix=f"{_CONTAINERD_STORE}\nOr {_OTHER_BUILDER}",
            link="https://docs.docker.com/build/cache/backends/",
        )


class CandidateCannotMove(PublishError):
    """An index cannot be pushed by this engine under a tag that cannot move; before the build."""

    exit_code = ExitCode.BUILD

    def __init__(self, wanted: str, repository: str, *, mode: str, excluded: Sequence[str]) -> None:
        super().__init__(
            f"{wanted} cannot be pushed by this Docker Engine to {repository}, where a candidate "
            "tag cannot move",
            why="An image is pushed under a candidate tag until it is scanned. This engine puts "
            "every image of an index under it, one after the other, and a tag that cannot move "
            "takes only the first. Nothing was built.",
            fix=f"{_let_candidates_move(repository, mode, excluded)}\nOr {_OTHER_BUILDER}",
            link="https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html",
        )


def _let_candidates_move(repository: str, mode: str, excluded: Sequence[str]) -> str:
    """The command, with the exclusions that are there, because it replaces them all."""
    if not mode.startswith("IMMUTABLE"):
        return (
            "Let candidate tags move: of the repository's exclusions "
            f"({', '.join(excluded)}), change the one that names candidate-…"
        )
    filters = [f"filterType=WILDCARD,filter='{item}'" for item in (*excluded, "candidate-*")]
    return (
        "Let candidate tags move:\n"
        f"    aws ecr put-image-tag-mutability --repository-name {repository} \\\n"
        "      --image-tag-mutability IMMUTABLE_WITH_EXCLUSION \\\n"
        f"      --image-tag-mutability-exclusion-filters {' '.join(filters)}"
    )


class PlatformsMissing(PublishError):
    """The index that was pushed lacks a platform that was asked for."""

    exit_code = ExitCode.PUSH

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(
            f"the image that was pushed lacks {', '.join(missing)}",
            why="The builder left it out, so that the release would lack it too.",
            fix="Look for the platform in the log, in the group «Build», and check `platforms`.",
        )


class EngineMissing(PublishError):
    """No Docker Engine answers, or docker has no buildx."""

    exit_code = ExitCode.BUILD

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"Docker cannot be used: {detail}",
            why="This machine has no Docker Engine, it is not running, or you may not use its "
            "socket.",
            fix="Use a runner with Docker (`runs-on: ubuntu-latest`). On a machine of your own, "
            "install Docker Engine and its buildx plugin, and set DOCKER_HOST if its socket is "
            "not /var/run/docker.sock.",
            link="https://docs.docker.com/engine/install/",
        )


class BuildFailed(PublishError):
    """`docker buildx build` ended with an error; its own output says which."""

    exit_code = ExitCode.BUILD

    def __init__(self, status: int, *, said: str = "") -> None:
        super().__init__(
            f"docker buildx {f'build exited with {status}' if status else 'built nothing'}",
            why=f"{said and f'It says: {said}. '}The whole cause stands in the log, in the group "
            "«Build».",
            fix="If files are missing, check `context` and `file`, and in a workflow that "
            "actions/checkout ran before. Otherwise run the same build on your own machine.",
        )


class ImageMissing(PublishError):
    """The image that `image` names is not in the engine."""

    exit_code = ExitCode.BUILD

    def __init__(self, image: str) -> None:
        super().__init__(
            f"the Docker Engine has no image {image}",
            why="`image` names an image that was built and loaded before.",
            fix="Build it before this, in a workflow by a step of the same job (`run:`):\n"
            f"    docker build --tag {image} .\n"
            "With docker/build-push-action, set `load: true`. Or leave `image` away, so that it is "
            "built here.",
        )


class PushFailed(PublishError):
    """The push ended with an error. push.py names the cause."""

    exit_code = ExitCode.PUSH


class UnexpectedManifest(PublishError):
    """What was pushed cannot be gated with certainty, so it is not."""

    exit_code = ExitCode.PUSH

    def __init__(self, digest: str, detail: str) -> None:
        super().__init__(
            f"the manifest {digest} cannot be gated: {detail}",
            why="Only an image, or an index of images, can be scanned by ECR.",
            fix="Publish an image or an index of images; no release tag was applied.",
        )


class ImageNotThere(PublishError):
    """The image that is to be gated or merged is not in the repository."""

    exit_code = ExitCode.REPOSITORY

    def __init__(self, reference: str, repository: str) -> None:
        super().__init__(
            f"the repository {repository} has no image {reference}",
            why="It was never pushed there, or it was removed since.",
            fix="List what is there:\n"
            f"    aws ecr list-images --repository-name {repository}\n"
            "A candidate that is to be used later must stay: `promote: never` keeps it.",
        )


class BaselineMissing(PublishError):
    """The image whose findings are to count as known cannot be used, which shows before a build."""

    exit_code = ExitCode.REPOSITORY

    def __init__(self, baseline: str, why: str) -> None:
        super().__init__(
            f"the baseline {baseline} cannot be used: {why}",
            why="Without it nobody can tell which findings are new.",
            fix="Give `baseline` a tag or digest that is in the repository. Where there is none "
            "yet, as before the first release, let every finding count as new:\n"
            "    on-baseline-error: warn",
        )


class CannotMerge(PublishError):
    """The images do not make one index."""

    exit_code = ExitCode.INPUT

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"the images cannot be merged: {problem}",
            why="An index holds one image for each platform, and says which is for which.",
            fix="In `digests`, give one digest for each platform, each built by a job of its own.",
        )


class TagTaken(PublishError):
    """A tag is on another image and the repository does not let it move."""

    exit_code = ExitCode.PROMOTE

    def __init__(self, tag: str, digest: str, repository: str, why: str) -> None:
        super().__init__(
            f"the tag {tag} is on {digest} already, and {repository} does not let it move",
            why=why,
            fix="Publish under a tag that is free: a new version, or one that names the commit:\n"
            "    tags: git-{short-sha}\n"
            "Or exclude this tag from the repository's immutability.",
            link="https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html",
        )


class PromotionFailed(PublishError):
    """A release tag could not be applied; says which were and which were not."""

    exit_code = ExitCode.PROMOTE

    def __init__(
        self, cause: PublishError, *, applied: Sequence[str], missing: Sequence[str]
    ) -> None:
        again = "Running it again is safe: tags that are in place stay as they are."
        super().__init__(
            f"the release tag {missing[0]} could not be applied: {cause.what}",
            why=f"Applied: {', '.join(applied) or 'none'}. Not applied: {', '.join(missing)}.",
            fix="\n".join(filter(None, (cause.why, cause.fix, again))),
            link=cause.link,
        )


class GitHubFailed(Exception):
    """GitHub has not taken a report, which changes neither the verdict nor the exit code.

    Args:
        what: What happened, in one line.
        why: Most likely why; may be empty.
        fix: What to do, with the YAML to paste; may be empty.
    """

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        more = f"More: {address('GitHubFailed')}"
        super().__init__("\n".join(filter(None, (what, why, fix, more))))
        self.what = what
        self.why = why
        self.fix = fix


class Cancelled(PublishError):
    """The run was cancelled or its runner shut down."""

    exit_code = ExitCode.CANCELLED

    def __init__(self) -> None:
        super().__init__(
            "the run was cancelled",
            why="Somebody cancelled it (in a terminal by Ctrl-C), a newer run took its place "
            "(`concurrency`), the job's time was over (`timeout-minutes`), or its runner shut "
            "down.",
            fix="Run it again; it continues safely.",
        )


class Bug(PublishError):
    """Something that this action did not foresee."""

    exit_code = ExitCode.BUG

    def __init__(self, error: BaseException) -> None:
        super().__init__(
            f"ecr-publish met an error that it does not know: {type(error).__name__}: {error}",
            why="This is a bug in ecr-publish. Its verdict is not «passed».",
            fix=f"Please report it with the traceback in the log: {HOME}/issues",
        )
