#!/bin/sh
# Makes both databases of Temporal where they are missing, and brings their schema up to date. Can be repeated.
set -eu
SQL_PASSWORD=$(cat /run/secrets/postgres)
export SQL_PASSWORD
schema=/etc/temporal/schema/postgresql/v12

tool() {
  temporal-sql-tool --plugin postgres12 --endpoint "$SQL_HOST" --port 5432 --user "$SQL_USER" "$@"
}

for database in temporal temporal_visibility; do
  # It is there already after the first start.
  tool --database "$database" create || echo "$database is there"
  tool --database "$database" setup-schema -v 0.0 || echo "$database has a schema"
done
tool --database temporal update-schema -d "$schema/temporal/versioned"
tool --database temporal_visibility update-schema -d "$schema/visibility/versioned"
