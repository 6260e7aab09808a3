-- name: row_level_security_waiting
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schema text, table text
-- why: the role of whoever waits for a held table is the one that the service really connects with
SELECT DISTINCT pg_catalog.pg_get_userbyid(a.usesysid)::text AS name
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT l.granted AND n.nspname::text = %(schema)s::text AND c.relname::text = %(table)s::text
ORDER BY 1
