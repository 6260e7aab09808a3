-- name: audit_guards
-- needs: nothing beyond CONNECT
-- since: 14
-- params: schema text, table text
-- why: the server process of whoever waits for a held table is the connection that serves the request
SELECT DISTINCT l.pid
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT l.granted AND n.nspname::text = %(schema)s::text AND c.relname::text = %(table)s::text
ORDER BY 1
