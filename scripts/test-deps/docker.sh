#!/usr/bin/env bash
# Installs the Docker Engine that the tests of the Docker runtime start for themselves: Debian's packages, pinned.
# Can be repeated. Starts nothing: the tests run a private dockerd with its own data root, and skip where there is none.
set -euo pipefail

version='20.10.24+dfsg1-1+deb12u1*'
packages=(docker.io openssl iptables)

if command -v dockerd >/dev/null && command -v openssl >/dev/null; then
  echo "docker: $(dockerd --version)"
  exit 0
fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
  echo 'docker: not installed (needs root and apt-get); its tests will be skipped'
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# Debian would start a dockerd for the whole machine; the tests want none but their own.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]/docker.io/docker.io=$version}" >/dev/null
echo "docker: $(dockerd --version)"
