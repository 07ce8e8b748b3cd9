"""The git checkout: which commit is built, and when it was made."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from ecr_publish.origin import Commit

_TIMEOUT = 10


class GitCheckout:
    """The checkout that git finds around a directory."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Args: environ: The environment of git's process."""
        self._environ = dict(environ)

    def commit(self, workspace: str, context: str) -> Commit | None:
        """The commit that is checked out in a build's context.

        None where it is a URL or no checkout, or where there is no git.
        """
        directory = Path(workspace, context)
        # In a container the checkout often belongs to another user, which git would refuse to read.
        settings = ("-c", "safe.directory=*", "-c", "log.showSignature=false")
        command = ("git", *settings, "show", "--no-patch", "--format=%H %ct", "HEAD")
        try:
            answer = subprocess.run(
                command,
                cwd=directory,
                env=self._environ,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        sha, _, time = answer.stdout.strip().partition(" ")
        return Commit(sha=sha, time=int(time))

    def read(self, workspace: str, path: str) -> bytes | None:
        """The bytes of a file; None where there is none that can be read."""
        try:
            return Path(workspace, path).read_bytes()
        except OSError:
            return None
