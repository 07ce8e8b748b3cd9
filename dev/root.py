"""How the tools of the developers become root: directly, by `sudo -n`, or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess


class RootNeededError(Exception):
    """Neither root nor passwordless sudo is at hand."""


def as_root(purpose: str) -> list[str]:
    """Give the words to put in front of a command that only root may run.

    Raises:
        RootNeededError: With the purpose in its message.
    """
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if (
        sudo
        and subprocess.run([sudo, "-n", "true"], check=False, capture_output=True).returncode == 0
    ):
        return [sudo, "-n"]
    raise RootNeededError(f"{purpose} needs root, or sudo that asks for no password (sudo -n true)")
