-- name: locked_relations
-- needs: nothing beyond CONNECT
-- since: 14
-- params: pids int[], at_most int
-- why: which tables the given sessions hold or wait for: in a database with a schema for each tenant, whose work they do
SELECT l.pid, n.nspname::text AS schema, c.relname::text AS relation, l.mode, l.granted,
  extract(epoch FROM pg_catalog.clock_timestamp() - l.waitstart)::float8 AS waits_s
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation AND c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S')
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.pid = ANY (%(pids)s) AND l.locktype = 'relation'
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
  AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_')
ORDER BY l.pid, l.granted, n.nspname, c.relname, l.mode
LIMIT %(at_most)s
