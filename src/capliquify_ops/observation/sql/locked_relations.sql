-- name: locked_relations
-- needs: nothing beyond CONNECT
-- since: 14
-- params: pids int[], of_each int, at_most int
-- why: which tables the given sessions hold or wait for: in a database with a schema for each tenant, whose work they do
SELECT k.pid, k.schema, k.relation, k.mode, k.granted, k.waits_s
FROM (
  SELECT l.pid, n.nspname::text AS schema, c.relname::text AS relation, l.mode, l.granted,
    extract(epoch FROM pg_catalog.clock_timestamp() - l.waitstart)::float8 AS waits_s,
    -- What is waited for and what is in the way of others comes before what only reads.
    pg_catalog.row_number() OVER (
      PARTITION BY l.pid ORDER BY l.granted, l.mode = 'AccessShareLock', n.nspname, c.relname, l.mode
    ) AS place
  FROM pg_catalog.pg_locks AS l
  JOIN pg_catalog.pg_class AS c ON c.oid = l.relation AND c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S')
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE l.pid = ANY (%(pids)s) AND l.locktype = 'relation'
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
    AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_')
) AS k
WHERE k.place <= %(of_each)s
ORDER BY k.granted, k.place, k.pid, k.schema, k.relation, k.mode
LIMIT %(at_most)s
