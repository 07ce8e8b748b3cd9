"""One reader per kind of value: text -> typed value. Each raises ValueError that shows the rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import TypeVar

from ecr_publish import hosts
from ecr_publish.reference import Digest, Repository, Tag
from ecr_publish.secret import SecretFile

PLACEHOLDERS = ("sha", "short-sha", "branch", "target")
SHORTEST_SCAN_TIMEOUT, LONGEST_SCAN_TIMEOUT = 10, 6 * 3600
SHORTEST_SESSION, LONGEST_SESSION = 900, 43_200
SHORTEST_SCAN_AGE = 300
"""A scan that has just ended has an age too; with less, no image could ever pass."""

REPORTS = (".json", ".csv", ".html")
_ACCOUNT = re.compile(r"[0-9]{12}")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", re.ASCII)
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
_SESSION = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_PLATFORM = re.compile(r"linux/[a-z0-9_]+(/[a-z0-9]+)?")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_SECRET = re.compile(r'[^\s=,"]+')
_GENERATOR = re.compile(r"generator=[^\s,]+")
_QUOTED = re.compile(r'"((?:[^"]|"")*)"(?=\n|$)')
_UNCLOSED = re.compile(r'"(?:[^"]|"")*$')
_BAKE_TARGET = re.compile(r"[A-Za-z0-9_-]+")
_PROVENANCE = ("false", "true", "mode=min", "mode=max")

T = TypeVar("T")
E = TypeVar("E", bound=Enum)


def boolean(text: str) -> bool:
    """`true` or `false`, as YAML writes them, and nothing else."""
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is not a boolean; write true or false")
    return text == "true"


def one_of(kind: type[E]) -> Callable[[str], E]:
    """A reader of an enum's values."""

    def read(text: str) -> E:
        try:
            return kind(text)
        except ValueError:
            accepted = ", ".join(str(member.value) for member in kind)
            raise ValueError(f"{text!r} is not one of: {accepted}") from None

    return read


def lines_of(read: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """A reader of one value per line; all bad lines are named together."""
    return lambda text: _each(read, map(str.strip, text.splitlines()))


def entries_of(read: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """A reader of one value per line, as docker/build-push-action reads its lists.

    Quotes around a whole value let it hold line breaks, and `""` in them is one quote. All bad
    values are named together.
    """
    return lambda text: _each(read, _entries(text))


def words_of(read: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """A reader of values that commas or line breaks separate."""
    return lambda text: _each(read, map(str.strip, re.split(r"[,\n]", text)))


def role(text: str) -> str:
    """The ARN of an IAM role."""
    if not _ROLE.fullmatch(text):
        raise ValueError(
            f"{text!r} is not the ARN of a role (arn:aws:iam::123456789012:role/my-publisher)"
        )
    return text


def region(text: str) -> str:
    """An AWS region."""
    if not _REGION.fullmatch(text):
        raise ValueError(f"{text!r} is not an AWS region (for example eu-west-1)")
    hosts.partition(text)
    return text


def account(word: str) -> str:
    """The id of an AWS account."""
    if not _ACCOUNT.fullmatch(word):
        raise ValueError(
            f"{word!r} is not an account id (12 digits; in quotes, or YAML drops leading zeros)"
        )
    return word


def accounts(text: str) -> tuple[str, ...]:
    """The ids of AWS accounts, at least one: none named would let in every account."""
    found = words_of(account)(text)
    if not found:
        raise ValueError(f"{text!r} names no account; give ids of 12 digits, or leave it away")
    return found


def session_name(text: str) -> str:
    """The name of a role's session (STS API reference, RoleSessionName)."""
    if not _SESSION.fullmatch(text):
        raise ValueError(f"{text!r} is not a session name (2 to 64 of A-Z a-z 0-9 _ + = , . @ -)")
    return text


def session_seconds(text: str) -> int:
    """How long a role's session lasts (STS API reference, DurationSeconds)."""
    if not (text.isascii() and text.isdigit()) or not (
        SHORTEST_SESSION <= int(text) <= LONGEST_SESSION
    ):
        raise ValueError(
            f"{text!r} is not a number of seconds from {SHORTEST_SESSION} to {LONGEST_SESSION}"
        )
    return int(text)


def scan_timeout(text: str) -> int:
    """How long to wait for a scan, in seconds."""
    seconds = _duration(text)
    if not SHORTEST_SCAN_TIMEOUT <= seconds <= LONGEST_SCAN_TIMEOUT:
        raise ValueError(f"{text!r} is not a duration from 10s to 6h (90s, 15m, 1h, or seconds)")
    return seconds


def scan_age(text: str) -> int:
    """How old a scan may be, in seconds."""
    seconds = _duration(text)
    if seconds < SHORTEST_SCAN_AGE:
        raise ValueError(f"{text!r} is not a duration of at least 5m (90m, 12h, 7d, or seconds)")
    return seconds


def platforms(text: str) -> tuple[str, ...]:
    """Platforms as docker writes them, separated by commas or spaces, each once."""
    names = tuple(dict.fromkeys(filter(None, re.split(r"[,\s]+", text))))
    wrong = [name for name in names if not _PLATFORM.fullmatch(name)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not a platform (linux/amd64, linux/arm64, linux/arm/v7)")
    return names


def provenance(text: str) -> str:
    """What buildx takes for --provenance (Docker: "Provenance attestation")."""
    if text not in _PROVENANCE:
        raise ValueError(f"{text!r} is not one of: {', '.join(_PROVENANCE)}")
    return text


def sbom(text: str) -> str:
    """What buildx takes for --sbom (Docker: "SBOM attestation")."""
    if text not in ("false", "true") and not _GENERATOR.fullmatch(text):
        raise ValueError(f"{text!r} is not one of: false, true, generator=<image>")
    return text


def repository(text: str) -> Repository:
    """A repository's name; of many images `{target}` in it is the name of each."""
    Repository.parse(text.replace("{target}", "target"))
    return Repository(text)


def bake_targets(text: str) -> tuple[str, ...]:
    """Targets and groups of a bake file, separated by commas, blanks or lines, each once."""
    names = tuple(dict.fromkeys(filter(None, re.split(r"[,\s]+", text))))
    wrong = [name for name in names if not _BAKE_TARGET.fullmatch(name)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not a target of a bake file (A-Z a-z 0-9 _ -)")
    return names


def build_arg(line: str) -> str:
    """A build argument; its value is never shown."""
    if not re.match(r"[A-Za-z_]\w*(=|$)", line):
        name, _, value = line.partition("=")
        # Without name or value it may be the second line of a secret, such as base64 that ends in
        # `=`, so it is not shown.
        shown = repr(name) if value.strip("=") else "a line"
        raise ValueError(f"{shown} is not NAME=value (one build-arg per line)")
    return line


def secret(entry: str) -> tuple[str, str]:
    """The name of a secret and its value, which is never shown, nor any part of the entry."""
    name, _, value = entry.partition("=")
    # Without name or value it may be the second line of a secret, such as base64 that ends in `=`.
    if not (_SECRET.fullmatch(name) and value.strip("=")):
        raise ValueError(
            "an entry is not id=value, or has no value (is that secret set, and does this event "
            "get secrets?); put quotes around the whole of an entry that has several lines"
        )
    return name, value


def secret_env(word: str) -> tuple[str, str]:
    """The name of a secret, and the variable that holds its value."""
    name, _, variable = word.partition("=")
    if not (_SECRET.fullmatch(name) and re.fullmatch(r"[A-Za-z_]\w*", variable, re.ASCII)):
        # Somebody may have written the value itself.
        raise ValueError("an entry is not id=VARIABLE, the name of a variable of the job")
    return name, variable


def secret_file(line: str) -> SecretFile:
    """The name of a secret, and the file that holds its value."""
    name, _, path = line.partition("=")
    if not (_SECRET.fullmatch(name) and path):
        raise ValueError("an entry is not id=path (one per line)")
    return SecretFile(id=name, path=path)


def label(line: str) -> str:
    """A label of an image."""
    return _shaped(line, r"[^\s=]+=", "name=value (one label per line)")


def annotation(line: str) -> str:
    """An annotation of a manifest or an index (Docker: "Annotations")."""
    return _shaped(line, r"[^\s=]+=", "name=value, or level:name=value (one per line)")


def build_context(line: str) -> str:
    """A further build context (Docker's reference: "--build-context")."""
    return _shaped(line, r"[^\s=]+=.+\Z", "name=path or name=URL (one per line)")


def host(word: str) -> str:
    """A host and its address (Docker's reference: "--add-host")."""
    return _shaped(word, r"[^\s:=]+[:=]\S+\Z", "host:ip")


def size(text: str) -> str:
    """A size in bytes, with a unit if that is wanted (Docker's reference: "--shm-size")."""
    return _shaped(text, r"(?i:[0-9]+(\.[0-9]+)? ?[kmgt]?i?b?)\Z", "a size (64m, 2g)")


def ulimit(line: str) -> str:
    """A limit of what a process may use (Docker's reference: "--ulimit")."""
    expected = "type=soft or type=soft:hard (nofile=1024:2048)"
    return _shaped(line, r"[a-z]+=-?[0-9]+(:-?[0-9]+)?\Z", expected)


def tag_template(line: str) -> str:
    """A tag, with placeholders that plan.py fills in."""
    unknown = [name for name in _PLACEHOLDER.findall(line) if name not in PLACEHOLDERS]
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise ValueError(f"{line!r} has the unknown placeholder {{{unknown[0]}}}; known: {known}")
    return line


def report_file(line: str) -> str:
    """The path of a report, whose ending says in which format."""
    if not line.endswith(REPORTS):
        raise ValueError(f"{line!r} does not end in {', '.join(REPORTS)}, which is the format")
    return line


def reference(text: str) -> Tag | Digest:
    """A tag or a digest (OCI distribution specification: "reference")."""
    if text.startswith("sha256:"):
        return Digest.parse(text)
    try:
        return Tag.parse(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is neither a tag nor a digest; give only that, without the repository"
        ) from None


def _shaped(text: str, shape: str, expected: str) -> str:
    """The text, if it begins with this shape; its error says what is expected instead."""
    if not re.match(shape, text):
        raise ValueError(f"{text!r} is not {expected}")
    return text


def _each(read: Callable[[str], T], texts: Iterable[str]) -> tuple[T, ...]:
    values, problems = [], []
    for text in filter(None, texts):
        try:
            values.append(read(text))
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(values)


def _entries(text: str) -> Iterator[str]:
    """The records of CSV, but with the commas and inner quotes that buildx is to read itself."""
    text, at = text.replace("\r\n", "\n"), 0
    while at < len(text):
        if quoted := _QUOTED.match(text, at):
            yield quoted[1].replace('""', '"')
            at = quoted.end()
        elif _UNCLOSED.match(text, at):
            # What it holds may be a secret, so it is not shown.
            raise ValueError("a quote that opens a value is never closed")
        else:
            line = text[at:].partition("\n")[0]
            yield line.strip()
            at += len(line)
        at += 1


def _duration(text: str) -> int:
    match = _DURATION.fullmatch(text)
    return int(match[1]) * _SECONDS[match[2]] if match else 0
