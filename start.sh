#!/usr/bin/env bash
# Starts the action in Python, with the packages of a release's bundle (dist/) or, where there is
# none of this lock, with the locked ones, installed outside of the workspace. A second use in the
# same job finds these ready. On the way with the bundle every process would cost, so there is none.
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
action="${BASH_SOURCE[0]%/*}"
home="${RUNNER_TEMP:?is set by the runner}/ecr-publish"
locked="$action/requirements/runtime.txt"
packages="$action/dist"

[[ $OSTYPE == linux* ]] ||
  refuse "ecr-publish needs a Linux runner with Docker; write runs-on: ubuntu-latest"
command -v python3 >/dev/null ||
  refuse "ecr-publish needs python3 on PATH; on ubuntu-latest it is there"

# -I -S: nothing of the user's own Python but its standard library.
start=(python3 -I -S -u)

install_by_uv() {
  # System certificates: a company's proxy is trusted there and not in uv's own list. The setting
  # has had two names; as variables, a version ignores the one that it does not know.
  export UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 UV_NO_CONFIG=1
  rm -rf "$packages" && uv pip install --quiet --no-deps --require-hashes --only-binary :all: \
    --python "$(command -v python3)" --target "$packages" --requirement "$locked"
}

install_by_pip() {
  rm -rf "$packages" && python3 -m venv --clear "$home/pip" &&
    "$home/pip/bin/python" -m pip --disable-pip-version-check --quiet install --no-deps \
      --require-hashes --only-binary :all: --target "$packages" --requirement "$locked"
}

# bash reads both files itself; a program that compares them would cost as much as all of this.
if [[ ! -e "$packages/runtime.txt" || "$(<"$locked")" != "$(<"$packages/runtime.txt")" ]]; then
  # Without a folder to import from, this asks whether Python is new enough.
  "${start[@]}" "$action/entrypoint.py"
  # A bundle brings its bytecode; here it goes to the runner's temporary folder.
  start+=(-X "pycache_prefix=$home/bytecode")
  packages="$home/packages-$({ python3 -V && cat "$locked"; } | sha256sum | cut -c1-16)"
  if [[ ! -e "$packages/runtime.txt" ]]; then
    mkdir -p "$home"
    { command -v uv >/dev/null && install_by_uv; } || install_by_pip ||
      refuse "ecr-publish could not install its locked dependencies (requirements/runtime.txt)"
    cp "$locked" "$packages/"
  fi
fi

exec "${start[@]}" "$action/entrypoint.py" "$action" "$packages"
