"""The git checkout: which commit is built, and when it was made."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ecr_publish.context import Head
from ecr_publish.origin import Commit
from ecr_publish.shape import LARGEST

_TIMEOUT = 10


class GitCheckout:
    """The checkout that git finds around a directory."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Args: environ: The environment of git's process."""
        self._environ = dict(environ)
        self._known: dict[Path, Commit | None] = {}

    def commit(self, workspace: str, context: str) -> Commit | None:
        """The commit that is checked out in a build's context.

        None where it is a URL or no checkout, or where there is no git. Of many contexts in one
        checkout git is asked once, since it looks at all files each time.
        """
        directory = Path(workspace, context).resolve()
        if not directory.is_dir():
            return None
        around = (directory, *directory.parents)
        root = next((it for it in around if (it / ".git").exists()), directory)
        if root not in self._known:
            self._known[root] = self._commit(directory)
        return self._known[root]

    def _commit(self, directory: Path) -> Commit | None:
        try:
            head = self._git(directory, "show", "--no-patch", "--format=%H %ct", "HEAD")
            changed = self._git(directory, "status", "--porcelain", "--untracked-files=no")
        except (OSError, subprocess.SubprocessError):
            return None
        sha, _, time = head.strip().partition(" ")
        return Commit(sha=sha, time=int(time), clean=not changed.strip())

    def branches(self, workspace: str) -> Head:
        """The branch that is checked out, and the default one, as far as git knows them."""
        return Head(
            branch=self._leads_to(workspace, "HEAD", "refs/heads/"),
            default_branch=self._leads_to(
                workspace, "refs/remotes/origin/HEAD", "refs/remotes/origin/"
            ),
        )

    def _leads_to(self, workspace: str, name: str, kind: str) -> str | None:
        """Where a symbolic reference leads; None where it is none, or there is no git."""
        try:
            found = self._git(Path(workspace), "symbolic-ref", "--quiet", name).strip()
        except (OSError, subprocess.SubprocessError):
            return None
        return found.removeprefix(kind)

    def read(self, workspace: str, path: str) -> bytes | None:
        """The bytes of a file, None where there is none; raises OSError for what is no plain file.

        Of a large one only so much that it can be seen to be too large; a pipe or a device, which
        may never end, is no file.
        """
        file = Path(workspace, path)
        if not os.path.lexists(file):
            return None
        if not file.is_file():
            raise IsADirectoryError(None, "it is no file")
        with file.open("rb") as stream:
            return stream.read(LARGEST + 1)

    def _git(self, directory: Path, *words: str) -> str:
        # In a container the checkout often belongs to another user, which git would refuse to read.
        settings = ("-c", "safe.directory=*", "-c", "log.showSignature=false")
        return subprocess.run(
            ("git", *settings, *words),
            cwd=directory,
            # Nothing is written into the workspace, not even the index's times.
            env={**self._environ, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=True,
        ).stdout
