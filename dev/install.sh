#!/usr/bin/env bash
# Makes a fresh Debian or Ubuntu ready for `make demo` and `make test`: system packages where a
# program is missing, then .venv from requirements/dev.txt. With nothing to do it ends at once.
# Nothing is skipped in silence: what cannot be had is named, and the exit code is 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly CACHE=$PWD/.cache
readonly STAMP=$CACHE/install.stamp
readonly LOCK=requirements/dev.txt

say() { printf 'install: %s\n' "$*" >&2; }
fail() {
  say "$@"
  exit 1
}

# A company's proxy signs with a private CA that only the system's store knows; the name of uv's
# switch for it changed, so both are set and the uv at hand takes the one it understands.
export UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1
# The interpreter is the machine's own: downloading another one is not this script's business.
export UV_PYTHON_DOWNLOADS=never UV_CACHE_DIR=${UV_CACHE_DIR:-$CACHE/uv-cache}
# An index of the machine's owner may stay in pip's or uv's configuration; a stray venv may not.
unset VIRTUAL_ENV PYTHONHOME PYTHONPATH
# dockerd is where a plain user's PATH does not look.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# --- system packages -----------------------------------------------------------------------------

have() { command -v "$1" >/dev/null 2>&1; }

release() { (. /etc/os-release && printf '%s' "${!1-}"); }

# Prints the packages for the programs that are missing, one a line.
missing_packages() {
  local is_debian
  is_debian=$([[ $(release ID) == debian ]] && echo yes || echo no)
  have dockerd || echo docker.io
  # Debian splits the client off, Ubuntu ships it in docker.io.
  if ! have docker; then [[ $is_debian == yes ]] && echo docker-cli || echo docker.io; fi
  # For every user: a plugin in somebody's ~/.docker is not there for a job with its own HOME.
  DOCKER_CONFIG=$CACHE/none docker buildx version >/dev/null 2>&1 || echo docker-buildx
  have mmdebstrap || echo mmdebstrap
  have skopeo || echo skopeo
  have git || echo git
  have make || echo make
  find_python >/dev/null || echo python3
  python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

# Sets AS_ROOT to the words that make a command run as root, or names what the user must install.
become_root() {
  if ((EUID == 0)); then
    AS_ROOT=()
  elif have sudo && sudo -n true 2>/dev/null; then
    AS_ROOT=(sudo -n)
  else
    fail "neither root nor passwordless sudo, so please install these packages and run again:" "$@"
  fi
}

# Prints a deb822 source for the release after Debian 12, on the mirror that this machine uses for
# its own release. Debian 12 has no buildx, and an engine that is too old for it.
next_release_source() {
  local codename mirror
  codename=$(release VERSION_CODENAME)
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Identifier: Packages' |
    awk -v codename="$codename" '$2 == codename { print $1; exit }')
  [[ -n $mirror ]] || fail "apt's sources name no mirror for $codename; docker-buildx needs one"
  printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\n' "$mirror"
  printf 'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n'
}

# Lays out an apt configuration of our own in directory $1: the machine's sources and, at a
# priority that no package wins by itself, the next release. The machine's own stays untouched.
private_apt() {
  local dir=$1 part
  mkdir -p "$dir"/{sources,preferences,lists/partial}
  chmod 755 "$dir"
  for part in /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources}; do
    [[ -e $part ]] && cp "$part" "$dir/sources/"
  done
  for part in /etc/apt/preferences /etc/apt/preferences.d/*; do
    [[ -e $part ]] && cp "$part" "$dir/preferences/"
  done
  next_release_source >"$dir/sources/next-release.sources"
  printf 'Package: *\nPin: release n=trixie\nPin-Priority: 50\n' >"$dir/preferences/zz-next-release"
  cat >"$dir/apt.conf" <<CONF
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$dir/sources";
Dir::Etc::PreferencesParts "$dir/preferences";
Dir::State::Lists "$dir/lists";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
CONF
}

# Installs packages $@; on Debian 12 Docker's come from the next release, and containerd does not.
install_packages() {
  local package packages=() environment=(DEBIAN_FRONTEND=noninteractive)
  if [[ $(release ID)$(release VERSION_ID) == debian12 ]]; then
    PRIVATE_APT=$(mktemp -d /tmp/apt.XXXXXX)
    trap '"${AS_ROOT[@]}" rm -rf "$PRIVATE_APT"' EXIT
    private_apt "$PRIVATE_APT"
    environment+=("APT_CONFIG=$PRIVATE_APT/apt.conf")
    for package in "$@"; do
      [[ $package == docker* ]] && package+=/trixie
      packages+=("$package")
    done
  else
    packages=("$@")
  fi
  local apt=("${AS_ROOT[@]}" env "${environment[@]}" apt-get -q -o DPkg::Lock::Timeout=300)
  { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${packages[@]}"; } \
    >"$CACHE/apt.log" 2>&1 || {
    tail -n 20 "$CACHE/apt.log" >&2
    fail "apt-get could not install: ${packages[*]} (the whole log is in .cache/apt.log)"
  }
}

ensure_packages() {
  local missing AS_ROOT=()
  mapfile -t missing < <(missing_packages | sort -u)
  ((${#missing[@]})) || return 0
  have apt-get || fail "this is neither Debian nor Ubuntu; please install:" "${missing[@]}"
  become_root "${missing[@]}"
  say "installing ${missing[*]}"
  install_packages "${missing[@]}"
  hash -r
  mapfile -t missing < <(missing_packages | sort -u)
  ((${#missing[@]} == 0)) || fail "apt-get succeeded, and still missing: ${missing[*]}"
}

# --- Python --------------------------------------------------------------------------------------

# Prints the first interpreter on PATH that the project supports, with a directory that stays: a
# version manager's shim would change its mind with the working directory.
find_python() {
  local name
  for name in python3 python3.{14,13,12,11,10}; do
    "$name" - 2>/dev/null <<'PYTHON' && return 0
import sys
if sys.version_info < (3, 10):
    raise SystemExit(1)
print(sys._base_executable)
PYTHON
  done
  return 1
}

# Sets UV to a uv: the one on PATH, or a pinned one in a venv of its own, because a distribution's
# Python refuses packages from outside (PEP 668).
ensure_uv() {
  UV=$(command -v uv) && "$UV" --version >/dev/null 2>&1 && return 0
  UV=$CACHE/uv/bin/uv
  [[ -x $UV ]] && return 0
  say "installing uv into .cache/uv"
  "$(find_python)" -m venv "$CACHE/uv"
  "$CACHE/uv/bin/python" -m pip install -q --require-hashes -r requirements/uv.txt
}

ensure_venv() {
  local UV wanted
  wanted=$(cat "$LOCK" requirements/uv.txt dev/install.sh | sha256sum)
  if [[ -e $STAMP && $(<"$STAMP") == "$wanted" ]] && .venv/bin/python -c '' 2>/dev/null; then
    return 0
  fi
  ensure_uv
  say "installing requirements/dev.txt into .venv"
  .venv/bin/python -c '' 2>/dev/null || "$UV" venv -q --clear --python "$(find_python)" .venv
  "$UV" pip sync -q --python .venv/bin/python --require-hashes "$LOCK"
  # Alone in its directory, so that a PATH may name it without naming another python3 as well.
  mkdir -p "$CACHE/bin" && ln -sf "$UV" "$CACHE/bin/uv"
  printf '%s\n' "$wanted" >"$STAMP"
}

mkdir -p "$CACHE"
case "${1-}" in
  "") ensure_packages && ensure_venv ;;
  # `make lock` needs uv alone, and must also work while the lock file is broken.
  --uv) ensure_uv && printf '%s\n' "$UV" ;;
  *) fail "usage: dev/install.sh [--uv]" ;;
esac
