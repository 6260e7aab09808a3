-- name: concurrent_history_advisory
-- needs: nothing beyond CONNECT
-- since: 14
-- params: role text, schema text, table text
-- why: the advisory locks that a session of the service holds alone while it waits for the table which this audit holds
SELECT DISTINCT k.classid::text || '/' || k.objid::text || '/' || k.objsubid::text AS key
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_locks AS k ON k.pid = l.pid AND k.locktype = 'advisory' AND k.granted AND k.mode = 'ExclusiveLock'
WHERE NOT l.granted AND n.nspname::text = %(schema)s::text AND c.relname::text = %(table)s::text
  AND a.usename::text = %(role)s::text AND a.datname = pg_catalog.current_database()
ORDER BY 1
