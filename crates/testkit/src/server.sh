# Runs a throw-away Postgres in $1 with the binaries in $2, until nobody holds $1/users any more.
# A session that says `set synchronous_commit = on` stays within its commit: written, and visible to nobody.
# Whoever starts this holds $1/lock; we take it when we stop, so that nobody counts on a server that is going.
dir=$1 bin=$2
umask 077
cd "$dir" || exit 1

"$bin/initdb" -D data -U supabase_admin -A trust -E UTF8 --locale=C.UTF-8 --no-sync --no-instructions >init.log 2>&1 || exit 1
cat >>data/postgresql.conf <<CONF
listen_addresses = ''
unix_socket_directories = '$dir'
fsync = off
synchronous_commit = off
synchronous_standby_names = 'nobody'
full_page_writes = off
autovacuum = off
wal_level = logical
max_wal_senders = 20
max_replication_slots = 40
max_connections = 300
shared_buffers = 64MB
max_wal_size = 512MB
jit = off
log_min_error_statement = panic
shared_preload_libraries = 'pg_stat_statements'
CONF

setpriv --pdeathsig QUIT -- "$bin/postgres" -D data >server.log 2>&1 &
server=$!

exec 8>>users 9>>lock
while sleep 2 && kill -0 $server 2>/dev/null; do
  flock -n -x 9 || continue
  if flock -n -x 8; then
    kill -QUIT $server
    break
  fi
  flock -u 9
done
wait $server
cd / && rm -rf "$dir"
