#!/usr/bin/env bash
# HAProxy for the tests of its adapter, from Debian 12. Does nothing where the pinned release runs already; without root
# it says so and ends well: the tests then say that they are skipped.
set -euo pipefail
release=2.6.12

if installed=$(haproxy -v 2>/dev/null | sed -nE 's/^HAProxy version ([0-9.]+).*/\1/p') && [[ $installed == "$release" ]]; then
  echo "haproxy $installed"
  exit 0
fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
  echo "haproxy $release: not installed (needs root on Debian 12); found: ${installed:-none}"
  exit 0
fi
apt-get update -qq
# The newest security update of the pinned release. Its service is not started: the tests start their own, on loopback.
version=$(apt-cache madison haproxy | sed -nE "s/^ *haproxy \| *($release-[^ ]+).*/\1/p" | head -n 1)
if [[ -z $version ]]; then
  echo "haproxy $release: apt-get has none (found: $(apt-cache madison haproxy | cut -d'|' -f2 | tr '\n' ' '))"
  exit 0
fi
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "haproxy=$version" >/dev/null
haproxy -v | head -n 1
