"""`python -m ecr_publish`: for a terminal what entrypoint.py is for a workflow."""

import sys

from ecr_publish.terminal import main

raise SystemExit(main(sys.argv[1:]))
