#!/usr/bin/env bash
# The real parts that the tests use, each by a script of its own that can be repeated and pins what it installs. One that
# cannot be had is said here and by the tests that need it; it stops nothing.
set -uo pipefail
cd "$(dirname "$0")"
for part in *.sh; do
  [[ $part == all.sh ]] && continue
  "./$part" || echo "${part%.sh}: not installed; its tests will be skipped"
done
