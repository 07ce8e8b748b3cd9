"""The door: the only reader of os.environ. action.yml starts it through start.sh."""

import os

from ecr_publish.main import main

if __name__ == "__main__":
    raise SystemExit(main(os.environ))
