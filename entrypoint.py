"""The door: the only reader of os.environ. start.sh names the folders to import from."""

import os
import signal
import sys

signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))  # until reported (S6)
if sys.version_info < (3, 10):  # noqa: UP036 - it is the runner's, and nobody has asked before
    print(f"::error title=ecr-publish::It needs Python 3.10 or newer, not {sys.version[:6]}")  # noqa: T201
    raise SystemExit(2)
if __name__ == "__main__" and sys.argv[1:]:
    sys.path += sys.argv[1:]
    from ecr_publish.main import main

    os._exit(main(os.environ))  # all is written; to tidy up its modules takes Python another 65 ms
