"""Other tools' ignore files -> Ignores, as far as each rule means the same for ECR's findings.

Nothing here hides more than the other tool would: a rule with a criterion that ECR's findings
cannot be compared with is left out, and said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from ecr_publish.ignore_files import grype, openvex, trivy
from ecr_publish.ignore_files.rules import Rule
from ecr_publish.ignores import Ignore
from ecr_publish.shape import Malformed

_MOST = 10_000
_LONGEST = 500


@dataclass(frozen=True, kw_only=True)
class IgnoreFile:
    """What a file of another tool accepts.

    `skipped` says, with file and line, which of its rules are not taken over and why.
    """

    ignores: tuple[Ignore, ...]
    skipped: tuple[str, ...] = ()


def read(content: bytes, name: str, repository: str) -> IgnoreFile:
    """Read an ignore file; raises Malformed whose problems name file, line and key.

    Args:
        content: The file's bytes.
        name: Its path, which decides the format.
        repository: The ECR repository's name, for the products of OpenVEX.
    """
    try:
        found = _few(_rules(content, name, repository))
    except Malformed as error:
        raise Malformed([f"{name}: {problem}" for problem in error.problems]) from None
    return IgnoreFile(
        ignores=tuple(
            replace(rule, place=f"{name}, {rule.place}")
            for rule in found
            if isinstance(rule, Ignore)
        ),
        skipped=tuple(_cut(f"{name}, {rule}") for rule in found if isinstance(rule, str)),
    )


def _rules(content: bytes, name: str, repository: str) -> Iterator[Rule]:
    file = name.rpartition("/")[2]
    if file.endswith(".trivyignore"):
        return trivy.plain(content)
    if file.endswith((".trivyignore.yaml", ".trivyignore.yml")):
        return trivy.structured(content)
    if file.endswith(("grype.yaml", "grype.yml")):
        return grype.rules(content)
    if file.endswith(".json"):
        return openvex.rules(content, repository)
    accepted = ".trivyignore, .trivyignore.yaml, .grype.yaml, or .json for OpenVEX"
    raise Malformed([f"the name of an ignore file ends with {accepted}"])


def _few(rules: Iterator[Rule]) -> list[Rule]:
    """All of them, unless they are too many; products and their parts make much out of little."""
    found = list(islice(rules, _MOST + 1))
    if len(found) > _MOST:
        raise Malformed([f"has more than {_MOST} rules"])
    return found


def _cut(sentence: str) -> str:
    return sentence if len(sentence) <= _LONGEST else f"{sentence[:_LONGEST]}…"
