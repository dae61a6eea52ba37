#!/usr/bin/env bash
# Docker Compose for the test that reads docker-compose.yml, from Debian 12. Starts nothing. Does nothing where one is there;
# without root it says so and ends well: the test then says that it is skipped.
set -euo pipefail
release=1.29.2

if installed=$(docker-compose version --short 2>/dev/null); then
  echo "docker-compose $installed"
  exit 0
fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
  echo "docker-compose $release: not installed (needs root on Debian 12)"
  exit 0
fi
apt-get update -qq
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "docker-compose=$release*" >/dev/null
echo "docker-compose $(docker-compose version --short)"
