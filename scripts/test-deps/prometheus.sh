#!/usr/bin/env bash
# Prometheus 2.42 and Alertmanager 0.25 from Debian 12, for the tests that read one and speak with the other on loopback. Can
# be repeated; their services are not started.
set -euo pipefail

if command -v prometheus >/dev/null && command -v prometheus-alertmanager >/dev/null; then
  echo "$(prometheus --version 2>&1 | head -n 1 | cut -d' ' -f1-3), $(prometheus-alertmanager --version 2>&1 | head -n 1 | cut -d' ' -f1-3)"
  exit 0
fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
  echo 'prometheus, alertmanager: not installed (needs root on Debian 12)'
  exit 0
fi
# Debian would start both for the whole machine; the tests want none but their own.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus prometheus-alertmanager >/dev/null
echo "$(prometheus --version 2>&1 | head -n 1 | cut -d' ' -f1-3), $(prometheus-alertmanager --version 2>&1 | head -n 1 | cut -d' ' -f1-3)"
