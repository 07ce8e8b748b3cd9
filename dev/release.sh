#!/usr/bin/env bash
# What .github/workflows/release.yml does with git. `check VERSION` says why a version cannot be
# released from here; `tag VERSION` puts what `make dist` has made on a commit that no branch has,
# and pushes its tag and that of the major version.
set -euo pipefail

refuse() {
  echo "::error title=Release::$1"
  exit 2
}

[[ $# == 2 && $1 =~ ^(check|tag)$ ]] || refuse "usage: dev/release.sh check|tag VERSION"
version="$2"
tag="v$version"
major="${tag%%.*}"

number='(0|[1-9][0-9]*)'
[[ $version =~ ^$number\.$number\.$number$ ]] ||
  refuse "a version is three numbers, such as 1.4.2"
grep --quiet --fixed-strings --line-regexp "__version__ = \"$version\"" ecr_publish/__init__.py ||
  refuse "ecr_publish/__init__.py names another version than $version"
[[ -z "$(git tag --list "$tag")" ]] || refuse "$tag exists, and a release never changes"
[[ $1 == tag ]] || exit 0

git checkout --quiet --detach
# .gitignore keeps both away from main.
git add --force dist ecr_publish
git commit --quiet --message "Release $version"
git tag "$tag"
pushed=("refs/tags/$tag")
# A later fix for an older version does not take the major tag back.
if [[ "$(git tag --list "$major.*" --sort version:refname | tail -n 1)" == "$tag" ]]; then
  git tag --force "$major" >/dev/null
  pushed+=("+refs/tags/$major")
fi
git push --quiet --atomic origin "${pushed[@]}"
