-- name: connection_budget
-- needs: nothing beyond CONNECT
-- since: 14
-- params: app text
-- why: connections that there are, limits of database and role, and who uses them: from these follow the sizes of pools
SELECT pg_catalog.current_setting('max_connections')::int AS max_connections,
  pg_catalog.current_setting('superuser_reserved_connections')::int
    + coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0) AS reserved,
  (SELECT nullif(d.datconnlimit, -1) FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()) AS database_limit,
  (SELECT nullif(r.rolconnlimit, -1) FROM pg_catalog.pg_roles AS r WHERE r.rolname = %(app)s) AS role_limit,
  (pg_catalog.count(*) FILTER (WHERE NOT x.is_own_pool))::int AS others,
  (pg_catalog.count(*) FILTER (WHERE x.is_own_pool))::int AS own,
  coalesce(pg_catalog.bool_and(x.is_visible), true) AS is_whole
FROM (
  SELECT a.datname IS NOT DISTINCT FROM pg_catalog.current_database() AND a.usename IS NOT DISTINCT FROM %(app)s::text AS is_own_pool,
    a.state IS NOT NULL AS is_visible
  FROM pg_catalog.pg_stat_activity AS a
  -- Who may not see what others do sees no backend_type of theirs either.
  WHERE (a.backend_type = 'client backend' OR (a.backend_type IS NULL AND a.datid IS NOT NULL)) AND a.pid <> pg_catalog.pg_backend_pid()
) AS x
