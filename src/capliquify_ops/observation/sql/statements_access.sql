-- name: statements_access
-- needs: nothing beyond CONNECT
-- since: 14
-- params: none
-- why: where the extension with the statistics of statements stands, whether its library is loaded, and what this role may see of it
SELECT current_user::text AS role, coalesce(s.nspname::text, '') AS schema,
  coalesce(pg_catalog.has_schema_privilege(s.oid, 'USAGE'), false) AS may_use,
  -- The setting is there once the library is.
  coalesce(pg_catalog.current_setting('pg_stat_statements.track', true), '') AS track,
  pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all
FROM (VALUES (1)) AS one (n)
LEFT JOIN pg_catalog.pg_extension AS e ON e.extname = 'pg_stat_statements'
LEFT JOIN pg_catalog.pg_namespace AS s ON s.oid = e.extnamespace
ORDER BY 1
