"""Environment -> Inputs. The only reader of the action's inputs; reports all bad ones at once.

action.yml hands every input over as `ECR_PUBLISH_<NAME>` (a composite action gets no INPUT_*).
An empty value is the same as an input that was not given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import TypeVar

from ecr_publish.errors import InvalidInputs
from ecr_publish.findings import Severity, Threshold
from ecr_publish.reference import RegistryId, Repository

PREFIX = "ECR_PUBLISH_"

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", re.ASCII)
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
_SESSION = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_PLATFORM = re.compile(r"linux/[a-z0-9_]+(/[a-z0-9]+)?")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

PLACEHOLDERS = ("sha", "short-sha", "branch")
SHORTEST_SCAN_TIMEOUT, LONGEST_SCAN_TIMEOUT = 10, 6 * 3600
SHORTEST_SESSION, LONGEST_SESSION = 900, 43_200
SHORTEST_SCAN_AGE = 300
"""A scan that has just ended has an age too; with less, no image could ever pass."""

T = TypeVar("T")


class Mutability(Enum):
    """Whether a tag of the repository can be moved to another image (ECR's own words)."""

    MUTABLE = "MUTABLE"
    IMMUTABLE = "IMMUTABLE"


class OnUnjudged(Enum):
    """What to do where ECR gave no verdict: fail, or let the image pass with a loud warning."""

    FAIL = "fail"
    WARN = "warn"


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
class Inputs:
    """What the user asked for, typed. One field per input of action.yml, `-` written as `_`."""

    aws_region: str
    role_to_assume: str | None
    role_session_name: str | None
    role_duration_seconds: int
    audience: str | None
    registry: RegistryId | None
    repository: Repository
    create_repository: bool
    image_tag_mutability: Mutability | None
    context: str | None
    file: str | None
    target: str | None
    platforms: tuple[str, ...]
    build_args: tuple[str, ...] = field(repr=False)
    labels: tuple[str, ...]
    network: str | None
    image: str | None
    tags: tuple[str, ...]
    severity_threshold: Threshold
    unknown_severity: Severity
    scan_timeout: int
    max_scan_age: int | None
    on_timeout: OnUnjudged
    on_unsupported: OnUnjudged
    on_scan_error: OnUnjudged
    report_only: bool


def parse(environ: Mapping[str, str]) -> Inputs:
    """Read every input; raises InvalidInputs naming all problems together."""
    reader = _Reader(environ)
    inputs = Inputs(
        aws_region=reader.region(),
        role_to_assume=reader.optional("role-to-assume", _role),
        role_session_name=reader.optional("role-session-name", _session_name),
        role_duration_seconds=reader.given("role-duration-seconds", _session_seconds, 3600),
        audience=reader.optional("audience", str),
        registry=reader.optional("registry", RegistryId.parse),
        repository=reader.required("repository", Repository.parse, Repository("unknown")),
        create_repository=reader.given("create-repository", _boolean, default=False),
        image_tag_mutability=reader.optional("image-tag-mutability", _one_of(Mutability)),
        context=reader.optional("context", str),
        file=reader.optional("file", str),
        target=reader.optional("target", str),
        platforms=reader.given("platforms", _platforms, ()),
        build_args=reader.given("build-args", _lines_of(_build_arg), ()),
        labels=reader.given("labels", _lines_of(_label), ()),
        network=reader.optional("network", str),
        image=reader.optional("image", str),
        tags=reader.given("tags", _lines_of(_tag_template), ()),
        severity_threshold=reader.given("severity-threshold", _one_of(Threshold), Threshold.HIGH),
        unknown_severity=reader.given(
            "unknown-severity", _one_of(UnknownSeverity), UnknownSeverity.FAIL
        ).severity,
        scan_timeout=reader.given("scan-timeout", _scan_seconds, 900),
        max_scan_age=reader.optional("max-scan-age", _scan_age),
        on_timeout=reader.given("on-timeout", _one_of(OnUnjudged), OnUnjudged.FAIL),
        on_unsupported=reader.given("on-unsupported", _one_of(OnUnjudged), OnUnjudged.FAIL),
        on_scan_error=reader.given("on-scan-error", _one_of(OnUnjudged), OnUnjudged.FAIL),
        report_only=reader.given("report-only", _boolean, default=False),
    )
    problems = [*reader.problems, *_conflicts(inputs)]
    if problems:
        raise InvalidInputs(problems)
    return inputs


def variable(name: str) -> str:
    """The environment variable that carries an input: `aws-region` -> `ECR_PUBLISH_AWS_REGION`."""
    return PREFIX + name.replace("-", "_").upper()


def names() -> tuple[str, ...]:
    """Every input's name, in the order of Inputs."""
    return tuple(item.name.replace("_", "-") for item in fields(Inputs))


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
        for ambient in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            text = self._text(ambient)
            if text and not self._text(variable("aws-region")):
                return self._read(f"{ambient} (aws-region is not set)", text, _region) or ""
        return self.required("aws-region", _region, "")

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


def _conflicts(inputs: Inputs) -> list[str]:
    problems = []
    if inputs.image:
        build = ("context", "file", "target", "platforms", "build_args", "labels", "network")
        named = [name.replace("_", "-") for name in build if getattr(inputs, name)]
        if named:
            problems.append(
                f"image: names an image that is already built, so {', '.join(named)} would have "
                "no effect; remove either image or the build's inputs"
            )
    if inputs.image_tag_mutability and not inputs.create_repository:
        problems.append(
            "image-tag-mutability: is used only when this action creates the repository (an "
            "existing one is never changed); add `create-repository: true` or remove it"
        )
    if inputs.role_to_assume and inputs.scan_timeout >= inputs.role_duration_seconds:
        problems.append(
            f"scan-timeout: waits for up to {inputs.scan_timeout} s, but the role's session ends "
            f"after {inputs.role_duration_seconds} s; raise role-duration-seconds above "
            "build, scan and promotion together, or lower scan-timeout"
        )
    host_region = inputs.registry.region if inputs.registry else None
    if host_region and inputs.aws_region and host_region != inputs.aws_region:
        problems.append(
            f"registry: is in {host_region}, but aws-region is {inputs.aws_region}; "
            "a token of one region is refused in another"
        )
    return problems


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is not a boolean; write true or false")
    return text == "true"


E = TypeVar("E", bound=Enum)


def _one_of(kind: type[E]) -> Callable[[str], E]:
    def read(text: str) -> E:
        try:
            return kind(text)
        except ValueError:
            accepted = ", ".join(str(member.value) for member in kind)
            raise ValueError(f"{text!r} is not one of: {accepted}") from None

    return read


def _lines_of(read: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    def read_all(text: str) -> tuple[str, ...]:
        values, problems = [], []
        for line in filter(None, map(str.strip, text.splitlines())):
            try:
                values.append(read(line))
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise ValueError("; ".join(problems))
        return tuple(values)

    return read_all


def _role(text: str) -> str:
    if not _ROLE.fullmatch(text):
        raise ValueError(
            f"{text!r} is not the ARN of a role (arn:aws:iam::123456789012:role/my-publisher)"
        )
    return text


def _region(text: str) -> str:
    if not _REGION.fullmatch(text):
        raise ValueError(f"{text!r} is not an AWS region (for example eu-west-1)")
    return text


def _session_name(text: str) -> str:
    if not _SESSION.fullmatch(text):
        raise ValueError(f"{text!r} is not a session name (2 to 64 of A-Z a-z 0-9 _ + = , . @ -)")
    return text


def _session_seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not (
        SHORTEST_SESSION <= int(text) <= LONGEST_SESSION
    ):
        raise ValueError(
            f"{text!r} is not a number of seconds from {SHORTEST_SESSION} to {LONGEST_SESSION}"
        )
    return int(text)


def _scan_seconds(text: str) -> int:
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not SHORTEST_SCAN_TIMEOUT <= seconds <= LONGEST_SCAN_TIMEOUT:
        raise ValueError(f"{text!r} is not a duration from 10s to 6h (90s, 15m, 1h, or seconds)")
    return seconds


def _scan_age(text: str) -> int:
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if seconds < SHORTEST_SCAN_AGE:
        raise ValueError(f"{text!r} is not a duration of at least 5m (90m, 12h, 7d, or seconds)")
    return seconds


def _platforms(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(filter(None, re.split(r"[,\s]+", text))))
    wrong = [name for name in names if not _PLATFORM.fullmatch(name)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not a platform (linux/amd64, linux/arm64, linux/arm/v7)")
    return names


def _build_arg(line: str) -> str:
    if not re.match(r"[A-Za-z_]\w*(=|$)", line):
        name, value, _ = line.partition("=")
        # Without a name it may be the second line of a secret, so it is not shown.
        shown = repr(name) if value else "a line"
        raise ValueError(f"{shown} is not NAME=value (one build-arg per line)")
    return line


def _label(line: str) -> str:
    if not re.match(r"[^\s=]+=", line):
        raise ValueError(f"{line!r} is not name=value (one label per line)")
    return line


def _tag_template(line: str) -> str:
    unknown = [name for name in _PLACEHOLDER.findall(line) if name not in PLACEHOLDERS]
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise ValueError(f"{line!r} has the unknown placeholder {{{unknown[0]}}}; known: {known}")
    return line
