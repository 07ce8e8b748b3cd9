#!/usr/bin/env bash
# Starts a local ECR for the later steps of a job (`start PRESET`), and ends it (`stop`).
# The steps reach it through the variables that it adds to GITHUB_ENV.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

: "${GITHUB_ENV:?is set by the runner}" "${RUNNER_TEMP:?is set by the runner}"
ready=$RUNNER_TEMP/local-ecr.json

case "${1-}" in
  start)
    dev/install.sh
    rm -f "$ready"
    setsid .venv/bin/python -m local_ecr --scenario "${2:?a preset}" --env-file "$ready" \
      >"$RUNNER_TEMP/local-ecr.log" 2>&1 </dev/null &
    echo $! >"$RUNNER_TEMP/local-ecr.pid"
    for _ in {1..100}; do
      [[ -s $ready ]] && break
      sleep 0.1
    done
    .venv/bin/python -c '
import json, sys
for name, value in json.load(open(sys.argv[1]))["environment"].items():
    print(f"{name}={value}")
' "$ready" >>"$GITHUB_ENV"
    ;;
  stop) kill "$(<"$RUNNER_TEMP/local-ecr.pid")" ;;
  *)
    echo "usage: dev/local_ecr.sh start PRESET | stop" >&2
    exit 2
    ;;
esac
