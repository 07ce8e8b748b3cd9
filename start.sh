#!/usr/bin/env bash
# Gives the action a Python environment of its own, outside of the workspace, and starts it there.
# A second use in the same job finds the environment ready.
set -euo pipefail

refuse() {
  echo "::error title=ecr-publish::$1"
  exit 2
}

# bash itself goes on after a signal that its child has survived. GitHub signals this process alone.
trap 'echo "::error title=ecr-publish::Not published: the step was cancelled"; exit 130' INT TERM

# Before version 5 bash has no such clock; the durations then begin with Python.
now="${EPOCHREALTIME:-}"
export ECR_PUBLISH_STARTED="${now/,/.}"
action="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
home="${RUNNER_TEMP:?is set by the runner}/ecr-publish"
locked="$action/requirements/runtime.txt"

[[ "$(uname -s)" == Linux ]] ||
  refuse "ecr-publish needs a Linux runner with Docker; write runs-on: ubuntu-latest"
command -v python3 >/dev/null ||
  refuse "ecr-publish needs python3 on PATH; on ubuntu-latest it is there"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  refuse "ecr-publish needs Python 3.10 or newer, and python3 is $(python3 --version)"

lock="$(sha256sum "$locked" | cut -c1-16)"
venv="$home/venv-$lock"

install_by_uv() {
  # System certificates: a company's proxy is trusted there and not in uv's own list. The setting
  # has had two names; as variables, a version ignores the one that it does not know.
  export UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 UV_NO_CONFIG=1
  uv venv --quiet --python "$(command -v python3)" "$venv" &&
    uv pip install --quiet --no-deps --require-hashes --only-binary :all: \
      --python "$venv/bin/python" --requirement "$locked"
}

install_by_pip() {
  python3 -m venv --clear "$venv" &&
    "$venv/bin/python" -m pip --disable-pip-version-check --quiet install --no-deps \
      --require-hashes --only-binary :all: --requirement "$locked"
}

if [[ ! -e "$venv/ready" ]]; then
  rm -rf "$venv" && mkdir -p "$home"
  { command -v uv >/dev/null && install_by_uv; } || install_by_pip ||
    refuse "ecr-publish could not install its locked dependencies (requirements/runtime.txt)"
  touch "$venv/ready"
fi

# -E -s: nothing of the user's own Python. The bytecode goes to the runner's temporary folder.
exec "$venv/bin/python" -E -s -u -X "pycache_prefix=$home/bytecode" "$action/entrypoint.py"
