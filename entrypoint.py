"""The door: the only reader of os.environ. action.yml starts it through start.sh."""

import os
import signal

# A cancel during the imports waits until the corridor can report it (S6).
signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))

if __name__ == "__main__":
    from ecr_publish.main import main

    raise SystemExit(main(os.environ))
