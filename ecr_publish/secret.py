"""What a build may read while it runs, and what must never be shown: its secrets."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A secret whose value buildx reads from a variable that no other process has.

    So it stands in no command line and in no file (Docker: "Build secrets").
    """

    id: str
    variable: str
    value: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class SecretFile:
    """A secret in a file of the user's; a relative path begins in the workspace."""

    id: str
    path: str
