"""Where a finding belongs in the repository: the Dockerfile, and the line that brought it."""

from __future__ import annotations

import posixpath

from ecr_publish.findings import Finding
from ecr_publish.outcome import Outcome
from ecr_publish.plan import Build
from ecr_publish.report.escape import printable

_DOCKERFILE = "Dockerfile"


def dockerfile(outcome: Outcome) -> tuple[str, bool]:
    """The Dockerfile's path in the repository, and whether it is known to lie there."""
    source = outcome.plan.source if outcome.plan else None
    if not isinstance(source, Build):
        return _DOCKERFILE, False
    path = posixpath.normpath(source.file or posixpath.join(source.context, _DOCKERFILE))
    # A git repository, an address or standard input as the context; or what is outside of it all.
    elsewhere = ":" in path or path.startswith(("/", "..", "-"))
    return (_DOCKERFILE, False) if elsewhere else (printable(path), True)


def line_of(finding: Finding) -> int:
    """The line that brought the first of its packages; 1 where none is known."""
    lines = (package.layer.line for package in finding.packages if package.layer)
    return next((line for line in lines if line and line > 0), 1)
