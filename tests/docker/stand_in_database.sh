# Stands in for postgres:18: Debian's PostgreSQL. The first start makes the database.
set -e
data=/var/lib/postgresql/data
mkdir -p /var/run/postgresql
chown postgres /var/run/postgresql /var/lib/postgresql
as_postgres="setpriv --reuid=postgres --regid=postgres --clear-groups"
if [ ! -e "$data/made" ]; then
  rm -rf "$data"
  echo "$POSTGRES_PASSWORD" > /tmp/password
  $as_postgres initdb --encoding=UTF8 --username="$POSTGRES_USER" --auth=scram-sha-256 \
    --pwfile=/tmp/password "$data"
  echo "host all all all scram-sha-256" >> "$data/pg_hba.conf"
  echo "CREATE DATABASE $POSTGRES_DB" | $as_postgres postgres --single -D "$data" postgres
  touch "$data/made"
fi
exec $as_postgres postgres -D "$data" -c "listen_addresses=*"
