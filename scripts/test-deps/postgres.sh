#!/usr/bin/env bash
# PostgreSQL 15 from Debian, for the tests of the ledger: they start a private server on a socket and a loopback port. Can be
# repeated; creates no cluster and starts nothing.
set -euo pipefail
bin=/usr/lib/postgresql/15/bin

if [[ -x $bin/initdb && -x $bin/postgres ]]; then
  "$bin/postgres" --version
  exit 0
fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
  echo 'postgres: not installed (needs root on Debian 12)'
  exit 0
fi
apt-get update -qq
mkdir -p /etc/postgresql-common
[[ -e /etc/postgresql-common/createcluster.conf ]] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-15 >/dev/null
"$bin/postgres" --version
