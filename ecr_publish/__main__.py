"""`ecr-publish`, `python -m ecr_publish`: for a terminal what entrypoint.py is for a workflow."""

import os
import sys
from contextlib import suppress

from ecr_publish.terminal import main


def door() -> None:
    """Run the command; the only reader of os.environ here."""
    code = main(sys.argv[1:], os.environ)
    with suppress(OSError):  # nobody reads any more, and the code stands (S6)
        sys.stdout.flush()
    os._exit(code)  # a call of AWS that a cancelled run began may take minutes


if __name__ == "__main__":
    door()
