#!/usr/bin/env bash
# Chromium for the test of the operator console, from Debian 12. Does nothing where one of at least the release below is
# there already; without root it says so and ends well: the test then says that it is skipped.
set -euo pipefail
# Debian keeps the newest release only, so a release cannot be pinned: the least one is, which the console was tested with.
least=150

found=$(chromium --version 2>/dev/null | sed -nE 's/^Chromium ([0-9.]+).*/\1/p' || true)
if [[ -n $found && ${found%%.*} -ge $least ]]; then
  echo "chromium $found"
  exit 0
fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
  echo "chromium $least or newer: not installed (needs root on Debian 12); found: ${found:-none}"
  exit 0
fi
apt-get update -qq
version=$(apt-cache madison chromium | sed -nE 's/^ *chromium \| *([0-9][^ ]*).*/\1/p' | head -n 1)
if [[ -z $version || ${version%%.*} -lt $least ]]; then
  echo "chromium $least or newer: apt-get has none (found: ${version:-nothing})"
  exit 0
fi
# A font, so that its pictures have letters.
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
  "chromium=$version" "chromium-common=$version" fonts-dejavu-core >/dev/null
chromium --version | head -n 1
