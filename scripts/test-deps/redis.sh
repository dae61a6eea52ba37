#!/usr/bin/env bash
# Redis for the tests of the output caches, from Debian 12: they start private servers on loopback ports. Can be repeated;
# starts nothing. Says which version is there: the tests are written for 7.0.
set -euo pipefail
release=7.0

found() { redis-server --version 2>/dev/null | sed -nE 's/.* v=([0-9.]+).*/\1/p'; }
if [[ $(found) == "$release".* ]]; then
  echo "redis $(found)"
  exit 0
fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
  echo "redis $release: not installed (needs root on Debian 12); found: $(found || true)"
  exit 0
fi
apt-get update -qq
version=$(apt-cache madison redis-server | sed -nE "s/^ *redis-server \| *([^ ]*:?$release\.[^ ]+).*/\1/p" | head -n 1)
if [[ -z $version ]]; then
  echo "redis $release: apt-get has none (found: $(apt-cache madison redis-server | cut -d'|' -f2 | tr '\n' ' '))"
  exit 0
fi
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "redis-server=$version" >/dev/null
echo "redis $(found)"
