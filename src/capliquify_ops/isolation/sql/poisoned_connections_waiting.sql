-- name: poisoned_connections_waiting
-- needs: nothing beyond CONNECT
-- since: 14
-- params: role text, schema text, table text
-- why: the sessions of the service that wait for the table which this audit holds, and nobody else's
SELECT DISTINCT a.pid
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT l.granted AND n.nspname::text = %(schema)s::text AND c.relname::text = %(table)s::text
  AND a.usename::text = %(role)s::text AND a.datname = pg_catalog.current_database()
ORDER BY a.pid
