-- name: capacity_connections
-- needs: pg_monitor to see other roles' sessions
-- since: 14
-- params: app text
-- why: connections in use of those that are to be had: of the server, and of the database and the application's role if they are limited
WITH client AS (
  SELECT a.datid, a.usesysid FROM pg_catalog.pg_stat_activity AS a WHERE (a.backend_type = 'client backend' OR (a.backend_type IS NULL AND a.datid IS NOT NULL))
),
scope (name, usable, datid, usesysid) AS (
  SELECT 'server',
    pg_catalog.current_setting('max_connections')::int
      - pg_catalog.current_setting('superuser_reserved_connections')::int
      - coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0),
    NULL::oid, NULL::oid
  UNION ALL
  SELECT 'database', d.datconnlimit, d.oid, NULL
  FROM pg_catalog.pg_database AS d
  WHERE d.datname = pg_catalog.current_database() AND d.datconnlimit >= 0
  UNION ALL
  SELECT 'role', r.rolconnlimit, NULL, r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = %(app)s AND r.rolconnlimit >= 0
)
SELECT s.name AS scope, pg_catalog.count(c.*)::int AS used, s.usable
FROM scope AS s
LEFT JOIN client AS c ON (s.datid IS NULL OR c.datid = s.datid) AND (s.usesysid IS NULL OR c.usesysid = s.usesysid)
GROUP BY s.name, s.usable
ORDER BY 1
