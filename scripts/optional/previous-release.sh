#!/usr/bin/env bash
# The release before this one, built, for `npm run test:upgrade`: the last tag, or without one the last commit of an earlier
# day; LASTGOOD_PREVIOUS names another. Its own sources and dist, the packages of this directory. Prints where it is, last.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD

if ! git rev-parse --verify --quiet HEAD >/dev/null; then
  echo 'previous release: not there (needs the git history); npm run test:upgrade will be skipped' >&2
  exit 0
fi
day=$(git log -1 --format=%cd --date=format:%Y-%m-%dT00:00:00)
reference=${LASTGOOD_PREVIOUS:-$(git describe --tags --abbrev=0 HEAD^ 2>/dev/null || git log -1 --format=%h --before="$day")}
if [[ -z $reference ]]; then
  echo 'previous release: not there (the history has one day only); npm run test:upgrade will be skipped' >&2
  exit 0
fi
place=${TMPDIR:-/tmp}/lastgood-previous-$(git rev-parse --short "$reference")
if [[ ! -e $place/complete ]]; then
  rm -rf "$place"
  mkdir -p "$place"
  git archive "$reference" | tar -xf - -C "$place"
  ln -s "$root/node_modules" "$place/node_modules"
  (cd "$place" && node scripts/build.mjs >&2)
  touch "$place/complete"
fi
echo "$place"
